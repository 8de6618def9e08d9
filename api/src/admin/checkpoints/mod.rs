//! Checkpoints, for whoever copies the log of a running node: standbys that begin, and backups.

mod file;
mod model;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use backup::{CheckpointId, Checkpoints, KeptCheckpoint};
use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, OpenApi};
use protocol::Code;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use uuid::Uuid;
use web::{Given, GivenHeader, HttpError, Path};

use crate::error::CallError;
use crate::node::ApiNode;
use crate::refusals::{CheckpointFileRefusal, CheckpointRefusal, CheckpointsRefusal, OperatorRefusal};
use file::{ByteRange, FileAnswer};
use model::{CheckpointForm, CheckpointName};

/// How many files are sent at a time: each takes a piece in memory.
const FILES: usize = 16;

/// The calls, the node that answers them, and who may read a file.
pub(crate) struct CheckpointsApi {
    node: Arc<ApiNode>,
    readers: Arc<Semaphore>,
}

/// A checkpoint that is there now.
#[derive(ApiResponse)]
enum MadeCheckpoint {
    /// It was made, or was there already.
    #[oai(status = 201)]
    Made(Json<CheckpointForm>),
}

/// Nobody wants the checkpoint any more once this is dropped.
struct Wanted(Arc<AtomicBool>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

#[OpenApi]
impl CheckpointsApi {
    /// Make a checkpoint of the log
    ///
    /// It is answered when all of its files are read once, for their hashes; the log goes on meanwhile. It is kept for an
    /// hour, and until the node stops. There are two at most: one that nobody reads for five minutes makes way for
    /// another. What is not released is in it, and not released there either.
    #[oai(path = "/replication/v1/checkpoints", method = "post", operation_id = "make_checkpoint")]
    async fn make(
        &self,
        /// What it shall be called, a random UUID: if there is one with this id, that is answered. Without it, the node
        /// chooses.
        id: Given<CheckpointName>,
    ) -> Result<MadeCheckpoint, CheckpointsRefusal> {
        let id = id.0.map_or_else(|| CheckpointId(Uuid::new_v4()), |name| name.0);
        let checkpoints = kept(&self.node)?.clone();
        let wanted = Wanted(Arc::new(AtomicBool::new(true)));
        let go_on = wanted.0.clone();
        // On a thread of its own: readers of the log do not wait for it. There is one at a time.
        let making = spawn_blocking(move || checkpoints.make(id, &|| go_on.load(Ordering::Acquire)));
        let made = making.await.map_err(CallError::from)?.map_err(CallError::from)?;
        Ok(MadeCheckpoint::Made(Json(CheckpointForm::from(&*made))))
    }

    /// The checkpoints that there are
    #[oai(path = "/replication/v1/checkpoints", method = "get", operation_id = "checkpoints")]
    async fn list(&self) -> Result<Json<Vec<CheckpointForm>>, OperatorRefusal> {
        let list = |node: &Arc<ApiNode>| Ok(node.parts.checkpoints.as_ref().map(Checkpoints::list));
        let list = self.node.read(list).await?.unwrap_or_default();
        Ok(Json(list.iter().map(|kept| CheckpointForm::from(&**kept)).collect()))
    }

    /// A file of a checkpoint
    #[oai(
        path = "/replication/v1/checkpoints/:id/files/:name",
        method = "get",
        operation_id = "checkpoint_file"
    )]
    async fn file(
        &self,
        /// The id of the checkpoint.
        id: Path<CheckpointName>,
        /// The name of the file.
        name: Path<String>,
        /// Which part of the file is wanted: `bytes=FROM-` or `bytes=FROM-TO`.
        #[oai(name = "Range")]
        range: GivenHeader<String>,
    ) -> Result<FileAnswer, CheckpointFileRefusal> {
        let text = "too many files are being read at the moment";
        let busy = |_| HttpError::new(Code::Unavailable, text);
        let reader = self.readers.clone().try_acquire_owned().map_err(busy)?;
        let range = range.0.as_deref().and_then(ByteRange::parse);
        let opened = self.node.read(move |node| {
            let checkpoint: Arc<KeptCheckpoint> = kept(node)?.get(id.0.0)?;
            let (file, size) = checkpoint.open(&name.0)?;
            Ok((checkpoint, file, size))
        });
        let (checkpoint, file, size) = opened.await?;
        Ok(FileAnswer::new(file, size, range, (checkpoint, reader))?)
    }

    /// Remove a checkpoint
    ///
    /// Whoever reads a file of it at the moment may go on with that.
    #[oai(path = "/replication/v1/checkpoints/:id", method = "delete", operation_id = "remove_checkpoint")]
    async fn remove(
        &self,
        /// The id of the checkpoint.
        id: Path<CheckpointName>,
    ) -> Result<(), CheckpointRefusal> {
        Ok(self.node.read(move |node| Ok(kept(node)?.remove(id.0.0)?)).await?)
    }
}

impl CheckpointsApi {
    pub(crate) fn new(node: Arc<ApiNode>) -> Self {
        Self { node, readers: Arc::new(Semaphore::new(FILES)) }
    }
}

fn kept(node: &ApiNode) -> Result<&Checkpoints, HttpError> {
    node.parts.checkpoints.as_ref().ok_or_else(|| HttpError::not_found("this node makes no checkpoints"))
}
