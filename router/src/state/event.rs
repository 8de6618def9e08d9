//! The events of a router as they are stored.
//!
//! ```text
//! version (1) ‖ kind (1) ‖ milliseconds since 1970 (8) ‖ scheduler (4) ‖ the rest      big-endian
//! kind 1, 2: a process has its home there, since it was placed or found ‖ process (32)
//! kind 3: a process has moved there ‖ process (32) ‖ how often it has moved (8)
//! kind 4: a scheduler was added or changed ‖ JSON
//! kind 5: the right to have a leader replaced was given, scheduler 0 ‖ store (16) ‖ the right, see turns.rs
//! kind 6: an operator takes what a scheduler has for all that its store has ‖ store (16) ‖ the mark, see below
//!
//! a mark: how often an operator took less (8) ‖ term (8) ‖ events (8)
//! ```

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use ans104::{Address, Id, base64url};
use location::{KeptPublication, PublicationState};
use log::{Publication, StoreId, Term};
use protocol::{ProcessId, Timestamp};
use uuid::Uuid;

use crate::list::{SchedulerFlags, read_wallets, wallets_text};
use crate::scheduler_url::SchedulerUrl;

use super::turns::KeptTurn;
use super::{Home, HomeCause, KnownScheduler, SchedulerNumber, StateError, StoreMark};

const VERSION: u8 = 1;
const MOVED: u8 = 3;
const SCHEDULER: u8 = 4;
const TURN: u8 = 5;
const ACCEPTED: u8 = 6;
const HEAD: usize = 14;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RouterEvent<'a> {
    /// A process has its home.
    Home { process: ProcessId, scheduler: SchedulerNumber, cause: HomeCause },
    /// A process has moved.
    Moved { process: ProcessId, to: Home },
    /// A scheduler is as this says.
    Scheduler(&'a KnownScheduler),
    /// The right to have the leader of a store replaced was given, or given back.
    Turn(StoreId, &'a KeptTurn),
    /// An operator takes what a scheduler has for all that its store has.
    Accepted { scheduler: SchedulerNumber, store: StoreId, mark: StoreMark },
}

/// A scheduler in JSON; how many processes it has is counted elsewhere.
#[derive(Serialize, Deserialize)]
struct SchedulerJson {
    url: String,
    no_route: bool,
    wallets: String,
    wallets_only: bool,
    retired: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    store: Option<Uuid>,
    #[serde(default)]
    term: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    admin: Option<String>,
}

/// A record that was published, in JSON.
#[derive(Serialize, Deserialize)]
struct PublicationJson {
    at: u64,
    id: String,
    url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wallet: Option<String>,
    /// While it is not taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    record: Option<String>,
    /// When it was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    taken: Option<u64>,
}

impl RouterEvent<'_> {
    /// The bytes of an event of now.
    pub(super) fn encode(&self) -> Vec<u8> {
        let (kind, number) = match self {
            Self::Home { scheduler, cause, .. } => {
                let kind = match cause {
                    HomeCause::Placed => 1,
                    HomeCause::Found => 2,
                };
                (kind, *scheduler)
            }
            Self::Moved { to, .. } => (MOVED, to.scheduler),
            Self::Scheduler(scheduler) => (SCHEDULER, scheduler.number),
            Self::Turn(..) => (TURN, SchedulerNumber(0)),
            Self::Accepted { scheduler, .. } => (ACCEPTED, *scheduler),
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let mut bytes = Vec::with_capacity(HEAD + 32);
        bytes.extend([VERSION, kind]);
        bytes.extend(now.to_be_bytes());
        bytes.extend(number.0.to_be_bytes());
        match self {
            Self::Home { process, .. } => bytes.extend(process.as_bytes()),
            Self::Moved { process, to } => {
                bytes.extend(process.as_bytes());
                bytes.extend(to.version.to_be_bytes());
            }
            Self::Scheduler(scheduler) => bytes.extend(scheduler_json(scheduler).into_bytes()),
            Self::Turn(store, turn) => {
                bytes.extend(store.0.as_bytes());
                bytes.extend(turn.encode());
            }
            Self::Accepted { store, mark, .. } => {
                bytes.extend(store.0.as_bytes());
                bytes.extend(mark_bytes(*mark));
            }
        }
        bytes
    }
}

/// Three numbers as they are stored.
pub(super) fn numbers_bytes(numbers: [u64; 3]) -> [u8; 24] {
    let mut bytes = [0; 24];
    for (part, number) in bytes.chunks_exact_mut(8).zip(numbers) {
        part.copy_from_slice(&number.to_be_bytes());
    }
    bytes
}

/// Three numbers that were stored; none where these are not.
pub(super) fn read_numbers(bytes: &[u8]) -> Option<[u64; 3]> {
    let bytes: [u8; 24] = bytes.try_into().ok()?;
    let mut numbers = bytes.chunks_exact(8).map(|part| part.try_into().map(u64::from_be_bytes));
    let mut next = || numbers.next()?.ok();
    Some([next()?, next()?, next()?])
}

/// How much was seen of a store, as it is stored.
pub(super) fn mark_bytes(mark: StoreMark) -> [u8; 24] {
    numbers_bytes([mark.accepted, mark.term.0, mark.events])
}

/// How much was seen of a store, that was stored.
pub(super) fn read_mark(bytes: &[u8]) -> Result<StoreMark, StateError> {
    let damaged = || StateError::Damaged("how much was seen of a store".to_owned());
    let [accepted, term, events] = read_numbers(bytes).ok_or_else(damaged)?;
    Ok(StoreMark { accepted, term: Term(term), events })
}

/// A scheduler as it is stored.
pub(super) fn scheduler_json(scheduler: &KnownScheduler) -> String {
    let KnownScheduler { url, flags, is_retired, store, term, admin, .. } = scheduler;
    let json = SchedulerJson {
        url: url.to_string(),
        no_route: flags.no_route,
        wallets: wallets_text(&flags.wallets),
        wallets_only: flags.wallets_only,
        retired: *is_retired,
        store: store.map(|store| store.0),
        term: term.0,
        admin: admin.as_ref().map(SchedulerUrl::to_string),
    };
    // Text and truth values always are JSON.
    serde_json::to_string(&json).unwrap_or_default()
}

/// A scheduler that was stored.
pub(super) fn read_scheduler(
    number: SchedulerNumber,
    json: &[u8],
    processes: u64,
) -> Result<KnownScheduler, StateError> {
    let damaged = |error: &dyn std::fmt::Display| {
        StateError::Damaged(format!("the scheduler of number {}: {error}", number.0))
    };
    let json: SchedulerJson = serde_json::from_slice(json).map_err(|error| damaged(&error))?;
    let url: SchedulerUrl = json.url.parse().map_err(|error| damaged(&error))?;
    let wallets = read_wallets(&url, json.wallets.split(',')).map_err(|error| damaged(&error))?;
    let flags = SchedulerFlags { no_route: json.no_route, wallets, wallets_only: json.wallets_only };
    let admin = json.admin.map(|admin| admin.parse()).transpose().map_err(|error| damaged(&error))?;
    let (is_retired, store, term) = (json.retired, json.store.map(StoreId), Term(json.term));
    Ok(KnownScheduler { number, url, flags, is_retired, processes, store, term, admin })
}

/// A record that was published, as it is stored.
pub(super) fn publication_json(kept: &KeptPublication) -> String {
    let Publication { at, id, url, .. } = &kept.publication;
    let (record, taken) = match &kept.state {
        PublicationState::Sent(record) => (Some(base64url::encode(record)), None),
        PublicationState::Taken(at) => (None, Some(at.get())),
    };
    let wallet = kept.wallet.map(|wallet| wallet.to_string());
    let json = PublicationJson { at: at.get(), id: id.to_string(), url: url.clone(), wallet, record, taken };
    // Text and numbers always are JSON.
    serde_json::to_string(&json).unwrap_or_default()
}

/// A record of this nonce that was stored.
pub(super) fn read_publication(nonce: u64, json: &[u8]) -> Result<KeptPublication, StateError> {
    let damaged =
        |error: &dyn std::fmt::Display| StateError::Damaged(format!("the record of nonce {nonce}: {error}"));
    let PublicationJson { at, id, url, wallet, record, taken } =
        serde_json::from_slice(json).map_err(|error| damaged(&error))?;
    let id = id.parse().map_err(|error| damaged(&error))?;
    let record = record.map(|record| base64url::decode(&record)).transpose();
    let record = record.map_err(|_| damaged(&"its bytes are no base64url"))?.map(Bytes::from);
    // Earlier versions kept neither the wallet nor when it was taken.
    let wallet: Option<Address> =
        wallet.map(|wallet| wallet.parse()).transpose().map_err(|error| damaged(&error))?;
    let taken = PublicationState::Taken(Timestamp::new(taken.unwrap_or(at)));
    let state = record.map_or(taken, PublicationState::Sent);
    Ok(KeptPublication { publication: Publication { nonce, at: Timestamp::new(at), id, url }, wallet, state })
}

/// The process of which these are the 32 bytes.
pub(super) fn read_process(bytes: &[u8]) -> Result<ProcessId, StateError> {
    let bytes: [u8; 32] = bytes.try_into().map_err(|_| {
        StateError::Damaged(format!("expected the 32 bytes of a process, found {}", bytes.len()))
    })?;
    Ok(Id::from_bytes(bytes).into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn events_have_their_layout() {
        let process: ProcessId = Id::from_bytes([7; 32]).into();
        let scheduler = SchedulerNumber(0x0102_0304);
        let bytes = RouterEvent::Home { process, scheduler, cause: HomeCause::Found }.encode();
        assert_eq!(
            (&bytes[..2], &bytes[10..14], &bytes[14..]),
            (&[1, 2][..], &[1, 2, 3, 4][..], &[7; 32][..])
        );
    }

    #[test]
    fn a_record_of_an_earlier_version_is_read() {
        let id = Id::from_bytes([1; 32]);
        let stored = |rest: &str| format!(r#"{{"at":7,"id":"{id}","url":"https://su.example"{rest}}}"#);
        for (rest, state) in [
            (r#","record":"aGk""#, PublicationState::Sent(Bytes::from_static(b"hi"))),
            ("", PublicationState::Taken(Timestamp::new(7))),
        ] {
            let kept = read_publication(3, stored(rest).as_bytes()).unwrap();
            assert_eq!((kept.publication.nonce, kept.wallet, &kept.state), (3, None, &state));
            assert_eq!(read_publication(3, publication_json(&kept).as_bytes()).unwrap(), kept);
        }
    }

    #[test]
    fn a_scheduler_is_read_as_it_was_stored() {
        let wallets = BTreeSet::from([Address::from_bytes([1; 32]), Address::from_bytes([2; 32])]);
        let scheduler = KnownScheduler {
            number: SchedulerNumber(3),
            url: "https://su.example".parse().unwrap(),
            flags: SchedulerFlags { no_route: true, wallets, wallets_only: true },
            is_retired: true,
            processes: 9,
            store: Some(StoreId(Uuid::from_u128(7))),
            term: Term(1_002),
            admin: Some("http://10.0.0.5:9001".parse().unwrap()),
        };
        let json = scheduler_json(&scheduler);
        assert_eq!(read_scheduler(scheduler.number, json.as_bytes(), 9).unwrap(), scheduler);
        assert!(RouterEvent::Scheduler(&scheduler).encode().ends_with(json.as_bytes()));
        // As earlier versions stored it.
        let before = r#"{"url":"https://su.example","no_route":false,"wallets":"","wallets_only":false,"retired":false}"#;
        let before = read_scheduler(scheduler.number, before.as_bytes(), 9).unwrap();
        assert_eq!((before.store, before.term, before.admin), (None, Term(0), None));
        assert!(read_scheduler(scheduler.number, b"{}", 0).unwrap_err().to_string().contains("number 3"));
    }
}
