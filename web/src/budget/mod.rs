//! How much memory all clients together may take up: one account of bytes, from which everything is claimed before it
//! is held, and to which it comes back when the last holder lets go.
//!
//! The bytes are in shares, so that no kind of request can keep out another. When a share is spent, whoever has been
//! overdue for longest is cut off: a body that hardly moves, an answer that nobody fetches. Without such a one the
//! claim is refused, and the client told to come again.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use poem::Request;
use protocol::Code;
use thiserror::Error;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::error::HttpError;

/// How long a claim waits for what was taken from others.
const PATIENCE: Duration = Duration::from_secs(5);
/// After how many seconds a client that was refused may come again: soon, for what it wants is short-lived.
const COME_AGAIN_SECONDS: u32 = 1;
/// What is moved by less is not noted anew.
const COARSE: Duration = Duration::from_millis(250);

/// Which part of the memory something is claimed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// Requests as such, and the beginning of each body: ordinary messages need no more. A quarter of all.
    Small,
    /// What bodies have beyond their beginning. Three eighths.
    Large,
    /// What is made to be sent. Three eighths.
    Answers,
}

impl Share {
    const ALL: [Self; 3] = [Self::Small, Self::Large, Self::Answers];

    /// How much of so many bytes it is.
    fn of(self, bytes: usize) -> usize {
        let eighths = match self {
            Self::Small => 2,
            Self::Large | Self::Answers => 3,
        };
        bytes / 8 * eighths
    }
}

/// An account of bytes; clones share it.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Account>);

#[derive(Debug)]
struct Account {
    bytes: usize,
    state: Mutex<State>,
    /// Tells those that wait that something came back.
    freed: Notify,
}

#[derive(Debug)]
struct State {
    /// What is left of each share. What cannot be refused any more may overdraw it.
    left: [isize; Share::ALL.len()],
    /// Who may be cut off, from when on.
    due: BTreeMap<(Instant, u64), Arc<Notify>>,
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
        let left = Share::ALL.map(|share| share.of(bytes).cast_signed());
        let state = Mutex::new(State { left, due: BTreeMap::new(), number: 0 });
        Self(Arc::new(Account { bytes, state, freed: Notify::new() }))
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

    /// Claims bytes. When they are not there, whoever is overdue is cut off and waited for.
    ///
    /// # Errors
    /// When there is nobody to cut off.
    pub async fn claim(&self, share: Share, bytes: usize) -> Result<MemoryClaim, Spent> {
        let mut claim = self.nothing();
        claim.grow(share, bytes).await?;
        Ok(claim)
    }

    /// Claims bytes that are left.
    pub fn try_claim(&self, share: Share, bytes: usize) -> Option<MemoryClaim> {
        let mut claim = self.nothing();
        self.lock().take(share, bytes).then(|| {
            claim.add(share, bytes);
            claim
        })
    }

    /// A claim that is still to grow.
    pub fn nothing(&self) -> MemoryClaim {
        MemoryClaim { budget: self.clone(), held: [0; Share::ALL.len()] }
    }

    /// From this time on whoever holds this may be cut off, which `cut` tells.
    pub(crate) fn tenure(&self, due: Instant, cut: Arc<Notify>) -> Tenure {
        let mut state = self.lock();
        state.number += 1;
        let place = (due, state.number);
        state.due.insert(place, cut);
        Tenure { budget: self.clone(), place }
    }

    /// Cuts off whoever has been due for longest; whether there was anybody.
    fn cut_one(&self) -> bool {
        let cut = {
            let mut state = self.lock();
            let first = state.due.first_entry();
            first.filter(|first| first.key().0 <= Instant::now()).map(|first| first.remove())
        };
        cut.inspect(|cut| cut.notify_one()).is_some()
    }

    fn give_back(&self, share: Share, bytes: usize) {
        if bytes > 0 {
            self.lock().put(share, bytes);
            self.0.freed.notify_waiters();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, share: Share, bytes: usize) -> bool {
        let left = self.left(share);
        let enough = usize::try_from(*left).is_ok_and(|left| bytes <= left);
        if enough {
            *left -= bytes.cast_signed();
        }
        enough
    }

    /// Takes what is in use already, be it there or not.
    fn overdraw(&mut self, share: Share, bytes: usize) {
        *self.left(share) -= bytes.cast_signed();
    }

    fn put(&mut self, share: Share, bytes: usize) {
        *self.left(share) += bytes.cast_signed();
    }

    fn left(&mut self, share: Share) -> &mut isize {
        let [small, large, answers] = &mut self.left;
        match share {
            Share::Small => small,
            Share::Large => large,
            Share::Answers => answers,
        }
    }
}

/// Bytes that were claimed. They come back when this is dropped.
#[derive(Debug)]
pub struct MemoryClaim {
    budget: Budget,
    held: [usize; Share::ALL.len()],
}

impl MemoryClaim {
    /// Claims more; see [`Budget::claim`].
    ///
    /// # Errors
    /// When there is not so much, and nobody to cut off. What is held already stays.
    pub async fn grow(&mut self, share: Share, by: usize) -> Result<(), Spent> {
        let deadline = Instant::now() + PATIENCE;
        let budget = self.budget.clone();
        loop {
            let mut freed = pin!(budget.0.freed.notified());
            freed.as_mut().enable();
            if budget.lock().take(share, by) {
                self.add(share, by);
                return Ok(());
            }
            if !budget.cut_one() || timeout_at(deadline, freed).await.is_err() {
                return Err(Spent);
            }
        }
    }

    /// Holds just so much of a share: gives back what is too much, and takes what lacks, be it there or not, since it
    /// is in use already.
    pub fn correct(&mut self, share: Share, to: usize) {
        let held = self.held(share);
        let before = std::mem::replace(held, to);
        match to.checked_sub(before) {
            Some(more) => self.budget.lock().overdraw(share, more),
            None => self.budget.give_back(share, before - to),
        }
    }

    /// The bytes with their claim, which ends with their last clone.
    pub fn over(self, bytes: Vec<u8>) -> Bytes {
        Bytes::from_owner(Kept { bytes, _kept: self })
    }

    fn add(&mut self, share: Share, bytes: usize) {
        *self.held(share) += bytes;
    }

    fn held(&mut self, share: Share) -> &mut usize {
        let [small, large, answers] = &mut self.held;
        match share {
            Share::Small => small,
            Share::Large => large,
            Share::Answers => answers,
        }
    }
}

impl Drop for MemoryClaim {
    fn drop(&mut self) {
        for (share, bytes) in Share::ALL.into_iter().zip(self.held) {
            self.budget.give_back(share, bytes);
        }
    }
}

/// The same bytes; what is kept is dropped with their last clone.
pub(crate) fn keep_with<T: Send + 'static>(bytes: Bytes, kept: T) -> Bytes {
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

/// Something that may be cut off once it is due. Dropped, it may not be any more.
#[derive(Debug)]
pub(crate) struct Tenure {
    budget: Budget,
    place: (Instant, u64),
}

impl Tenure {
    /// Puts off when it is due. Who is being cut off stays so.
    pub(crate) fn put_off(&mut self, due: Instant) {
        if due < self.place.0 + COARSE {
            return;
        }
        let mut state = self.budget.lock();
        if let Some(cut) = state.due.remove(&self.place) {
            self.place.0 = due;
            state.due.insert(self.place, cut);
        }
    }
}

impl Drop for Tenure {
    fn drop(&mut self) {
        self.budget.lock().due.remove(&self.place);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    fn left(budget: &Budget) -> Vec<isize> {
        Share::ALL.iter().map(|share| *budget.lock().left(*share)).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_claimed_comes_back_with_its_last_holder() {
        let budget = Budget::new(800);
        assert_eq!(left(&budget), [200, 300, 300]);
        let mut claim = budget.claim(Share::Small, 200).await.unwrap();
        claim.grow(Share::Large, 100).await.unwrap();
        assert!(budget.try_claim(Share::Small, 1).is_none());
        assert!(budget.claim(Share::Large, 201).await.is_err(), "there is nobody to cut off");
        let bytes = claim.over(vec![1; 300]);
        let part = bytes.slice(5..6);
        drop(bytes);
        assert_eq!(left(&budget), [0, 200, 300]);
        drop(part);
        assert_eq!(left(&budget), [200, 300, 300]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_claim_is_corrected_to_what_is_in_use() {
        let budget = Budget::new(800);
        let mut claim = budget.claim(Share::Answers, 100).await.unwrap();
        claim.correct(Share::Answers, 40);
        assert_eq!(left(&budget), [200, 300, 260]);
        claim.correct(Share::Answers, 400);
        assert_eq!(left(&budget), [200, 300, -100]);
        assert!(budget.try_claim(Share::Answers, 1).is_none());
        drop(claim);
        assert_eq!(left(&budget), [200, 300, 300]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_due_for_longest_is_cut_off_for_a_claim() {
        let budget = Budget::new(800);
        let now = Instant::now();
        let hold = |due: u64| {
            let (budget, cut) = (budget.clone(), Arc::new(Notify::new()));
            let claim = budget.try_claim(Share::Small, 100).unwrap();
            tokio::spawn(async move {
                let _tenure = budget.tenure(now + Duration::from_secs(due), cut.clone());
                cut.notified().await;
                drop(claim);
            })
        };
        let (later, sooner) = (hold(3), hold(2));
        tokio::task::yield_now().await;
        assert!(budget.claim(Share::Small, 1).await.is_err(), "nobody is due");
        tokio::time::advance(Duration::from_secs(4)).await;
        let claim = budget.claim(Share::Small, 100).await.unwrap();
        sooner.await.unwrap();
        assert!(!later.is_finished());
        drop(budget.claim(Share::Small, 100).await.unwrap());
        later.await.unwrap();
        drop(claim);
        assert_eq!(left(&budget), [200, 300, 300]);
        assert!(budget.lock().due.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn who_moves_is_not_due() {
        let budget = Budget::new(800);
        let _all = budget.try_claim(Share::Small, 200).unwrap();
        let mut tenure = budget.tenure(Instant::now(), Arc::new(Notify::new()));
        tenure.put_off(Instant::now() + Duration::from_secs(1));
        assert!(!budget.cut_one());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(budget.cut_one());
        // It is being cut off, and that is not taken back.
        tenure.put_off(Instant::now() + Duration::from_secs(9));
        assert!(budget.lock().due.is_empty());
    }
}
