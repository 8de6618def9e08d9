//! Where uploads go: the seam through which they are tested.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use gateway::{UploadError, Uploader};

/// A service that takes data items.
#[async_trait]
pub trait Outlet: Send + Sync {
    /// Hands one data item over; done when the other side has confirmed it.
    async fn upload(&self, item: Bytes) -> Result<(), UploadError>;
}

#[async_trait]
impl Outlet for Uploader {
    async fn upload(&self, item: Bytes) -> Result<(), UploadError> {
        Uploader::upload(self, item).await
    }
}

/// All services that items go to.
#[derive(Clone)]
pub struct Outlets {
    /// The upload node: what counts is what this one confirms.
    pub node: Arc<dyn Outlet>,
    /// A cache that gets a copy of everything, once, whether it takes it or not.
    pub cache: Option<Arc<dyn Outlet>>,
}
