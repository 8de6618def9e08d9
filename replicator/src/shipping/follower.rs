//! Who follows a node, and how far that one has come.

use std::time::{Duration, Instant};

use log::NodeId;

/// A node that follows this one.
#[derive(Clone, Copy, Debug)]
pub struct FollowerSeen {
    /// Which node.
    pub node: NodeId,
    /// Since when.
    pub since: Instant,
    /// How many events of the log it was sent, those that it had before included.
    pub sent: u64,
    /// When it had been sent all that there was, as it was looked at last; none when it never had.
    pub level: Option<Instant>,
}

impl FollowerSeen {
    /// For how long some of so many events have not been sent to it, or may not have been; none when it never had all.
    pub fn lag(&self, events: u64) -> Option<Duration> {
        if events <= self.sent { Some(Duration::ZERO) } else { self.level.map(|level| level.elapsed()) }
    }

    /// It was sent so many of so many events.
    pub(super) fn mark(&mut self, sent: u64, events: u64) {
        self.sent = sent;
        if sent >= events {
            self.level = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_follower_is_late_since_it_had_all_last() {
        let now = Instant::now();
        let mut seen = FollowerSeen { node: NodeId::UNKNOWN, since: now, sent: 0, level: None };
        assert_eq!(seen.lag(0), Some(Duration::ZERO));
        assert_eq!(seen.lag(3), None, "it never had all");
        seen.mark(2, 3);
        assert_eq!(seen.lag(3), None);
        seen.mark(3, 3);
        assert_eq!(seen.lag(3), Some(Duration::ZERO));
        seen.level = seen.level.map(|level| level - Duration::from_secs(60));
        assert_eq!(seen.lag(3), Some(Duration::ZERO));
        seen.mark(4, 9);
        assert!(seen.lag(9) >= Some(Duration::from_secs(60)), "{:?}", seen.lag(9));
    }
}
