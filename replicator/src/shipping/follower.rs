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
    /// All that there was at this time has been sent to it; none when that was never so.
    level: Option<Instant>,
    /// How many events there were at a time, which have not all been sent to it.
    ahead: Option<(u64, Instant)>,
}

impl FollowerSeen {
    /// A node that follows from now on.
    pub(super) fn new(node: NodeId) -> Self {
        Self { node, since: Instant::now(), sent: 0, level: None, ahead: None }
    }

    /// For how long some of so many events have not been sent to it, or may not have been; none when it never had all.
    pub fn lag(&self, events: u64) -> Option<Duration> {
        if events <= self.sent { Some(Duration::ZERO) } else { self.level.map(|level| level.elapsed()) }
    }

    /// It was sent so many of the so many events that it may have. While ever more come it never has all that there are, and is
    /// as late as what there was when it was looked at before.
    pub(super) fn mark(&mut self, sent: u64, events: u64) {
        self.sent = sent;
        if let Some((ahead, at)) = self.ahead
            && sent >= ahead
        {
            (self.level, self.ahead) = (Some(at), None);
        }
        if sent >= events {
            self.level = Some(Instant::now());
        } else {
            self.ahead.get_or_insert((events, Instant::now()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_follower_is_late_since_it_had_all_last() {
        let mut seen = FollowerSeen::new(NodeId::UNKNOWN);
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

    #[test]
    fn a_follower_that_never_has_the_newest_event_is_as_late_as_a_round_takes() {
        const ROUND: Duration = Duration::from_secs(1);
        let mut seen = FollowerSeen::new(NodeId::UNKNOWN);
        for events in 0..100 {
            seen.mark(events, events + 1);
            // So much later.
            seen.level = seen.level.map(|level| level - ROUND);
            seen.ahead = seen.ahead.map(|(events, at)| (events, at - ROUND));
        }
        let lag = seen.lag(100);
        assert!(lag >= Some(ROUND) && lag < Some(3 * ROUND), "{lag:?}");
        // One that gets nothing more is ever later.
        for _ in 0..60 {
            seen.mark(99, 200);
            seen.level = seen.level.map(|level| level - ROUND);
            seen.ahead = seen.ahead.map(|(events, at)| (events, at - ROUND));
        }
        assert!(seen.lag(200) >= Some(60 * ROUND), "{:?}", seen.lag(200));
    }
}
