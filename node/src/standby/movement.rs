//! Whether a stream moves.

use std::time::Duration;

use replicator::{Followed, LogPlace};
use tokio::time::Instant;

/// How far a stream has come, and since when.
pub(super) struct Movement {
    /// How many events were here when it began.
    here: u64,
    /// How many had been taken by then, from earlier streams.
    before: u64,
    taken: u64,
    since: Instant,
    /// How long no event may come.
    patience: Duration,
}

impl Movement {
    /// Of a stream that begins at this place.
    pub(super) fn new(place: LogPlace, followed: &Followed, patience: Duration) -> Self {
        let taken = followed.now(0).taken;
        Self { here: place.events, before: taken, taken, since: Instant::now(), patience }
    }

    /// Whether no event came for too long, though the leader has some.
    pub(super) fn is_missing(&mut self, followed: &Followed) -> bool {
        let now = followed.now(0);
        let here = self.here.saturating_add(now.taken.saturating_sub(self.before));
        let is_behind = now.tail.is_some_and(|tail| tail > here);
        if now.taken != self.taken || !is_behind {
            (self.taken, self.since) = (now.taken, Instant::now());
        }
        self.since.elapsed() > self.patience
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use log::LogDigest;
    use replicator::wire::{HeartbeatFrame, WirePlace};
    use tokio::time::advance;

    use super::super::connection::SILENCE;
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_an_earlier_stream_brought_hides_nothing() {
        let followed = Followed::new("http://leader".to_owned(), "leader".to_owned(), None);
        let beat = |tail| {
            let place = WirePlace { events: 5, digest: [0; 32] };
            followed.heard(&HeartbeatFrame { place, tail, released: tail, clock: 0 }, 5);
        };
        followed.took(5, 5, 5);
        beat(5);
        let mut movement =
            Movement::new(LogPlace { events: 5, digest: LogDigest::EMPTY }, &followed, SILENCE);
        advance(SILENCE * 2).await;
        assert!(!movement.is_missing(&followed), "there is nothing to come");
        beat(8);
        advance(SILENCE).await;
        assert!(!movement.is_missing(&followed), "it may come yet");
        advance(Duration::from_secs(1)).await;
        assert!(movement.is_missing(&followed));
        followed.took(1, 6, 8);
        assert!(!movement.is_missing(&followed), "one has come");
        followed.took(2, 8, 8);
        advance(SILENCE * 2).await;
        assert!(!movement.is_missing(&followed), "all of them have come");
    }
}
