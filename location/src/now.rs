//! What is known of the record at this moment.

use std::time::Duration;

use ans104::Address;
use gateway::{LocationRecord, ToldLocations, Url};
use log::Publication;
use protocol::Timestamp;

use crate::decision::{LocationPlace, end, leads_here, newest};
use crate::earlier::EarlierWallet;
use crate::handle::moment;
use crate::readers::{EXACT_URL, kept_by_nonce, lasting};
use crate::record::{legible, shown};

/// It was to be published anew four days before so little is left.
const LEFT_WARN: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// What is known of the record.
#[derive(Clone, Debug)]
pub struct LocationNow {
    /// Where the record has to lead to.
    pub url: String,
    /// Whose record it is.
    pub wallet: Address,
    /// Whether it is published from here.
    pub publishes: bool,
    /// When gateways were asked last.
    pub looked: Option<Timestamp>,
    /// Until when what gateways tell counts; none while it is not known to be right.
    pub until: Option<Timestamp>,
    /// What is wrong with it or waited for.
    pub trouble: Option<String>,
    /// What each gateway tells.
    pub gateways: Vec<GatewayNow>,
    /// What was published last.
    pub last: Option<Publication>,
    /// The wallets that signed here before.
    pub earlier: Vec<EarlierWallet>,
}

/// What one gateway tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayNow {
    /// Which one.
    pub gateway: String,
    /// One of the newest records that it has.
    pub newest: Option<LocationRecord>,
    /// Why who asks it is not led to the scheduler, if that is so.
    pub trouble: Option<String>,
    /// Where HyperBEAM is led by the records that it alone reads, if that is elsewhere.
    pub hyperbeam: Option<String>,
    /// Whether it answers.
    pub answers: bool,
}

/// How the record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocationHealth {
    /// It leads to the scheduler.
    Well,
    /// Somebody should have a look. Nothing stops because of it, also where the record has run out.
    Doubtful,
}

impl LocationNow {
    /// What is known before any gateway was asked.
    pub(crate) fn new(url: &Url, wallet: Address, publishes: bool) -> Self {
        Self {
            url: shown(url).to_owned(),
            wallet,
            publishes,
            looked: None,
            until: None,
            trouble: Some("gateways are being asked".to_owned()),
            gateways: Vec::new(),
            last: None,
            earlier: Vec::new(),
        }
    }

    /// How the record is at this time, and why.
    pub fn health(&self, now: Timestamp) -> (LocationHealth, String) {
        let trouble = self.trouble.as_ref().map_or(String::new(), |trouble| format!("; {trouble}"));
        let others = self.others();
        let Some(until) = self.until else {
            let text = format!("it is not known that the record of {} leads to {}", self.wallet, self.url);
            return (LocationHealth::Doubtful, format!("{text}{trouble}{others}"));
        };
        let left = Duration::from_millis(until.get().saturating_sub(now.get()));
        let is_well = left >= LEFT_WARN && !self.misleads();
        let health = if is_well { LocationHealth::Well } else { LocationHealth::Doubtful };
        let (days, hours) = (left.as_secs() / 86_400, left.as_secs() / 3600 % 24);
        let counts = match left {
            Duration::ZERO => format!("ran out at {}", moment(until)),
            _ => format!("counts for {days} days and {hours} hours"),
        };
        (health, format!("the record leads to {} and {counts}{trouble}{others}", self.url))
    }

    /// Whether a gateway leads those who ask it elsewhere, or the first one nowhere. That a further one has no record at all is
    /// told and worries nobody: there are such that index none, and are there for transactions and heights.
    fn misleads(&self) -> bool {
        let is_wrong = |(place, one): (usize, &GatewayNow)| {
            let is_misled = one.trouble.is_some() && (place == 0 || one.newest.is_some());
            one.answers && is_misled || one.hyperbeam.is_some()
        };
        self.gateways.iter().enumerate().any(is_wrong) || self.earlier.iter().any(|one| one.misleads)
    }

    /// Which gateways tell something else, or nothing, of this wallet or of an earlier one.
    fn others(&self) -> String {
        let others = self.gateways.iter().filter_map(|one| {
            let troubles = one.troubles()?;
            Some(format!("; {} {troubles}", one.gateway))
        });
        let earlier = self.earlier.iter().filter_map(|EarlierWallet { wallet, trouble, .. }| {
            let trouble = trouble.as_ref()?;
            Some(format!("; of what was spawned with the earlier wallet {wallet}: {trouble}"))
        });
        others.chain(earlier).collect()
    }
}

impl GatewayNow {
    /// All that is wrong with it, in words.
    pub(crate) fn troubles(&self) -> Option<String> {
        let all: Vec<_> = [&self.trouble, &self.hyperbeam].into_iter().flatten().cloned().collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// What it tells of the record of this place, at this time.
    pub(crate) fn of(told: &ToldLocations, place: LocationPlace<'_>, now: Timestamp) -> Self {
        let gateway = told.gateway.clone();
        let records = match &told.records {
            Ok(records) => records,
            Err(reason) => {
                let trouble = Some(format!("tells nothing: {reason}"));
                return Self { gateway, newest: None, trouble, hyperbeam: None, answers: false };
            }
        };
        // Of several that are the newest, or whose nonce keeps these out, the one that is the trouble.
        let candidates = newest(records);
        let mut counting = candidates.iter().copied().chain(kept_by_nonce(records));
        let wrong = counting.find(|record| !leads_here(std::slice::from_ref(*record), place));
        let found = wrong.or(candidates.first().copied()).cloned();
        let trouble = match &found {
            None => Some("has no record".to_owned()),
            Some(record) if leads_here(records, place) => {
                let is_over = candidates.iter().all(|record| end(record, &[], now) <= now);
                is_over.then(|| format!("has the record {}, which has run out, and none after it", record.id))
            }
            Some(record) => Some(format!(
                "has the record {} of nonce {}, which leads to {} for the variant {} and counts for {}",
                record.id,
                record.nonce.map_or_else(|| "none".to_owned(), |nonce| nonce.to_string()),
                record
                    .url
                    .as_deref()
                    .map_or_else(|| format!("nowhere, with no tag {EXACT_URL}, or several,"), legible),
                record.variant.as_deref().map_or_else(|| "none".to_owned(), legible),
                record.time_to_live.map_or_else(|| "no time".to_owned(), lasting),
            )),
        };
        Self { gateway, newest: found, trouble, hyperbeam: None, answers: true }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use ans104::Id;
    use gateway::LocationBlock;

    use super::*;

    #[test]
    fn a_record_runs_out() {
        const HOUR: u64 = 60 * 60 * 1000;
        let url = Url::parse("https://su.example").unwrap();
        for (left, health) in [
            (Some(73), LocationHealth::Well),
            (Some(71), LocationHealth::Doubtful),
            (Some(0), LocationHealth::Doubtful),
            (None, LocationHealth::Doubtful),
        ] {
            let mut now = LocationNow::new(&url, Address::from_bytes([1; 32]), true);
            now.until = left.map(|hours| Timestamp::new(HOUR + hours * HOUR));
            assert_eq!(now.health(Timestamp::new(HOUR)).0, health, "{left:?}");
        }
        let mut now = LocationNow::new(&url, Address::from_bytes([1; 32]), true);
        now.until = Some(Timestamp::new(1_700_000_000_123));
        let (_, why) = now.health(Timestamp::new(1_700_000_000_123));
        assert!(why.contains("and ran out at 2023-11-14T22:13:20Z"), "{why}");
    }

    #[test]
    fn who_tells_something_else_is_named_and_who_tells_nothing_worries_nobody() {
        let url = Url::parse("https://su.example").unwrap();
        let wallet = Address::from_bytes([1; 32]);
        let place = LocationPlace { url: &url, wallet, publishes: true };
        let mut now = LocationNow::new(&url, wallet, true);
        now.until = Some(Timestamp::new(u64::MAX));
        let told = |records: Result<_, &str>| ToldLocations {
            gateway: "second.example".to_owned(),
            records: records.map_err(str::to_owned),
            is_none: false,
        };
        let wrong = LocationRecord {
            id: Id::from_bytes([7; 32]),
            url: Some("https://other.example".to_owned()),
            variant: Some("ao.TN.1".to_owned()),
            time_to_live: None,
            nonce: None,
            block: None,
        };
        let (well, doubtful) = (LocationHealth::Well, LocationHealth::Doubtful);
        for (records, first, further, word) in [
            // One of the list may index no such records.
            (Ok(vec![]), doubtful, well, "has no record"),
            (Ok(vec![wrong]), doubtful, doubtful, "has the record"),
            (Err("no connection"), well, well, "tells nothing: no connection"),
        ] {
            let one = GatewayNow::of(&told(records), place, Timestamp::ZERO);
            let right = GatewayNow { trouble: None, ..one.clone() };
            for (gateways, health) in [(vec![one.clone()], first), (vec![right, one], further)] {
                now.gateways = gateways;
                let (found, why) = now.health(Timestamp::ZERO);
                assert_eq!(found, health, "{why}");
                assert!(why.contains(&format!("second.example {word}")), "{why}");
            }
        }
    }

    /// Its index stands still: renewals are told by others alone.
    #[test]
    fn who_has_nothing_newer_than_what_has_run_out_is_named() {
        const DAY: u64 = 24 * 60 * 60 * 1000;
        let url = Url::parse("https://su.example").unwrap();
        let place = LocationPlace { url: &url, wallet: Address::from_bytes([1; 32]), publishes: true };
        let record = |height: u64, days: u64| LocationRecord {
            id: Id::from_bytes([7; 32]),
            url: Some("https://su.example".to_owned()),
            variant: Some("ao.TN.1".to_owned()),
            time_to_live: Some(Duration::from_millis(14 * DAY)),
            nonce: Some(height),
            block: Some(LocationBlock { height, time: days * DAY }),
        };
        for (records, is_named) in [
            (vec![record(5, 7)], false),
            (vec![record(5, 6)], true),
            (vec![record(5, 6), record(6, 7)], false),
            // Of two in one block one that counts is enough.
            (vec![record(5, 6), record(5, 7)], false),
        ] {
            let told = ToldLocations { gateway: "first".to_owned(), records: Ok(records), is_none: false };
            let trouble = GatewayNow::of(&told, place, Timestamp::new(20 * DAY)).trouble;
            assert_eq!(trouble.is_some_and(|text| text.contains("has run out")), is_named, "{told:?}");
        }
    }
}
