//! The public calls: those of a scheduler, each sent on to the one that has the process.

mod hyperbeam;
mod refusal;
mod routed;
mod routing;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ans104::Id;
use bytes::Bytes;
use poem::Request;
use poem_openapi::payload::{Json, PlainText};
use poem_openapi::{Object, OpenApi, Tags};
use protocol::Code;
use web::{Given, HttpError, Path, RawBody};

use crate::following::waits;
use crate::lookup::RouteKey;
use crate::placing::PostedItem;
use crate::router::Router;
pub(crate) use hyperbeam::RoutedHyperbeamApi;
pub(crate) use refusal::{FleetRefusal, OperatorsNotWell, WhereRefusal};
use refusal::{NoMetrics, NotWell, RouteRefusal};
use routed::Routed;

/// Renders the metrics as Prometheus text.
pub(crate) type RenderedMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// The calls, and the router that answers them.
pub(crate) struct RoutedApi {
    pub(crate) router: Arc<Router>,
    pub(crate) metrics: Option<RenderedMetrics>,
}

#[derive(Tags)]
enum RoutedGroup {
    /// What is sent to the scheduler that has the process, or gets it.
    Write,
    /// What the scheduler that has the process answers.
    Read,
    /// The router itself.
    Router,
}

/// The fleet's address and time.
#[derive(Debug, Object)]
#[oai(rename = "Fleet")]
struct FleetForm {
    /// The current time in milliseconds since 1970, as text.
    timestamp: String,
    /// The address of the wallet that signs the assignments: that of the first scheduler that has told one.
    address: String,
}

#[OpenApi]
impl RoutedApi {
    /// Schedule an item, or assign a transaction
    ///
    /// As at a scheduler. A message goes to the scheduler that has the process; a process that is new is given its home,
    /// once and for ever, and goes there.
    #[oai(path = "/", method = "post", tag = "RoutedGroup::Write", operation_id = "schedule")]
    async fn schedule(
        &self,
        request: &Request,
        // First, so that it is there to be discarded whatever else is wrong.
        /// The data item.
        item: RawBody,
        /// The process that the transaction is assigned to.
        #[oai(name = "process-id")]
        process: Given<Id>,
        /// The transaction or message on Arweave to assign.
        assign: Given<Id>,
    ) -> Result<Routed, RouteRefusal> {
        let posted = match (process.0, assign.0) {
            (_, None) => self.router.home_of_item(request, item).await?,
            (Some(process), Some(id)) => {
                drop(item);
                self.router.options.items.check_process(process.into()).map_err(HttpError::from)?;
                let subject = RouteKey::Process(process.into());
                let route = self.router.home(subject, Code::UnknownProcess).await?;
                PostedItem { route, id, body: Bytes::new() }
            }
            (None, Some(_)) => {
                let text = "the parameter process-id is missing: assign needs the process to assign to";
                return Err(HttpError::new(Code::InvalidParameter, text).into());
            }
        };
        Ok(self.router.post(request, posted).await?)
    }

    /// The fleet's address and time, or a scheduler's
    ///
    /// With `process-id` the answer comes from the scheduler that has the process, which is how clients find that.
    #[oai(path = "/", method = "get", tag = "RoutedGroup::Router", operation_id = "scheduler")]
    async fn scheduler(
        &self,
        request: &Request,
        /// A process.
        #[oai(name = "process-id")]
        process: Given<Id>,
    ) -> Result<Routed, RouteRefusal> {
        match process.0 {
            Some(process) => Ok(self.router.read(request, RouteKey::Process(process.into())).await?),
            None => Ok(Routed::own(Json(self.fleet()?))),
        }
    }

    /// The time and the block height of the scheduler that has a process
    #[oai(path = "/timestamp", method = "get", tag = "RoutedGroup::Read", operation_id = "timestamp")]
    async fn timestamp(
        &self,
        request: &Request,
        /// The process.
        #[oai(name = "process-id")]
        process: Given<Id>,
    ) -> Result<Routed, RouteRefusal> {
        let missing = || {
            let text =
                "the parameter process-id is missing: a router asks the scheduler that has the process";
            HttpError::new(Code::InvalidParameter, text)
        };
        let process = process.0.ok_or_else(missing)?;
        Ok(self.router.read(request, RouteKey::Process(process.into())).await?)
    }

    /// Whether processes can be spawned
    ///
    /// The answer is empty while they can. What is known is routed even when they cannot.
    #[oai(path = "/health", method = "get", tag = "RoutedGroup::Router", operation_id = "health")]
    async fn health(&self) -> Result<(), NotWell> {
        match self.router.refusal() {
            Some(reason) => Err(HttpError::new(Code::Unavailable, reason).into()),
            None => Ok(()),
        }
    }

    /// Metrics for Prometheus
    #[oai(path = "/metrics", method = "get", tag = "RoutedGroup::Router", operation_id = "metrics")]
    async fn metrics(&self) -> Result<PlainText<String>, NoMetrics> {
        match &self.metrics {
            Some(render) => Ok(PlainText(render())),
            None => Err(HttpError::not_found("metrics are not enabled on this router").into()),
        }
    }

    /// A process
    #[oai(path = "/processes/:process", method = "get", tag = "RoutedGroup::Read", operation_id = "process")]
    async fn process(
        &self,
        request: &Request,
        /// The process.
        process: Path<Id>,
    ) -> Result<Routed, RouteRefusal> {
        Ok(self.router.read(request, RouteKey::Process(process.0.into())).await?)
    }

    /// The newest message of a process
    #[oai(path = "/:process/latest", method = "get", tag = "RoutedGroup::Read", operation_id = "latest")]
    async fn latest(
        &self,
        request: &Request,
        /// The process.
        process: Path<Id>,
    ) -> Result<Routed, RouteRefusal> {
        Ok(self.router.read(request, RouteKey::Process(process.0.into())).await?)
    }

    /// The schedule of a process as it grows
    #[oai(path = "/:process/stream", method = "get", tag = "RoutedGroup::Read", operation_id = "stream")]
    async fn stream(
        &self,
        request: &Request,
        /// The process.
        process: Path<Id>,
    ) -> Result<Routed, RouteRefusal> {
        Ok(self.router.follow(request, RouteKey::Process(process.0.into())).await?)
    }

    /// A message, or the schedule of a process
    ///
    /// All parameters are those of a scheduler.
    #[oai(path = "/:id", method = "get", tag = "RoutedGroup::Read", operation_id = "read")]
    async fn read_any(
        &self,
        request: &Request,
        /// A process, a message or an assignment.
        id: Path<Id>,
        /// The process to look in. Without it, the schedulers are asked for the id.
        #[oai(name = "process-id")]
        process: Given<Id>,
        /// Another name for `process-id`.
        #[oai(name = "proc-id")]
        proc: Given<Id>,
    ) -> Result<Routed, RouteRefusal> {
        let subject = match process.0.or(proc.0) {
            Some(process) => RouteKey::Process(process.into()),
            None => RouteKey::Any(id.0),
        };
        if waits(request.uri()) {
            return Ok(self.router.follow(request, subject).await?);
        }
        Ok(self.router.read(request, subject).await?)
    }
}

impl RoutedApi {
    fn fleet(&self) -> Result<FleetForm, HttpError> {
        let address = self.router.fleet.address();
        let address = address.ok_or_else(|| {
            HttpError::new(Code::Unavailable, "no scheduler has told its address yet; try again")
        })?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(FleetForm { timestamp: now.as_millis().to_string(), address: address.to_string() })
    }
}
