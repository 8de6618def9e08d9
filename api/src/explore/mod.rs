//! What people ask who look at schedules: where an id is, what came to a process lately, and the exact bytes of both
//! parts of an entry. All of it comes from the log and the index.

mod bytes;
mod chain;
mod limit;
mod model;
mod operators;
mod places;
mod row;
mod rows;

use std::sync::Arc;
use std::time::Duration;

use ans104::Id;
use poem_openapi::{OpenApi, Tags};
use serde::Serialize;
use web::{Given, HttpError, Path};

use crate::attempt::AnswerAttempt;
use crate::error::CallError;
use crate::limit::PageLimit;
use crate::node::ApiNode;
use crate::refusals::ReadRefusal;
use crate::render::Rendered;
use bytes::{ExactBytes, ExactPart};
use limit::RowLimit;
use model::{ExploredChainForm, ExploredIdForm, ExploredProcessForm};
pub(crate) use operators::{BelowPublic, SchedulerApi};

/// How long an answer waits for memory.
const PATIENCE: Duration = Duration::from_secs(1);
/// The longest page of rows or links.
const LIMIT_MAX: u64 = 500;

/// The calls, and the node that answers them.
pub(crate) struct ExploreApi(pub(crate) Arc<ApiNode>);

#[derive(Tags)]
enum Group {
    /// Looking at schedules: short rows, and exact bytes to verify.
    Explore,
}

#[OpenApi(prefix_path = "/explore/v1", tag = "Group::Explore")]
impl ExploreApi {
    /// What an id is
    ///
    /// The answer lists all that the id is here, and up to which event that was looked for: an id with no place was not
    /// scheduled up to there.
    #[oai(path = "/ids/:id", method = "get", operation_id = "exploreId")]
    async fn id(
        &self,
        /// Any id: of a process, a message, a transaction that was assigned, or an assignment; or an address.
        id: Path<Id>,
    ) -> Result<Rendered<ExploredIdForm>, ReadRefusal> {
        let id = id.0;
        Ok(self.tell(move |node| places::of(node, id)).await?)
    }

    /// The schedule of a process in short, the newest first
    ///
    /// To read on, repeat the call with `next` as `before` until it is null. What a process was spawned with comes last.
    #[oai(path = "/processes/:process", method = "get", operation_id = "exploreProcess")]
    async fn process(
        &self,
        /// The process.
        process: Path<Id>,
        /// Only entries before this nonce.
        before: Given<u64>,
        limit: Given<RowLimit>,
    ) -> Result<Rendered<ExploredProcessForm>, ReadRefusal> {
        let (process, limit) = (process.0.into(), limit.0.unwrap_or_default().0);
        Ok(self.tell(move |node| rows::newest(node, process, before.0, limit)).await?)
    }

    /// The assignments of a process, byte by byte
    ///
    /// They come in the order of their nonces. To read on, repeat the call with `next` as `after` until it is null.
    #[oai(path = "/processes/:process/chain", method = "get", operation_id = "exploreChain")]
    async fn chain(
        &self,
        /// The process.
        process: Path<Id>,
        /// Only assignments after this nonce.
        after: Given<u64>,
        limit: Given<PageLimit<LIMIT_MAX>>,
    ) -> Result<Rendered<ExploredChainForm>, ReadRefusal> {
        let (process, limit) = (process.0.into(), limit.0.unwrap_or_default().0);
        Ok(self.tell(move |node| chain::links(node, process, after.0, limit)).await?)
    }

    /// The exact bytes of an item or its assignment
    ///
    /// They are those of the data item as it was signed, to be verified by whoever wants to.
    #[oai(path = "/items/:id/bytes", method = "get", operation_id = "exploreBytes")]
    async fn bytes(
        &self,
        /// A message, a process or an assignment.
        id: Path<Id>,
        /// Which of the two that belong together. Without it, the one that has this id.
        part: Given<ExactPart>,
        /// The process to look in. Without it, all processes are searched.
        #[oai(name = "process-id")]
        process: Given<Id>,
    ) -> Result<ExactBytes, ReadRefusal> {
        Ok(bytes::read(&self.0, id.0, part.0, process.0.map(Into::into)).await?)
    }
}

impl ExploreApi {
    /// Answers with what is read, written on the thread that reads it.
    async fn tell<T: Serialize>(
        &self,
        read: impl Fn(&ApiNode) -> Result<T, CallError> + Clone + Send + 'static,
    ) -> Result<Rendered<T>, CallError> {
        let write = move |node: &Arc<ApiNode>, _: &AnswerAttempt<'_>| {
            Ok((serde_json::to_vec(&read(node)?).map_err(HttpError::internal)?, ()))
        };
        let (json, ()) = self.0.render(write, |()| true).await?;
        Ok(Rendered::whole(json))
    }
}
