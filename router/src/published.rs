//! The records that were published of where a router is: of several routers that share what they know, one publishes each.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use ans104::{Address, Id};
use async_trait::async_trait;
use bytes::Bytes;
use location::{
    KeptPublication, Publication, PublicationState, Publications, PublicationsError, PublishingRefusal,
    WaitingRecords,
};
use log::replace_file;
use protocol::Timestamp;
use tokio::task::spawn_blocking;

use crate::router::Router;
use crate::state::StateError;

/// In the data folder: the wallet whose records are looked for, and since when. Each router of a database waits for itself.
const SOUGHT: &str = "location-sought";
/// It, until it is whole.
const SOUGHT_NEW: &str = "location-sought.new";
/// In the data folder: the records that are told without a block, and since when.
const WAITING: &str = "location-waiting";
/// It, until it is whole.
const WAITING_NEW: &str = "location-waiting.new";
/// How many of them are kept: those of some days, of which no more than a few are noted in each.
const WAITING_MAX: usize = 256;

/// The publications of a router, for the wallet of the schedulers behind it.
pub struct RouterPublications {
    router: Arc<Router>,
    /// The wallet that its record is for.
    wallet: Address,
}

impl RouterPublications {
    /// Those that this router publishes for this wallet.
    #[must_use]
    pub fn new(router: Arc<Router>, wallet: Address) -> Self {
        Self { router, wallet }
    }
}

#[async_trait]
impl Publications for RouterPublications {
    /// The record is found by the wallet that processes name: it must be one that signs behind this router.
    fn refusal(&self) -> Option<PublishingRefusal> {
        if self.router.fleet.signs_with(self.wallet) {
            return None;
        }
        let untold = self.router.fleet.untold();
        let (reason, is_passing) = match self.router.fleet.address() {
            Some(_) if untold > 0 => {
                let wallet = self.wallet;
                let reason = format!(
                    "no scheduler behind this router has told yet that it signs with the wallet {wallet} of SU_WALLET_PATH, and of \
                     {untold} it is not known with which"
                );
                (reason, true)
            }
            Some(address) => {
                let wallet = self.wallet;
                let reason = format!(
                    "SU_WALLET_PATH names the wallet {wallet}, and no scheduler behind this router signs with that: the first \
                     of them signs with {address}"
                );
                (reason, false)
            }
            None => {
                ("no scheduler behind this router has told yet which wallet it signs with".to_owned(), true)
            }
        };
        Some(PublishingRefusal { reason, is_passing })
    }

    async fn all(&self) -> Result<Vec<KeptPublication>, PublicationsError> {
        self.router.state.publications().await.map_err(failed)
    }

    async fn keep(
        &self,
        publication: Publication,
        record: Bytes,
        after: Option<u64>,
    ) -> Result<bool, PublicationsError> {
        let state = PublicationState::Sent(record);
        let kept = KeptPublication { publication, wallet: Some(self.wallet), state };
        self.router.state.publish(kept, after).await.map_err(failed)
    }

    async fn claim(&self, publication: &Publication, lasting: Duration) -> Result<bool, PublicationsError> {
        let Publication { nonce, id, .. } = publication;
        self.router.state.claim_publication(*nonce, *id, lasting).await.map_err(failed)
    }

    async fn sought_since(&self, wallet: Address, now: Timestamp) -> Result<Timestamp, PublicationsError> {
        let folder = self.router.options.folder.clone();
        let kept = spawn_blocking(move || sought_since(&folder, wallet, now)).await;
        kept.map_err(io::Error::other).flatten().map_err(|error| PublicationsError(error.to_string()))
    }

    async fn waiting_since(
        &self,
        records: &[Id],
        now: Timestamp,
    ) -> Result<WaitingRecords, PublicationsError> {
        let (folder, records) = (self.router.options.folder.clone(), records.to_vec());
        let kept = spawn_blocking(move || waiting_since(&folder, &records, now)).await;
        kept.map_err(io::Error::other).flatten().map_err(|error| PublicationsError(error.to_string()))
    }

    async fn taken(&self, publication: &Publication, at: Timestamp) -> Result<(), PublicationsError> {
        let Publication { nonce, id, .. } = publication;
        self.router.state.publication_taken(*nonce, *id, at).await.map_err(failed)
    }
}

/// What the file says, or else what it says from now on.
fn sought_since(folder: &Path, wallet: Address, now: Timestamp) -> io::Result<Timestamp> {
    let path = folder.join(SOUGHT);
    let kept = match fs::read(&path) {
        Ok(kept) => read_sought(&kept, wallet),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    // A later one was told by a clock that was ahead.
    if let Some(kept) = kept.filter(|kept| *kept <= now) {
        return Ok(kept);
    }
    replace_file(&path, SOUGHT_NEW, format!("{wallet} {}\n", now.get()).as_bytes())?;
    Ok(now)
}

/// Since when this wallet's are looked for, if it is this wallet's; whatever else is there says nothing.
fn read_sought(kept: &[u8], wallet: Address) -> Option<Timestamp> {
    let (whose, at) = std::str::from_utf8(kept).ok()?.trim_end().split_once(' ')?;
    let at = at.parse().ok().filter(|_| whose.parse() == Ok(wallet))?;
    Some(Timestamp::new(at))
}

/// What the file says of records that wait for a block, and of these from now on.
fn waiting_since(folder: &Path, records: &[Id], now: Timestamp) -> io::Result<WaitingRecords> {
    let path = folder.join(WAITING);
    let mut kept = match fs::read(&path) {
        Ok(kept) => read_waiting(&kept),
        Err(error) if error.kind() == io::ErrorKind::NotFound => WaitingRecords::default(),
        Err(error) => return Err(error),
    };
    if !kept.add(records, now).is_empty() {
        let lines: Vec<_> = kept.noted().map(|(id, at)| format!("{id} {}\n", at.get())).collect();
        let last = lines.len().saturating_sub(WAITING_MAX);
        replace_file(&path, WAITING_NEW, lines.into_iter().skip(last).collect::<String>().as_bytes())?;
    }
    Ok(kept)
}

/// The lines of the file that can be read.
fn read_waiting(kept: &[u8]) -> WaitingRecords {
    let mut found = WaitingRecords::default();
    let text = String::from_utf8_lossy(kept);
    let noted = text.lines().filter_map(|line| {
        let (id, at) = line.split_once(' ')?;
        Some((id.parse().ok()?, Timestamp::new(at.parse().ok()?)))
    });
    noted.for_each(|(id, at)| found.note(id, at));
    found
}

fn failed(error: StateError) -> PublicationsError {
    PublicationsError(error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn since_when_records_are_looked_for_is_kept_over_all_starts() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (Address::from_bytes([1; 32]), Address::from_bytes([2; 32]));
        let since = |wallet, now| sought_since(folder.path(), wallet, Timestamp::new(now)).unwrap().get();
        assert_eq!([since(one, 5), since(one, 7), since(one, 9)], [5, 5, 5]);
        // Another wallet's records, and a clock that was ahead.
        assert_eq!([since(other, 8), since(other, 9), since(other, 4), since(other, 9)], [8, 8, 4, 4]);
        for cut in ["", "x", "x 7", "\u{ff}"] {
            fs::write(folder.path().join(SOUGHT), cut).unwrap();
            assert_eq!([since(one, 6), since(one, 7)], [6, 6], "{cut}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn since_when_records_wait_for_a_block_is_kept_over_all_starts() {
        let folder = tempfile::tempdir().unwrap();
        let id = |number: u64| {
            let [.., high, low] = number.to_be_bytes();
            Id::from_bytes([[high, low]; 16].concat().try_into().unwrap())
        };
        let since = |records: &[u64], now| {
            let records: Vec<_> = records.iter().copied().map(id).collect();
            let now = Timestamp::new(now);
            let kept = waiting_since(folder.path(), &records, now).unwrap();
            records.into_iter().map(|id| kept.since(id, now).map(Timestamp::get)).collect::<Vec<_>>()
        };
        assert_eq!([since(&[1], 5), since(&[1, 2], 7)].concat(), [5, 5, 7].map(Some));
        assert_eq!(since(&[2, 1], 9), [7, 5].map(Some));
        // What cannot be read is passed over, and told anew.
        let path = folder.path().join(WAITING);
        let lines = fs::read(&path).unwrap();
        fs::write(&path, [&b"x 7\n\xff\n"[..], &lines[..lines.len() - 3]].concat()).unwrap();
        assert_eq!(since(&[1, 2], 11), [5, 11].map(Some));
        // It does not grow for ever.
        let day = 24 * 60 * 60 * 1000;
        (1..400).for_each(|number| _ = since(&[10 + number], number * day));
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), WAITING_MAX);
        assert_eq!(since(&[409, 11], 401 * day), [399 * day, 401 * day].map(Some));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
