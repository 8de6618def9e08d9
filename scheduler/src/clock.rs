//! The time of day and the height of the chain, as things that can be put in another's place.

mod guarded;

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use gateway::{GatewayError, HeightDoubt, HeightFeed, KnownHeight};
use protocol::Timestamp;

pub use guarded::{ClockError, ClockJump, GuardedClock};

/// Tells the time of day. It may jump in both directions; whoever uses it must not count on more.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;

    /// The time now, to be signed: what is signed with a wrong one cannot be taken back.
    ///
    /// # Errors
    /// When there is reason to believe that the clock is wrong.
    fn reliable_now(&self) -> Result<Timestamp, ClockError> {
        Ok(self.now())
    }

    /// A time that only goes forward, to tell how long something takes.
    fn monotonic(&self) -> Instant {
        Instant::now()
    }
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::new(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
    }
}

/// Tells the newest block height that is known, without asking anybody.
pub trait Heights: Send + Sync {
    /// The newest height and how old the knowledge is; none when none was ever known.
    fn current(&self) -> Option<KnownHeight>;

    /// Why what the gateway tells is not used, if it is not.
    fn doubt(&self) -> Option<HeightDoubt> {
        None
    }

    /// Why the gateway did not answer the last time, if it did not.
    fn failure(&self) -> Option<GatewayError> {
        None
    }
}

impl Heights for HeightFeed {
    fn current(&self) -> Option<KnownHeight> {
        HeightFeed::current(self)
    }

    fn doubt(&self) -> Option<HeightDoubt> {
        HeightFeed::doubt(self)
    }

    fn failure(&self) -> Option<GatewayError> {
        HeightFeed::failure(self)
    }
}
