//! Whether the record has to be published, from what gateways tell of it.
//!
//! A gateway that is silent may have the record: nothing is published for want of its answer while that can be.
//! Readers do not agree on which of several records counts: some take the newest block's, some the highest nonce, and which
//! of two in one block comes first is the gateway's affair. So each record of the newest block has to be right, and no wrong
//! one may have a nonce as high as theirs.

use std::time::Duration;

use ans104::{Address, Id};
use gateway::{LocationRecord, Url};
use log::Publication;
use protocol::Timestamp;

use crate::publications::KeptPublication;
use crate::record::{TIME_TO_LIVE, is_right, shown};

const HOUR: Duration = Duration::from_secs(60 * 60);
/// Nothing is published sooner after another: gateways take as long until they tell of it.
const GAP_MIN: Duration = Duration::from_secs(2 * HOUR.as_secs());
/// The same for an operator, after one that no gateway tells.
const GAP_UNTOLD: Duration = Duration::from_secs(10 * 60);
/// The longest that is waited for because of what was published before.
const GAP_MAX: Duration = Duration::from_secs(24 * HOUR.as_secs());
/// For how long the first record waits for gateways that have never answered.
const PATIENCE: Duration = Duration::from_secs(24 * HOUR.as_secs());
/// What was published so much later than now was published with a wrong clock.
const FUTURE: Duration = Duration::from_secs(24 * HOUR.as_secs());
/// The nonces that gateways tell are followed below this one and one more for each millisecond since 1970: nobody verifies
/// them, and no room must be used up that is needed above. Whoever takes the time in nanoseconds for a nonce is far below.
const FOLLOWED_MIN: u64 = 1 << 62;
/// What was published within this time makes the gap longer, since it was of no use.
const LATELY: Duration = Duration::from_secs(4 * 24 * HOUR.as_secs());

/// Which record it is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocationPlace<'a> {
    /// Where it has to lead to.
    pub(crate) url: &'a Url,
    /// Whose it is.
    pub(crate) wallet: Address,
    /// Whether it is published from here.
    pub(crate) publishes: bool,
}

/// What gateways told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    /// The records of the first one, by which this scheduler goes itself; none where it has never answered.
    pub(crate) first: Option<Vec<LocationRecord>>,
    /// The records that any of them has.
    pub(crate) records: Vec<LocationRecord>,
    /// The highest nonce of those that HyperBEAM alone reads, where there is one that is followed.
    pub(crate) hyperbeam_nonce: Option<u64>,
    /// Since when some have been asked that have never answered; none where all have.
    pub(crate) unheard_since: Option<Timestamp>,
}

/// What comes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    /// Until when what gateways tell counts, if all of it is right that can be put right.
    pub(crate) until: Option<Timestamp>,
    pub(crate) step: Step,
    /// A wrong record with a nonce that no publication will have.
    pub(crate) beyond: Option<Id>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing: what gateways have is right.
    Keep,
    /// A record with this nonce has to be published, for this reason.
    Publish { nonce: u64, why: &'static str },
    /// What was published last does, for this reason, once it is taken: it is being sent.
    Send { why: &'static str },
    /// It would have to be, for this reason, and too little time has passed since another was.
    Wait { until: Timestamp, why: &'static str },
    /// It would have to be, for this reason, and not all gateways have told what they have. It is until then.
    Hear { until: Timestamp, why: &'static str },
}

/// Decides by what gateways told, and by what was published before, the oldest first, of which one may be being sent.
pub(crate) fn decide(
    place: LocationPlace<'_>,
    heard: &Heard,
    published: &[KeptPublication],
    sent: Option<&Publication>,
    now: Timestamp,
) -> Decision {
    let nonce = next_nonce(&heard.records, published, now);
    let is_beyond = |record: &LocationRecord| {
        record.nonce >= Some(nonce) && !is_right(record, place) && !is_newest(record, &heard.records)
    };
    let (beyond, told): (Vec<_>, Vec<_>) = heard.records.iter().cloned().partition(is_beyond);
    let beyond = beyond.first().map(|record| record.id);
    // Each of the newest leads here; the longest that one of them counts is enough.
    let vouched = vouched(heard, &told, published);
    let ends = newest(&vouched).iter().map(|record| end(record, published, now)).max();
    let first_lags = first_lags(place, heard, &told, published);
    let is_right = leads_here(&told, place) && !first_lags;
    let until = ends.filter(|_| is_right);
    let why = match until {
        Some(end) if now < half_before(end) => return Decision { until, step: Step::Keep, beyond },
        Some(_) => "half of its time is over",
        None if told.is_empty() => "no gateway has one",
        None if first_lags && leads_here(&told, place) => "the gateway of GRAPHQL_URL does not lead here",
        None => "what gateways have is another one",
    };
    let step = if sent.is_some_and(|sent| does_once_taken(sent, place.wallet, heard, published, now)) {
        Step::Send { why }
    } else {
        let own = own(published, place.wallet);
        match (gap_ends(&own, now), patience_ends(place.url, heard, &own, now)) {
            (Some(until), _) => Step::Wait { until, why },
            (None, Some(until)) => Step::Hear { until, why },
            (None, None) => Step::Publish { nonce: publication_nonce(heard, published, now), why },
        }
    };
    Decision { until, step, beyond }
}

/// Whether the first gateway leads elsewhere or nowhere, and that is not for want of what was published from here: what
/// others tell is not verified, and this one is whom the operator names. Where they tell what was published, it is on its way.
fn first_lags(
    place: LocationPlace<'_>,
    heard: &Heard,
    told: &[LocationRecord],
    published: &[KeptPublication],
) -> bool {
    let is_told = |record: &LocationRecord| told.iter().any(|one| one.id == record.id);
    heard.first.as_ref().is_some_and(|first| {
        let first: Vec<_> = first.iter().filter(|record| is_told(record)).cloned().collect();
        !leads_here(&first, place) && !newest(told).iter().any(|record| is_own(record, published))
    })
}

/// What was published from here, or is told by the first gateway as well: by what others alone tell nothing counts for longer.
fn vouched(heard: &Heard, told: &[LocationRecord], published: &[KeptPublication]) -> Vec<LocationRecord> {
    let is_vouched = |record: &&LocationRecord| {
        let of_first = |first: &Vec<LocationRecord>| first.iter().any(|one| one.id == record.id);
        is_own(record, published) || heard.first.as_ref().is_none_or(of_first)
    };
    told.iter().filter(is_vouched).cloned().collect()
}

fn is_own(record: &LocationRecord, published: &[KeptPublication]) -> bool {
    published.iter().any(|kept| kept.publication.id == record.id)
}

/// Whether what is being sent is all that is needed.
fn does_once_taken(
    sent: &Publication,
    wallet: Address,
    heard: &Heard,
    published: &[KeptPublication],
    now: Timestamp,
) -> bool {
    let is_other = |kept: &&KeptPublication| kept.publication.id != sent.id && kept.is_of(wallet);
    let before: Vec<_> = published.iter().filter(is_other).cloned().collect();
    sent.nonce >= next_nonce(&heard.records, &before, now)
}

/// What was published for this wallet: nobody who looks for its records finds another's.
fn own(published: &[KeptPublication], wallet: Address) -> Vec<&KeptPublication> {
    published.iter().filter(|kept| kept.is_of(wallet)).collect()
}

/// Until when a gateway that has never answered is waited for, if it is: it may have what was published last, as long as that
/// needs no renewal. Where nothing was, it may have another's for all that is known.
fn patience_ends(url: &Url, heard: &Heard, own: &[&KeptPublication], now: Timestamp) -> Option<Timestamp> {
    let since = heard.unheard_since?;
    let ends = match latest(own, now) {
        Some(last) if last.publication.url == shown(url) => half_before(later(last.since(), TIME_TO_LIVE)),
        Some(_) => return None,
        None => later(since, PATIENCE),
    };
    Some(ends).filter(|ends| now < *ends)
}

/// Whether everybody who asks for these records is led to this URL, whichever of them counts for whom.
pub(crate) fn leads_here(told: &[LocationRecord], place: LocationPlace<'_>) -> bool {
    let newest = newest(told);
    let lowest = newest.iter().map(|record| record.nonce).min().flatten();
    let is_passed = |record: &LocationRecord| is_right(record, place) || record.nonce < lowest;
    !newest.is_empty() && newest.iter().all(|record| is_right(record, place)) && told.iter().all(is_passed)
}

/// The records that some reader may take for the newest: those that wait for a block, or else those of the newest one.
pub(crate) fn newest(told: &[LocationRecord]) -> Vec<&LocationRecord> {
    let height = |record: &LocationRecord| record.block.map_or(u64::MAX, |block| block.height);
    let newest = told.iter().map(height).max();
    told.iter().filter(|record| Some(height(record)) == newest).collect()
}

fn is_newest(record: &LocationRecord, told: &[LocationRecord]) -> bool {
    newest(told).iter().any(|newest| newest.id == record.id)
}

/// The nonce of what is published next: HyperBEAM, which takes the highest, is led away by no other record then.
pub(crate) fn publication_nonce(heard: &Heard, published: &[KeptPublication], now: Timestamp) -> u64 {
    let above_others = heard.hyperbeam_nonce.map_or(0, |nonce| nonce.saturating_add(1));
    next_nonce(&heard.records, published, now).max(above_others)
}

/// Whether a nonce that is told is passed by the next one. The end rises with time: whatever was told, what was published
/// above it is itself followed a millisecond later, also by whoever does not know that it was published from here.
pub(crate) fn is_followed(nonce: u64, now: Timestamp) -> bool {
    nonce < FOLLOWED_MIN.saturating_add(now.get())
}

/// The nonce above all that are published, and above all that are told and followed.
fn next_nonce(told: &[LocationRecord], published: &[KeptPublication], now: Timestamp) -> u64 {
    let nonces = told.iter().filter_map(|record| record.nonce).filter(|nonce| is_followed(*nonce, now));
    let nonces = nonces.chain(published.iter().map(|kept| kept.publication.nonce));
    nonces.max().map_or(0, |nonce| nonce.saturating_add(1))
}

/// When an operator may publish after what was published last, if that is not yet: soon where no gateway tells that one, which
/// may never have arrived, and at once where it leads elsewhere or nobody took it.
pub(crate) fn order_waits(
    place: LocationPlace<'_>,
    told: &[LocationRecord],
    published: &[KeptPublication],
    now: Timestamp,
) -> Option<Timestamp> {
    let own = own(published, place.wallet);
    let last = latest(&own, now).filter(|_| own.last().is_some_and(|last| last.is_taken()))?;
    let Publication { id, url, .. } = &last.publication;
    if url != shown(place.url) {
        return None;
    }
    let is_told = told.iter().any(|record| record.id == *id);
    let gap = if is_told { GAP_MIN } else { GAP_UNTOLD };
    Some(later(last.since(), gap)).filter(|end| now < *end)
}

/// What was published by a clock that was right, as far as can be told.
fn is_believable(one: &KeptPublication, now: Timestamp) -> bool {
    one.since() <= later(now, FUTURE)
}

/// What the next one has to keep its distance from. The last one stands in nobody's way if nobody took it; the one before
/// does, so that not everything is published that somebody may want to have changed before it is taken.
fn counted<'a>(own: &'a [&'a KeptPublication], now: Timestamp) -> impl Iterator<Item = &'a KeptPublication> {
    let taken = match own {
        [before @ .., last] if !last.is_taken() => before,
        all => all,
    };
    taken.iter().copied().filter(move |one| is_believable(one, now))
}

/// The newest of these by its time: what a clock that was behind published later hides nothing.
fn latest<'a>(own: &'a [&'a KeptPublication], now: Timestamp) -> Option<&'a KeptPublication> {
    counted(own, now).max_by_key(|one| one.since())
}

/// When as much time has passed as has to after what was published, if it has not: twice as much after each that came
/// lately, whatever gateways make of them.
fn gap_ends(own: &[&KeptPublication], now: Timestamp) -> Option<Timestamp> {
    let last = latest(own, now)?;
    let lately = counted(own, now).filter(|one| now < later(one.since(), LATELY)).count();
    let doubled = u32::try_from(lately.saturating_sub(1)).unwrap_or(u32::MAX).min(8);
    let gap = GAP_MIN.saturating_mul(1 << doubled).min(GAP_MAX);
    Some(later(last.since(), gap)).filter(|end| now < *end)
}

/// When a record ends to count. It began when this scheduler published it or, where that is not known or was told by a clock
/// that was ahead, with its block; one that waits for a block is fresh. One that lives for another time is of another program,
/// which renews it by rules of its own: it counts for as long as it is told.
pub(crate) fn end(record: &LocationRecord, published: &[KeptPublication], now: Timestamp) -> Timestamp {
    if record.time_to_live != Some(TIME_TO_LIVE) {
        return later(now, TIME_TO_LIVE);
    }
    let own = published.iter().find(|own| own.publication.id == record.id);
    let own = own.map(KeptPublication::since).filter(|since| *since <= now);
    let told = record.block.map_or(now, |block| Timestamp::new(block.time).min(now));
    later(own.unwrap_or(told), TIME_TO_LIVE)
}

pub(crate) fn later(time: Timestamp, by: Duration) -> Timestamp {
    Timestamp::new(time.get().saturating_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX)))
}

/// Half of the time to live before that.
fn half_before(end: Timestamp) -> Timestamp {
    let half = u64::try_from(TIME_TO_LIVE.as_millis() / 2).unwrap_or(u64::MAX);
    Timestamp::new(end.get().saturating_sub(half))
}

#[cfg(test)]
mod tests;
