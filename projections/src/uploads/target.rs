//! Where uploads go: the seam through which they are tested.

use std::collections::HashSet;
use std::sync::Arc;

use ans104::Id;
use async_trait::async_trait;
use bytes::Bytes;
use gateway::{GatewayError, HttpGateway, UploadError, Uploader};

/// A service that takes data items.
#[async_trait]
pub trait UploadTarget: Send + Sync {
    /// Hands one data item over; done when the other side has confirmed it.
    async fn upload(&self, item: Bytes) -> Result<(), UploadError>;
}

#[async_trait]
impl UploadTarget for Uploader {
    async fn upload(&self, item: Bytes) -> Result<(), UploadError> {
        Uploader::upload(self, item).await
    }
}

/// Where it is seen which data items have arrived.
#[async_trait]
pub trait Arrivals: Send + Sync {
    /// Those of these ids that are known there.
    async fn arrived(&self, ids: &[Id]) -> Result<HashSet<Id>, GatewayError>;
}

#[async_trait]
impl Arrivals for HttpGateway {
    async fn arrived(&self, ids: &[Id]) -> Result<HashSet<Id>, GatewayError> {
        self.known(ids).await
    }
}

/// All services that items go to.
#[derive(Clone)]
pub struct UploadTargets {
    /// The upload node: what counts is what this one confirms.
    pub node: Arc<dyn UploadTarget>,
    /// A cache that gets a copy of everything, once, whether it takes it or not.
    pub cache: Option<Arc<dyn UploadTarget>>,
    /// Where it is looked up what has arrived, when an operator asks for that.
    pub arrivals: Arc<dyn Arrivals>,
}
