//! What a standby knows of the leader that it follows, and how far behind it is: for whoever asks.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::receiving::LeaderHello;
use crate::wire::HeartbeatFrame;

/// How old a heartbeat may be before nothing is known of the leader any more; one comes each second.
const FRESH: Duration = Duration::from_secs(5);

/// What a standby is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FollowState {
    /// It has not reached the leader since it started.
    Connecting,
    /// It gets what the leader has.
    Following,
    /// It is not connected for this reason, and tries again.
    Lost(String),
    /// It follows no more for this reason, until it is started again.
    Stopped(String),
}

impl FollowState {
    /// In a word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Following => "following",
            Self::Lost(_) => "lost",
            Self::Stopped(_) => "stopped",
        }
    }

    /// Why it is not following; none while it is.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Connecting => Some("the leader was not reached yet"),
            Self::Following => None,
            Self::Lost(reason) | Self::Stopped(reason) => Some(reason),
        }
    }
}

/// The leader that a standby follows; clones share it.
#[derive(Clone)]
pub struct Followed(Arc<Shared>);

struct Shared {
    started: Instant,
    state: Mutex<Seen>,
}

struct Seen {
    /// Whom it follows, as it was told.
    from: String,
    /// Where clients find the leader, where that was told.
    leader_url: Option<String>,
    /// The host of whom it follows.
    host: String,
    state: FollowState,
    since: Instant,
    leader: Option<LeaderHello>,
    heartbeat: Option<(Instant, u64)>,
    /// The leader's tail as it was told last.
    tail: Option<u64>,
    /// How many bytes are missing of what the leader told of last.
    behind: Option<u64>,
    /// When it had all that the leader had told of.
    level: Option<Instant>,
    /// How many events it took since it started.
    taken: u64,
    /// Whether signatures of what came in one piece are still to be verified.
    unverified: bool,
    /// What is wrong with what is here.
    condemned: Option<String>,
}

/// What is known at a moment.
#[derive(Clone, Debug)]
pub struct FollowedNow {
    /// What the standby is doing.
    pub state: FollowState,
    /// For how long.
    pub state_age: Duration,
    /// What the leader says of itself.
    pub leader: Option<LeaderHello>,
    /// How long ago the leader was heard of; none when it never was.
    pub heartbeat_age: Option<Duration>,
    /// The leader's tail as it was told last.
    pub tail: Option<u64>,
    /// How many events are missing; none while that is not known.
    pub lag_events: Option<u64>,
    /// About how many bytes these take; none while that is not known.
    pub lag_bytes: Option<u64>,
    /// For how long some have been missing, or may have been; none when it never had all of them.
    pub lag: Option<Duration>,
    /// How many events came since the start.
    pub taken: u64,
    /// Whether all signatures of what is here were verified, here or by whom it was before.
    pub verified: bool,
}

impl Followed {
    /// A standby that has not reached its leader yet. `leader_url` is where clients find that, where it was told.
    pub fn new(from: String, host: String, leader_url: Option<String>) -> Self {
        let now = Instant::now();
        let state = FollowState::Connecting;
        let (leader, heartbeat, tail, behind, level, taken) = (None, None, None, None, None, 0);
        let (unverified, condemned) = (false, None);
        let seen = Seen {
            from,
            leader_url,
            host,
            state,
            since: now,
            leader,
            heartbeat,
            tail,
            behind,
            level,
            taken,
            unverified,
            condemned,
        };
        Self(Arc::new(Shared { started: now, state: Mutex::new(seen) }))
    }

    /// Whom it follows.
    pub fn from(&self) -> String {
        self.seen().from.clone()
    }

    /// It follows another one from now on.
    pub fn retarget(&self, from: String, host: String) {
        let mut seen = self.seen();
        if seen.from != from {
            (seen.from, seen.host, seen.leader_url) = (from, host, None);
            (seen.state, seen.since) = (FollowState::Connecting, Instant::now());
            (seen.leader, seen.heartbeat, seen.tail) = (None, None, None);
        }
    }

    /// Where clients find the leader: as it was told, or on the host that is followed at the port that the leader tells.
    pub fn leader_url(&self) -> Option<String> {
        let seen = self.seen();
        if let Some(url) = &seen.leader_url {
            return Some(url.clone());
        }
        let leader = seen.leader.as_ref()?;
        leader.writes.clone().or_else(|| Some(format!("http://{}:{}", seen.host, leader.port)))
    }

    /// Its state from now on; whether that is another kind of state than before.
    pub fn set(&self, state: FollowState) -> bool {
        let mut seen = self.seen();
        let changed = seen.state.as_str() != state.as_str();
        if changed {
            seen.since = Instant::now();
        }
        seen.state = state;
        changed
    }

    /// Whether signatures of what is here are still to be verified.
    pub fn set_unverified(&self, unverified: bool) {
        self.seen().unverified = unverified;
    }

    /// What is here is wrong, for this reason: nobody shall rely on it.
    pub fn condemn(&self, reason: String) {
        self.seen().condemned = Some(reason);
    }

    /// The leader said who it is.
    pub fn greeted(&self, hello: LeaderHello) {
        let mut seen = self.seen();
        seen.heartbeat = Some((Instant::now(), 0));
        (seen.tail, seen.behind) = (Some(hello.tail), None);
        seen.leader = Some(hello);
    }

    /// The leader said how far it is, and so many events are here.
    pub fn heard(&self, beat: &HeartbeatFrame, own: u64) {
        let mut seen = self.seen();
        seen.heartbeat = Some((Instant::now(), beat.clock));
        // What is behind its place comes after it, where that is known.
        (seen.tail, seen.behind) = (Some(beat.tail), None);
        seen.mark(own);
    }

    /// The leader said how many bytes are still to come.
    pub fn told_behind(&self, bytes: u64) {
        self.seen().behind = Some(bytes);
    }

    /// So many bytes of events came.
    pub fn came(&self, bytes: u64) {
        let mut seen = self.seen();
        seen.behind = seen.behind.map(|behind| behind.saturating_sub(bytes));
    }

    /// Events came, and so many are here.
    pub fn took(&self, more: u64, own: u64, released: u64) {
        let mut seen = self.seen();
        seen.taken = seen.taken.saturating_add(more);
        seen.tail = seen.tail.max(Some(released));
        seen.mark(own);
    }

    /// What is known now, with so many events here.
    pub fn now(&self, own: u64) -> FollowedNow {
        let seen = self.seen();
        let heartbeat_age = seen.heartbeat.map(|(at, _)| at.elapsed());
        let is_fresh = seen.state == FollowState::Following && heartbeat_age.is_some_and(|age| age <= FRESH);
        let missing = seen.tail.map(|tail| tail.saturating_sub(own));
        let lag = match (seen.level, missing) {
            (Some(_), Some(0)) if is_fresh => Some(Duration::ZERO),
            (level, _) => level.map(|level| level.elapsed()),
        };
        let lag_events = missing.filter(|_| is_fresh);
        let lag_bytes = lag_events.and_then(|events| if events == 0 { Some(0) } else { seen.behind });
        let condemned = seen.condemned.clone().map(FollowState::Stopped);
        FollowedNow {
            state: condemned.unwrap_or_else(|| seen.state.clone()),
            state_age: seen.since.elapsed(),
            leader: seen.leader.clone(),
            heartbeat_age,
            tail: seen.tail,
            lag_events,
            lag_bytes,
            lag,
            taken: seen.taken,
            verified: !seen.unverified,
        }
    }

    /// For how long it has been running.
    pub fn uptime(&self) -> Duration {
        self.0.started.elapsed()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn mark(&mut self, own: u64) {
        if self.tail.is_some_and(|tail| own >= tail) {
            self.level = Some(Instant::now());
        }
    }
}

impl fmt::Debug for Followed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Followed").field("from", &self.from()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;
    use crate::wire::WirePlace;

    #[test]
    fn bytes_that_nobody_told_of_are_not_known() {
        let followed = Followed::new("http://leader".to_owned(), "leader".to_owned(), None);
        followed.set(FollowState::Following);
        let beat = |events, tail| {
            let place = WirePlace { events, digest: [0; 32] };
            followed.heard(&HeartbeatFrame { place, tail, released: tail, clock: 0 }, events);
        };
        let known = |own| {
            let now = followed.now(own);
            (now.lag_events, now.lag_bytes)
        };
        assert_eq!(known(0), (None, None));
        beat(5, 8);
        assert_eq!(known(5), (Some(3), None));
        followed.told_behind(3_000);
        assert_eq!(known(5), (Some(3), Some(3_000)));
        followed.came(1_000);
        assert_eq!(known(6), (Some(2), Some(2_000)));
        assert_eq!(known(8), (Some(0), Some(0)), "it has all of them");
        // Of what came since nobody told yet.
        beat(6, 9);
        assert_eq!(known(6), (Some(3), None));
        followed.told_behind(2_500);
        followed.set(FollowState::Lost("gone".to_owned()));
        assert_eq!(known(6), (None, None));
    }
}
