//! A record that is published and that nobody has taken yet.

use std::time::Duration;

use ans104::{Address, Item};
use bytes::Bytes;
use gateway::{UploadError, Url};
use log::Publication;
use tokio::time::Instant;

use crate::publications::KeptPublication;
use crate::record::shown;

/// The pauses between two attempts to hand a record over, doubled from the first to the last.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(60);
/// The pause after it was refused, which somebody has to put right.
const REFUSED_RETRY: Duration = Duration::from_secs(15 * 60);

/// It is sent until it is taken, or until another takes its place.
pub(crate) struct Pending {
    pub(crate) item: Bytes,
    pub(crate) publication: Publication,
    pub(crate) next: Instant,
    /// Why it was not taken the last time.
    pub(crate) trouble: Option<String>,
    pause: Duration,
}

impl Pending {
    /// What was published last, if nobody has taken it yet and it is still what is to be said: it may have been published by a
    /// node that was killed before it sent it, or for another place than this one.
    pub(crate) fn of(kept: Option<&KeptPublication>, url: &Url, wallet: Address) -> Option<Self> {
        let KeptPublication { publication, record } = kept?;
        let item = record.clone()?;
        let is_own = Item::split(&item).is_ok_and(|item| item.address() == wallet);
        let publication = Some(publication.clone()).filter(|one| is_own && one.url == shown(url))?;
        Some(Self { item, publication, next: Instant::now(), trouble: None, pause: FIRST_RETRY })
    }

    /// It was not taken. Whether the reason is another one than before.
    pub(crate) fn failed(&mut self, text: String, error: Option<&UploadError>) -> bool {
        let is_refused = matches!(error, Some(UploadError::Refused { .. } | UploadError::Withheld));
        self.next = Instant::now() + if is_refused { REFUSED_RETRY } else { self.pause };
        self.pause = (2 * self.pause).min(LAST_RETRY);
        let is_new = self.trouble.as_ref() != Some(&text);
        self.trouble = Some(text);
        is_new
    }
}
