//! The records that were published of where a router is: of several routers that share what they know, one publishes each.

use std::sync::Arc;
use std::time::Duration;

use ans104::Address;
use async_trait::async_trait;
use bytes::Bytes;
use location::{
    KeptPublication, Publication, PublicationState, Publications, PublicationsError, PublishingRefusal,
};
use protocol::Timestamp;

use crate::router::Router;
use crate::state::StateError;

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
    /// The record is found by the wallet that processes name: it must be the one that signs behind this router.
    fn refusal(&self) -> Option<PublishingRefusal> {
        let (reason, is_passing) = match self.router.fleet.address() {
            Some(address) if address == self.wallet => return None,
            Some(address) => {
                let wallet = self.wallet;
                let reason = format!(
                    "SU_WALLET_PATH names the wallet {wallet}, and the schedulers behind this router sign with {address}"
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

    async fn taken(&self, publication: &Publication, at: Timestamp) -> Result<(), PublicationsError> {
        let Publication { nonce, id, .. } = publication;
        self.router.state.publication_taken(*nonce, *id, at).await.map_err(failed)
    }
}

fn failed(error: StateError) -> PublicationsError {
    PublicationsError(error.to_string())
}
