//! A claim of some of the memory.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use super::holder::Holder;
use super::networks::NETWORK_PART;
use super::share::{BRIEF, PerShare, Share};
use super::{Budget, Spent, State};

/// How long a claim waits for what is taken from others.
const PATIENCE: Duration = Duration::from_secs(5);
/// The part of a share that one connection may hold while less than half of it is left: one of so many.
const PART: usize = 16;
/// The part of that up to which others are cut off for it, one of so many: whoever takes much waits for what comes back.
const MODEST: usize = 4;

/// Bytes that were claimed. They come back when this is dropped.
#[derive(Debug)]
pub struct MemoryClaim {
    budget: Budget,
    /// The connection that it is for.
    holder: Option<Arc<Holder>>,
    held: PerShare<usize>,
    /// What of it is counted to the connection.
    counted: PerShare<usize>,
}

/// Why bytes were not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// Others hold them.
    NotThere,
    /// The connection holds its part already, or enough of it that nobody is cut off for more.
    HoldsEnough,
    /// Its address holds its part already: only others of this address are cut off for more.
    AddressHoldsEnough,
}

impl Budget {
    /// Claims bytes. When they are not there, whoever is overdue is cut off and waited for.
    ///
    /// # Errors
    /// When there is nobody to cut off, or the connection holds its part already.
    pub async fn claim(&self, share: Share, bytes: usize) -> Result<MemoryClaim, Spent> {
        let mut claim = self.nothing();
        claim.grow(share, bytes).await?;
        Ok(claim)
    }

    /// Claims bytes that are left.
    pub fn try_claim(&self, share: Share, bytes: usize) -> Option<MemoryClaim> {
        self.claim_now(share, bytes).ok()
    }

    /// The same, and why not.
    ///
    /// # Errors
    /// When they are not left, or not for this connection.
    pub fn claim_now(&self, share: Share, bytes: usize) -> Result<MemoryClaim, Lack> {
        let mut claim = self.nothing();
        claim.take(share, bytes).map(|()| claim)
    }

    /// The same, after `give_up` has given up one thing after the other that is counted to no connection, for as long as
    /// that is of use: whoever holds enough does not hold that.
    ///
    /// # Errors
    /// When nothing was left to give up, or the connection or its address holds its part already.
    pub fn claim_instead(
        &self,
        share: Share,
        bytes: usize,
        mut give_up: impl FnMut() -> bool,
    ) -> Result<MemoryClaim, Lack> {
        loop {
            let claim = self.claim_now(share, bytes);
            if !matches!(claim, Err(Lack::NotThere)) || !give_up() {
                return claim;
            }
        }
    }

    /// A claim that is still to grow.
    pub fn nothing(&self) -> MemoryClaim {
        MemoryClaim {
            budget: self.clone(),
            holder: Holder::current(),
            held: PerShare::default(),
            counted: PerShare::default(),
        }
    }
}

impl MemoryClaim {
    /// Claims more; see [`Budget::claim`].
    ///
    /// # Errors
    /// When there is not so much, and nobody to cut off. What is held already stays.
    pub async fn grow(&mut self, share: Share, by: usize) -> Result<(), Spent> {
        timeout(PATIENCE, self.grow_at_cost(share, by)).await.unwrap_or(Err(Spent))
    }

    /// Cuts off one after the other until there is enough: the next one when the last one has ended, and that was too
    /// little.
    async fn grow_at_cost(&mut self, share: Share, by: usize) -> Result<(), Spent> {
        let budget = self.budget.clone();
        loop {
            let of = match self.take(share, by) {
                Ok(()) => return Ok(()),
                Err(Lack::HoldsEnough) => return Err(Spent),
                Err(Lack::NotThere) => None,
                Err(Lack::AddressHoldsEnough) => self.network(),
            };
            let mut other = budget.cut_one(share, of).ok_or(Spent)?;
            loop {
                let mut freed = pin!(budget.freed(share).notified());
                freed.as_mut().enable();
                if self.take(share, by).is_ok() {
                    return Ok(());
                }
                tokio::select! {
                    () = other.ended() => break,
                    () = freed => {}
                }
            }
        }
    }

    fn take(&mut self, share: Share, bytes: usize) -> Result<(), Lack> {
        let (whole, part) = (self.budget.share(share), self.budget.share(share) / PART);
        let (held, counted) = (*self.held.get(share), *self.counted.get(share));
        // So much is a guess of what an answer takes while it is made: it is counted when that is known.
        let is_guess = match share {
            Share::Answers => bytes > part,
            Share::Brief => bytes > BRIEF,
            _ => false,
        };
        let budget = self.budget.clone();
        let mut state = budget.lock();
        let left = usize::try_from(*state.left.get(share)).ok().and_then(|left| left.checked_sub(bytes));
        let on_connection = self.holder.as_ref().map_or(0, |holder| holder.held(share));
        // What is alone on its connection may have what it needs.
        let is_alone = on_connection <= counted;
        let is_scarce = left.is_none_or(|left| left < whole / 2);
        let has_its_part = if is_guess { on_connection >= part } else { on_connection + bytes > part };
        if is_scarce && !is_alone && has_its_part {
            return Err(Lack::HoldsEnough);
        }
        let of_network = self.network().and_then(|network| state.networks.held(share, network));
        // As above: what is alone may have what it needs.
        let network_has_its_part = of_network.is_some_and(|held| {
            held > counted && held + if is_guess { 1 } else { bytes } > whole / NETWORK_PART
        });
        if is_scarce && network_has_its_part {
            return Err(Lack::AddressHoldsEnough);
        }
        if left.is_none() {
            let is_modest = is_alone || is_guess || on_connection + bytes <= part / MODEST;
            return Err(if is_modest { Lack::NotThere } else { Lack::HoldsEnough });
        }
        self.set(&mut state, share, held + bytes, if is_guess { counted } else { counted + bytes });
        Ok(())
    }

    /// Holds just so much of a share: gives back what is too much, and takes what lacks, be it there or not, since it
    /// is in use already.
    pub fn correct(&mut self, share: Share, to: usize) {
        let budget = self.budget.clone();
        let before = *self.held.get(share);
        self.set(&mut budget.lock(), share, to, to);
        if to < before {
            budget.freed(share).notify_waiters();
        }
    }

    /// The bytes with their claim, which ends with their last clone.
    pub fn over(self, bytes: Vec<u8>) -> Bytes {
        keep_with(bytes, self)
    }

    /// Holds so much of a share, of which so much is counted to the connection.
    fn set(&mut self, state: &mut State, share: Share, held: usize, counted: usize) {
        let held_before = std::mem::replace(self.held.get_mut(share), held);
        let counted_before = std::mem::replace(self.counted.get_mut(share), counted);
        *state.left.get_mut(share) += held_before.cast_signed() - held.cast_signed();
        let Some(holder) = &self.holder else { return };
        holder.exchange(share, counted_before, counted);
        if let Some(network) = holder.network() {
            state.networks.exchange(share, network, counted_before, counted);
        }
    }

    /// The address that it is counted to.
    fn network(&self) -> Option<IpAddr> {
        self.holder.as_ref().and_then(|holder| holder.network())
    }
}

impl Drop for MemoryClaim {
    fn drop(&mut self) {
        for share in Share::ALL {
            self.correct(share, 0);
        }
    }
}

/// The same bytes; what is kept is dropped with their last clone.
pub(crate) fn keep_with<B, T>(bytes: B, kept: T) -> Bytes
where
    B: AsRef<[u8]> + Send + 'static,
    T: Send + 'static,
{
    Bytes::from_owner(Kept { bytes, _kept: kept })
}

struct Kept<B, T> {
    bytes: B,
    _kept: T,
}

impl<B: AsRef<[u8]>, T> AsRef<[u8]> for Kept<B, T> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}
