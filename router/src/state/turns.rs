//! The right to have the leader of a store replaced: one router has it, and only now and then, so that a store does not go
//! from node to node.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use log::Term;

use super::event::{numbers_bytes, read_numbers};
use super::{PromotionTurn, StateError, TURN_MAX};

/// The right for one store, as it is kept.
///
/// ```text
/// term (8) ‖ how often it was given (8) ‖ when it is free again, milliseconds since 1970 (8)      big-endian
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeptTurn {
    /// The term of the leader that was to be replaced last.
    pub(super) term: Term,
    pub(super) given: u64,
    pub(super) free_at: u64,
}

impl Default for KeptTurn {
    /// One that was never given.
    fn default() -> Self {
        Self { term: Term(0), given: 0, free_at: 0 }
    }
}

impl KeptTurn {
    pub(super) fn encode(self) -> [u8; 24] {
        numbers_bytes([self.term.0, self.given, self.free_at])
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        let damaged = || StateError::Damaged("the right to have a leader replaced".to_owned());
        let [term, given, free_at] = read_numbers(bytes).ok_or_else(damaged)?;
        Ok(Self { term: Term(term), given, free_at })
    }

    /// The right as it is when it was given once more for so long; none while it is not free.
    pub(super) fn take(self, term: Term, now: u64, pause: Duration) -> Option<Self> {
        // Free only after a longer time than it is ever given for: the clock was set back.
        let is_free = self.free_at <= now || self.free_at > later(now, TURN_MAX);
        is_free.then(|| Self { term, given: self.given + 1, free_at: later(now, pause) })
    }

    /// The right as it is when whoever has it says when it is free again; none if it was given once more meanwhile.
    pub(super) fn give_back(self, turn: PromotionTurn, now: u64, pause: Duration) -> Option<Self> {
        (self.given == turn.0).then(|| Self { free_at: later(now, pause), ..self })
    }

    pub(super) fn turn(self) -> PromotionTurn {
        PromotionTurn(self.given)
    }
}

/// Milliseconds since 1970.
pub(super) fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

fn later(now: u64, pause: Duration) -> u64 {
    now.saturating_add(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    const PAUSE: Duration = Duration::from_secs(600);

    #[test]
    fn it_is_given_once_in_a_while() {
        let first = KeptTurn::default().take(Term(1), 5_000, PAUSE).unwrap();
        assert_eq!(KeptTurn::decode(&first.encode()).unwrap(), first);
        assert!(KeptTurn::decode(b"short").is_err());
        assert_eq!(first.take(Term(1), 604_999, PAUSE), None);
        let second = first.take(Term(2), 605_000, PAUSE).unwrap();
        assert_eq!((second.term, second.turn()), (Term(2), PromotionTurn(2)));
        // The clock was an hour ahead when it was given.
        let ahead = first.take(Term(1), 3_600_000, PAUSE).unwrap();
        assert!(ahead.take(Term(1), 6_000, PAUSE).is_some());
        // It was prolonged since it was taken for a shorter time.
        assert_eq!(first.take(Term(1), 10_000, Duration::from_secs(30)), None);
    }

    #[test]
    fn who_has_it_no_more_gives_nothing_back() {
        let first = KeptTurn::default().take(Term(1), 0, PAUSE).unwrap();
        let back = first.give_back(first.turn(), 1_000, Duration::from_secs(15)).unwrap();
        assert_eq!(back.take(Term(1), 15_999, PAUSE), None);
        let second = back.take(Term(1), 16_000, PAUSE).unwrap();
        assert_eq!(second.give_back(first.turn(), 17_000, Duration::ZERO), None);
    }
}
