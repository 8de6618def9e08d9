//! Places for calls that are on their way: each takes a socket. What is posted has places of its own, so that it waits for nobody
//! who reads, and so have reads that wait for what is to come, and answers that are longer than is read at once.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many calls of each kind may be on their way at once.
const POSTS_MAX: usize = 512;
const READS_MAX: usize = 512;
const WAITS_MAX: usize = 1024;
const LONG_MAX: usize = 512;
/// The part of them that is for one scheduler: one of so many.
const EACH: usize = 2;

/// What a call holds a place for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallKind {
    /// What is posted.
    Posts,
    /// A read that is answered at once.
    Reads,
    /// A read that waits for what is to come.
    Waits,
    /// An answer that is on its way a piece at a time.
    Long,
}

/// Places for each kind of calls: those of all schedulers together, or of one.
pub(crate) struct CallPlaces {
    posts: Arc<Semaphore>,
    reads: Arc<Semaphore>,
    waits: Arc<Semaphore>,
    long: Arc<Semaphore>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(crate) struct CallPlace {
    _of_one: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

/// Whose places are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoCallPlace {
    /// Those of this scheduler.
    OfOne,
    /// Those of all of them.
    OfAll,
}

impl CallKind {
    const fn most(self) -> usize {
        match self {
            Self::Posts => POSTS_MAX,
            Self::Reads => READS_MAX,
            Self::Waits => WAITS_MAX,
            Self::Long => LONG_MAX,
        }
    }
}

impl CallPlaces {
    /// How many sockets all calls take at most, and what is posted alone.
    pub(crate) const ALL: usize = POSTS_MAX + READS_MAX + WAITS_MAX + LONG_MAX;
    pub(crate) const POSTS: usize = POSTS_MAX;

    fn new(part: usize) -> Self {
        let places = |kind: CallKind| Arc::new(Semaphore::new(kind.most() / part));
        Self {
            posts: places(CallKind::Posts),
            reads: places(CallKind::Reads),
            waits: places(CallKind::Waits),
            long: places(CallKind::Long),
        }
    }

    /// Those of all schedulers.
    pub(crate) fn to_all() -> Self {
        Self::new(1)
    }

    /// Those of one: should it hang, the others have some left.
    pub(crate) fn to_one() -> Self {
        Self::new(EACH)
    }

    /// A place among all for a call to the scheduler that has the places `own`.
    ///
    /// # Errors
    /// When there is none left.
    pub(crate) fn take(&self, own: &Self, kind: CallKind) -> Result<CallPlace, NoCallPlace> {
        let of_one = own.of(kind).try_acquire_owned().map_err(|_| NoCallPlace::OfOne)?;
        let of_all = self.of(kind).try_acquire_owned().map_err(|_| NoCallPlace::OfAll)?;
        Ok(CallPlace { _of_one: of_one, _of_all: of_all })
    }

    fn of(&self, kind: CallKind) -> Arc<Semaphore> {
        let places = match kind {
            CallKind::Posts => &self.posts,
            CallKind::Reads => &self.reads,
            CallKind::Waits => &self.waits,
            CallKind::Long => &self.long,
        };
        places.clone()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn no_kind_of_calls_takes_the_places_of_another_and_no_scheduler_those_of_all() {
        let (all, [hung, busy, well]) = (CallPlaces::to_all(), [(); 3].map(|()| CallPlaces::to_one()));
        let kinds = [CallKind::Posts, CallKind::Reads, CallKind::Waits, CallKind::Long];
        let mut held = Vec::new();
        for kind in kinds {
            for _ in 0..kind.most() / EACH {
                held.push(all.take(&hung, kind).unwrap());
            }
            assert_eq!(all.take(&hung, kind).unwrap_err(), NoCallPlace::OfOne);
            all.take(&well, kind).unwrap();
        }
        for _ in 0..POSTS_MAX / EACH {
            held.push(all.take(&busy, CallKind::Posts).unwrap());
        }
        assert_eq!(all.take(&well, CallKind::Posts).unwrap_err(), NoCallPlace::OfAll);
        all.take(&well, CallKind::Reads).unwrap();
        drop(held);
        all.take(&hung, CallKind::Posts).unwrap();
    }
}
