//! The records that were published of where a router is: of several routers that share what they know, one publishes each.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use ans104::Address;
use async_trait::async_trait;
use bytes::Bytes;
use location::{
    KeptPublication, Publication, PublicationState, Publications, PublicationsError, PublishingRefusal,
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
        let (reason, is_passing) = match self.router.fleet.address() {
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
}
