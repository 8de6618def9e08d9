//! How much memory all clients together may take up: one account of bytes, from which everything is claimed before it
//! is held, and to which it comes back when the last holder lets go.
//!
//! The bytes are in shares, so that no kind of request can keep out another, and once half of a share is taken one
//! connection may only hold a small part of it, and one address a quarter of the answers. When a share is spent,
//! whoever holds some of it and has been overdue for longest is cut off: a body that hardly moves, a call that waits,
//! an answer that nobody fetches. Without such a one the claim is refused, and the client told to come again.

mod claim;
mod holder;
mod networks;
mod share;
mod tenure;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use poem::Request;
use protocol::Code;
use thiserror::Error;
use tokio::sync::Notify;

use crate::error::HttpError;

pub(crate) use claim::keep_with;
pub use claim::{Lack, MemoryClaim};
pub(crate) use holder::Holder;
pub use share::{BRIEF, Share};
pub(crate) use tenure::Tenure;

use networks::HeldByNetworks;
use share::PerShare;
use tenure::{Cuttable, Place};

/// After how many seconds a client that was refused may come again: soon, for what it wants is short-lived.
pub(crate) const COME_AGAIN_SECONDS: u32 = 1;

/// An account of bytes; clones share it.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Account>);

#[derive(Debug)]
struct Account {
    bytes: usize,
    state: Mutex<State>,
    /// Tells those that wait that something of a share came back.
    freed: PerShare<Notify>,
}

#[derive(Debug)]
struct State {
    /// What is left of each share. What cannot be refused any more may overdraw it.
    left: PerShare<isize>,
    /// What is counted to each address.
    networks: HeldByNetworks,
    /// Who holds some of it and may be cut off, from when on.
    due: PerShare<BTreeMap<Place, Cuttable>>,
    /// Tells apart those that are due at the same time.
    number: u64,
}

/// There is no memory for it at the moment.
#[derive(Clone, Copy, Debug, Error)]
#[error("this node has no memory left for this request; try again in a moment")]
pub struct Spent;

impl From<Spent> for HttpError {
    fn from(spent: Spent) -> Self {
        Self::new(Code::Unavailable, spent.to_string()).with_retry_after(COME_AGAIN_SECONDS)
    }
}

impl From<Spent> for poem::Error {
    fn from(spent: Spent) -> Self {
        HttpError::from(spent).into()
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(Self::USUAL)
    }
}

impl Budget {
    /// How many bytes there are when nobody says.
    pub const USUAL: usize = 256 << 20;

    /// An account of so many bytes.
    pub fn new(bytes: usize) -> Self {
        let left = PerShare::new(|share| share.of(bytes).cast_signed());
        let state = Mutex::new(State {
            left,
            networks: HeldByNetworks::default(),
            due: PerShare::default(),
            number: 0,
        });
        Self(Arc::new(Account { bytes, state, freed: PerShare::default() }))
    }

    /// The one that a request is counted in.
    pub(crate) fn of(request: &Request) -> Self {
        request.data::<Self>().cloned().unwrap_or_default()
    }

    /// How many bytes there are, taken or not.
    pub fn bytes(&self) -> usize {
        self.0.bytes
    }

    /// How many bytes a share has, taken or not.
    pub fn share(&self, share: Share) -> usize {
        share.of(self.0.bytes)
    }

    fn freed(&self, share: Share) -> &Notify {
        self.0.freed.get(share)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
