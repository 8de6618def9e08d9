//! The records that were published of where a router is: of several routers that share what they know, one publishes each.

use async_trait::async_trait;
use location::{Publication, Publications, PublicationsError};

use crate::router::Router;
use crate::state::StateError;

#[async_trait]
impl Publications for Router {
    fn refusal(&self) -> Option<String> {
        None
    }

    async fn all(&self) -> Result<Vec<Publication>, PublicationsError> {
        self.state.publications().await.map_err(failed)
    }

    async fn keep(&self, publication: Publication, after: Option<u64>) -> Result<(), PublicationsError> {
        if self.state.publish(publication, after).await.map_err(failed)? {
            return Ok(());
        }
        Err(PublicationsError("another router has just published one".to_owned()))
    }
}

fn failed(error: StateError) -> PublicationsError {
    PublicationsError(error.to_string())
}
