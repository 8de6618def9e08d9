//! Hands a record over once, and keeps that it was taken.

use std::time::Duration;

use ans104::Id;
use bytes::Bytes;
use log::Publication;
use protocol::Timestamp;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::{FIRST_PAUSE, LocationKeeper};
use crate::pending::Unsent;

/// For how long the right to send a record is taken: an upload ends within two minutes, the wait for a socket included.
const CLAIMED: Duration = Duration::from_secs(150);

impl LocationKeeper {
    /// Hands over what was not taken yet; why it was not taken now, if so.
    pub(super) async fn send(&mut self) -> Option<String> {
        if let Some(refusal) = self.parts.publications.refusal() {
            self.pending = None;
            return Some(refusal.reason);
        }
        let pending = self.pending.as_ref()?;
        let (publication, item) = (pending.publication.clone(), pending.item.clone());
        let (nonce, id) = (publication.nonce, publication.id);
        let Err(why) = self.hand_over(&publication, item).await else {
            info!(nonce, %id, "the record that says where this scheduler is was taken");
            self.pending = None;
            (self.look_at, self.pause) = (Instant::now() + FIRST_PAUSE, FIRST_PAUSE);
            return None;
        };
        let text = why.to_string();
        match self.pending.as_mut().is_some_and(|pending| pending.failed(&why)) {
            false => {
                debug!(nonce, %id, text, "the record that says where this scheduler is is still not done with")
            }
            true => {
                warn!(nonce, %id, text, "the record that says where this scheduler is is not done with; tried again");
            }
        }
        Some(text)
    }

    /// When this record was taken, if that is known here.
    pub(super) fn handed_at(&self, id: Id) -> Option<Timestamp> {
        self.handed.filter(|(handed, _)| *handed == id).map(|(_, at)| at)
    }

    /// Has the upload node take a record, once, and keeps that it did.
    async fn hand_over(&mut self, publication: &Publication, item: Bytes) -> Result<(), Unsent> {
        let publications = &self.parts.publications;
        if self.handed_at(publication.id).is_none() {
            if !publications.claim(publication, CLAIMED).await.map_err(Unsent::Unclaimed)? {
                return Err(Unsent::Elsewhere);
            }
            self.parts.gateways.upload(item).await?;
            self.handed = Some((publication.id, self.now().unwrap_or(publication.at)));
        }
        let at = self.handed_at(publication.id).unwrap_or(publication.at);
        publications.taken(publication, at).await.map_err(Unsent::Unkept)
    }
}
