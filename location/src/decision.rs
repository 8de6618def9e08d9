//! Whether the record has to be published, from what gateways tell of it.
//!
//! Readers do not agree on which of several records counts: some take the newest block's, some the highest nonce, and which
//! of two in one block comes first is the gateway's affair. So each record of the newest block has to be right, and no wrong
//! one may have a nonce as high as theirs.

use std::time::Duration;

use gateway::{LocationRecord, Url};
use log::Publication;
use protocol::Timestamp;

use crate::record::is_right;

const HOUR: Duration = Duration::from_secs(60 * 60);
/// Nothing is published sooner after another: gateways take as long until they tell of it.
pub(crate) const GAP_MIN: Duration = Duration::from_secs(2 * HOUR.as_secs());
/// The longest that is waited for because of what was published before.
const GAP_MAX: Duration = Duration::from_secs(24 * HOUR.as_secs());
/// What was published within this time makes the gap longer, since it was of no use.
const LATELY: Duration = Duration::from_secs(4 * 24 * HOUR.as_secs());

/// What comes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    /// Until when what gateways tell counts, if all of it is right.
    pub(crate) until: Option<Timestamp>,
    pub(crate) step: Step,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing: what gateways have is right.
    Keep,
    /// A record with this nonce has to be published, for this reason.
    Publish { nonce: u64, why: &'static str },
    /// It would have to be, for this reason, and too little time has passed since another was.
    Wait { until: Timestamp, why: &'static str },
}

/// Decides by the records of all gateways that answered, and by what was published before, the oldest first.
pub(crate) fn decide(
    url: &Url,
    told: &[LocationRecord],
    published: &[Publication],
    now: Timestamp,
) -> Decision {
    let newest = newest(told);
    let ends = newest.iter().map(|record| end(record, published, now)).min();
    let is_right = leads_here(told, url);
    let until = ends.filter(|_| is_right);
    let why = match ends {
        Some(end) if is_right && now < half_before(end) => return Decision { until, step: Step::Keep },
        None => "no gateway has one",
        Some(_) if !is_right => "what gateways have is another one",
        Some(_) => "half of its time is over",
    };
    let step = match gap_ends(published, now) {
        Some(until) => Step::Wait { until, why },
        None => Step::Publish { nonce: next_nonce(told, published), why },
    };
    Decision { until, step }
}

/// Whether everybody who asks for these records is led to this URL, whichever of them counts for whom.
pub(crate) fn leads_here(told: &[LocationRecord], url: &Url) -> bool {
    let newest = newest(told);
    let lowest = newest.iter().map(|record| record.nonce).min().flatten();
    let is_passed = |record: &LocationRecord| is_right(record, url) || record.nonce < lowest;
    !newest.is_empty() && newest.iter().all(|record| is_right(record, url)) && told.iter().all(is_passed)
}

/// The records that some reader may take for the newest: those that wait for a block, or else those of the newest one.
pub(crate) fn newest(told: &[LocationRecord]) -> Vec<&LocationRecord> {
    let height = |record: &LocationRecord| record.block.map_or(u64::MAX, |block| block.height);
    let newest = told.iter().map(height).max();
    told.iter().filter(|record| Some(height(record)) == newest).collect()
}

/// The nonce above all that are known.
pub(crate) fn next_nonce(told: &[LocationRecord], published: &[Publication]) -> u64 {
    let nonces = told.iter().filter_map(|record| record.nonce);
    let nonces = nonces.chain(published.iter().map(|published| published.nonce));
    nonces.max().map_or(0, |nonce| nonce.saturating_add(1))
}

/// When the shortest gap after the last publication is over, if it is not.
pub(crate) fn min_gap_ends(published: &[Publication], now: Timestamp) -> Option<Timestamp> {
    published.last().map(|last| later(last.at, GAP_MIN)).filter(|end| now < *end)
}

/// When as much time has passed as has to after what was published, if it has not: twice as much after each that came
/// lately, whatever gateways make of them.
fn gap_ends(published: &[Publication], now: Timestamp) -> Option<Timestamp> {
    let last = published.last()?;
    let lately = published.iter().filter(|one| now < later(one.at, LATELY)).count();
    let doubled = u32::try_from(lately.saturating_sub(1)).unwrap_or(u32::MAX).min(8);
    let gap = GAP_MIN.saturating_mul(1 << doubled).min(GAP_MAX);
    Some(later(last.at, gap)).filter(|end| now < *end)
}

/// When a record ends to count. It began when this scheduler published it or, where that is not known, with its block; one that
/// waits for a block is fresh.
fn end(record: &LocationRecord, published: &[Publication], now: Timestamp) -> Timestamp {
    let own = published.iter().find(|published| published.id == record.id).map(|own| own.at);
    let told = record.block.map_or(now, |block| Timestamp::new(block.time).min(now));
    later(own.unwrap_or(told), record.time_to_live.unwrap_or_default())
}

fn later(time: Timestamp, by: Duration) -> Timestamp {
    Timestamp::new(time.get().saturating_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX)))
}

/// Half of the time to live before that.
fn half_before(end: Timestamp) -> Timestamp {
    let half = u64::try_from(crate::record::TIME_TO_LIVE.as_millis() / 2).unwrap_or(u64::MAX);
    Timestamp::new(end.get().saturating_sub(half))
}

#[cfg(test)]
mod tests;
