//! UploadRunner, as a node and a replay without one start them.

use std::path::PathBuf;
use std::sync::Arc;

use gateway::{Endpoints, Http, HttpGateway, HttpOptions, Uploader};
use log::Log;
use projections::{UploadRunner, UploadTarget, UploadTargets, UploadsHandle};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::store::failed;
use crate::failure::Failure;

/// What uploads start from.
pub(super) struct Uploading {
    pub(super) endpoints: Endpoints,
    pub(super) log: Arc<dyn Log>,
    /// The data folder.
    pub(super) data: PathBuf,
    /// How many events are sent again without being asked when the log turns out to have another history.
    pub(super) rewind_events_max: u64,
}

impl Uploading {
    /// Starts them, if there is an upload node; they end soon after `stop` is true. Blocks for the disk.
    pub(super) fn start(
        self,
        runtime: &Handle,
        stop: watch::Receiver<bool>,
    ) -> Result<Option<(UploadsHandle, JoinHandle<()>)>, Failure> {
        let Some(node) = &self.endpoints.upload else { return Ok(None) };
        let http = Http::new(HttpOptions::default()).map_err(failed)?;
        let cache = self.endpoints.cache.as_ref();
        let cache = cache.map(|url| Arc::new(Uploader::to_cache(http.clone(), url)) as Arc<dyn UploadTarget>);
        let node = Arc::new(Uploader::to_node(http.clone(), node));
        let arrivals = Arc::new(HttpGateway::new(http, self.endpoints.clone()));
        let targets = UploadTargets { node, cache, arrivals };
        let (uploads, handle) =
            UploadRunner::open(self.log, targets, &self.data, self.rewind_events_max).map_err(failed)?;
        Ok(Some((handle, uploads.start(runtime, stop))))
    }
}
