//! The time of day and the height of the chain, as things that can be put in another's place.

use std::time::{SystemTime, UNIX_EPOCH};

use gateway::{HeightFeed, KnownHeight};
use protocol::Timestamp;

/// Tells the time of day. It may jump in both directions; whoever uses it must not count on more.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;
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
}

impl Heights for HeightFeed {
    fn current(&self) -> Option<KnownHeight> {
        HeightFeed::current(self)
    }
}
