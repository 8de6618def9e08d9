//! A record that is published and that nobody has taken yet.

use std::time::Duration;

use ans104::{Address, Item};
use bytes::Bytes;
use gateway::{UploadError, Url};
use log::Publication;
use thiserror::Error;
use tokio::time::Instant;

use crate::publications::{KeptPublication, PublicationState, PublicationsError};
use crate::record::shown;

/// The pauses between two attempts to hand a record over, doubled from the first to the last.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(60);
/// The longest pause before something is tried again that somebody has to put right.
const BROKEN_RETRY: Duration = Duration::from_secs(15 * 60);

/// It is sent until it is taken, or until another takes its place.
pub(crate) struct Pending {
    pub(crate) item: Bytes,
    pub(crate) publication: Publication,
    pub(crate) next: Instant,
    /// Why it was not done with the last time.
    pub(crate) trouble: Option<String>,
    pause: Duration,
}

/// Why a record is not done with.
#[derive(Debug, Error)]
pub(crate) enum Unsent {
    /// It is another's turn.
    #[error("another router that shares the database sends the record")]
    Elsewhere,
    /// Whose turn it is is not known.
    #[error("the record is not sent, since it is not known whether another router does: {0}")]
    Unclaimed(PublicationsError),
    /// Nobody took it.
    #[error("the record is not taken: {0}")]
    Untaken(#[from] UploadError),
    /// It was taken, which the next start would not know.
    #[error("the record was taken, and that could not be kept: {0}")]
    Unkept(PublicationsError),
}

impl Pending {
    /// What was published last, if nobody has taken it yet and it is still what is to be said: it may have been published by a
    /// node that was killed before it sent it, or for another place than this one.
    pub(crate) fn of(kept: Option<&KeptPublication>, url: &Url, wallet: Address) -> Option<Self> {
        let KeptPublication { publication, state, .. } = kept?;
        let PublicationState::Sent(item) = state else { return None };
        let is_own = Item::split(item).is_ok_and(|item| item.address() == wallet);
        let publication = Some(publication.clone()).filter(|one| is_own && one.url == shown(url))?;
        Some(Self {
            item: item.clone(),
            publication,
            next: Instant::now(),
            trouble: None,
            pause: FIRST_RETRY,
        })
    }

    /// It is not done with, and tried again later. Whether the reason is another one than before.
    pub(crate) fn failed(&mut self, why: &Unsent) -> bool {
        let (pause, longest) = match why {
            Unsent::Untaken(UploadError::Refused { .. } | UploadError::Withheld) => {
                (BROKEN_RETRY, BROKEN_RETRY)
            }
            // A disk is full or a log halted, as a rule.
            Unsent::Unkept(_) => (self.pause, BROKEN_RETRY),
            Unsent::Elsewhere | Unsent::Unclaimed(_) | Unsent::Untaken(_) => {
                (self.pause.min(LAST_RETRY), LAST_RETRY)
            }
        };
        self.next = Instant::now() + pause;
        self.pause = (2 * self.pause).min(longest);
        let text = why.to_string();
        let is_new = self.trouble.as_ref() != Some(&text);
        self.trouble = Some(text);
        is_new
    }
}
