//! Since when records are told that are in no block, over all starts.

use std::time::Duration;

use ans104::Id;
use protocol::Timestamp;

use crate::decision::later;

/// How many are noted in a day. Each is kept for ever, and nobody verifies what gateways tell; there is one as a rule.
const NOTED_MAX: usize = 8;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// When records were first told without a block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WaitingRecords(Vec<(Id, Timestamp)>);

impl WaitingRecords {
    /// Notes that this one was told at this time.
    pub fn note(&mut self, id: Id, at: Timestamp) {
        self.0.push((id, at));
    }

    /// All that is noted, in order.
    pub fn noted(&self) -> impl Iterator<Item = (Id, Timestamp)> + '_ {
        self.0.iter().copied()
    }

    /// When this one was first told, as far as a clock can have been right that is now at this time.
    pub fn since(&self, id: Id, now: Timestamp) -> Option<Timestamp> {
        self.noted().filter(|(noted, at)| *noted == id && *at <= now).map(|(_, at)| at).min()
    }

    /// Notes those of these that are not noted yet, at this time, and no more than may be in a day; which these are.
    pub fn add(&mut self, records: &[Id], now: Timestamp) -> Vec<Id> {
        let lately = self.noted().filter(|(_, at)| *at <= now && now < later(*at, DAY)).count();
        let unknown = records.iter().copied().filter(|id| self.since(*id, now).is_none());
        let added: Vec<_> = unknown.take(NOTED_MAX.saturating_sub(lately)).collect();
        added.iter().for_each(|id| self.note(*id, now));
        added
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_tells_ever_new_ones_has_few_of_them_kept_in_a_day() {
        const HOUR: u64 = 60 * 60 * 1000;
        let mut kept = WaitingRecords::default();
        let mut count = 0;
        for hour in 0..48_u8 {
            let records = [0, 1, 2].map(|number| Id::from_bytes([hour * 4 + number; 32]));
            let now = Timestamp::new(u64::from(hour) * HOUR);
            let added = kept.add(&records, now);
            assert!(kept.add(&added, now).is_empty());
            count += added.len();
        }
        assert_eq!(count, 2 * NOTED_MAX);
        let first = Id::from_bytes([0; 32]);
        assert_eq!(kept.since(first, Timestamp::new(48 * HOUR)), Some(Timestamp::ZERO));
        // A clock that was ahead keeps nobody from being noted, and says nothing.
        let (mut kept, now) = (WaitingRecords::default(), Timestamp::new(HOUR));
        (0..20).for_each(|number| kept.note(Id::from_bytes([number; 32]), Timestamp::new(9 * HOUR)));
        assert_eq!((kept.since(first, now), kept.add(&[first], now)), (None, vec![first]));
        for hours in [1, 9, 20] {
            assert_eq!(kept.since(first, Timestamp::new(hours * HOUR)), Some(now));
        }
    }
}
