//! HyperBEAM's form of the calls, each sent on to the scheduler that has the process.

use std::sync::Arc;

use poem::Request;
use poem_openapi::{OpenApi, Tags};
use protocol::ProcessId;
use web::hyperbeam::{NamedId, NamedProcess, SentAs};
use web::{Given, GivenHeader, Path, RawBody, RawItem};

use super::refusal::HyperbeamRouteRefusal;
use super::routed::Routed;
use crate::lookup::RouteKey;
use crate::router::Router;

/// The calls, and the router that answers them.
pub(crate) struct RoutedHyperbeamApi(pub(crate) Arc<Router>);

#[derive(Tags)]
enum RoutedHyperbeamGroup {
    /// HyperBEAM's form of writing and reading, as at a scheduler. In each path the process is its id, its id with
    /// `~process@1.0`, or `~scheduler@1.0` with the id in the parameter `target` or `process-id`. Failures of the router have
    /// the status 424 or 429 instead of a 5xx.
    #[oai(rename = "HyperBEAM")]
    HyperBeam,
}

#[OpenApi]
impl RoutedHyperbeamApi {
    /// Schedule an item
    ///
    /// As at a scheduler; a process that is new is given its home.
    #[oai(
        path = "/:process/schedule",
        method = "post",
        tag = "RoutedHyperbeamGroup::HyperBeam",
        operation_id = "hyperbeam_schedule"
    )]
    async fn schedule(
        &self,
        request: &Request,
        // First, so that it is there to be discarded whatever else is wrong.
        /// The data item.
        item: RawItem,
        /// The process; what it has to do with the item is the scheduler's affair.
        #[oai(name = "process")]
        _process: Path<NamedProcess>,
        /// What the body is.
        #[oai(name = "content-type")]
        kind: GivenHeader<String>,
        /// What the body is, in HyperBEAM's words.
        #[oai(name = "codec-device")]
        codec: GivenHeader<String>,
    ) -> Result<Routed, HyperbeamRouteRefusal> {
        self.write(request, &SentAs { kind: kind.0, codec: codec.0 }, item.0).await
    }

    /// Schedule an item for a process
    ///
    /// As `POST /{process}/schedule`.
    #[oai(
        path = "/:process/~scheduler@1.0/schedule",
        method = "post",
        tag = "RoutedHyperbeamGroup::HyperBeam",
        operation_id = "hyperbeam_schedule_for"
    )]
    async fn schedule_for(
        &self,
        request: &Request,
        /// The data item.
        item: RawItem,
        /// The process; what it has to do with the item is the scheduler's affair.
        #[oai(name = "process")]
        _process: Path<NamedProcess>,
        /// What the body is.
        #[oai(name = "content-type")]
        kind: GivenHeader<String>,
        /// What the body is, in HyperBEAM's words.
        #[oai(name = "codec-device")]
        codec: GivenHeader<String>,
    ) -> Result<Routed, HyperbeamRouteRefusal> {
        self.write(request, &SentAs { kind: kind.0, codec: codec.0 }, item.0).await
    }

    /// Read a schedule
    ///
    /// All parameters are those of a scheduler.
    #[oai(
        path = "/:process/schedule",
        method = "get",
        tag = "RoutedHyperbeamGroup::HyperBeam",
        operation_id = "hyperbeam_read"
    )]
    async fn read(
        &self,
        request: &Request,
        /// The process.
        process: Path<NamedProcess>,
        /// The process, where the path does not name it.
        target: Given<NamedId>,
        /// Another name for `target`.
        #[oai(name = "process-id")]
        process_id: Given<NamedId>,
    ) -> Result<Routed, HyperbeamRouteRefusal> {
        self.to_process(request, process.0.with(target.0, process_id.0)?.needed()?).await
    }

    /// Read the schedule of a process
    ///
    /// As `GET /{process}/schedule`.
    #[oai(
        path = "/:process/~scheduler@1.0/schedule",
        method = "get",
        tag = "RoutedHyperbeamGroup::HyperBeam",
        operation_id = "hyperbeam_read_of"
    )]
    async fn read_of(
        &self,
        request: &Request,
        /// The process.
        process: Path<NamedProcess>,
    ) -> Result<Routed, HyperbeamRouteRefusal> {
        self.to_process(request, process.0.needed()?).await
    }

    /// The newest slot of a process, as text
    #[oai(
        path = "/:process/slot/current",
        method = "get",
        tag = "RoutedHyperbeamGroup::HyperBeam",
        operation_id = "hyperbeam_current"
    )]
    async fn current(
        &self,
        request: &Request,
        /// The process.
        process: Path<NamedProcess>,
        /// The process, where the path does not name it.
        target: Given<NamedId>,
        /// Another name for `target`.
        #[oai(name = "process-id")]
        process_id: Given<NamedId>,
    ) -> Result<Routed, HyperbeamRouteRefusal> {
        self.to_process(request, process.0.with(target.0, process_id.0)?.needed()?).await
    }

    /// The newest slot of a process, as text
    ///
    /// As with GET: what is in the body is not looked at, and not sent on.
    #[oai(
        path = "/:process/slot/current",
        method = "post",
        tag = "RoutedHyperbeamGroup::HyperBeam",
        operation_id = "hyperbeam_current_posted"
    )]
    async fn current_posted(
        &self,
        request: &Request,
        /// Anything; it is not looked at.
        item: RawBody,
        /// The process.
        process: Path<NamedProcess>,
        /// The process, where the path does not name it.
        target: Given<NamedId>,
        /// Another name for `target`.
        #[oai(name = "process-id")]
        process_id: Given<NamedId>,
    ) -> Result<Routed, HyperbeamRouteRefusal> {
        drop(item);
        self.to_process(request, process.0.with(target.0, process_id.0)?.needed()?).await
    }

    /// The newest slot of a process
    #[oai(
        path = "/:process/slot",
        method = "get",
        tag = "RoutedHyperbeamGroup::HyperBeam",
        operation_id = "hyperbeam_slot"
    )]
    async fn slot(
        &self,
        request: &Request,
        /// The process.
        process: Path<NamedProcess>,
        /// The process, where the path does not name it.
        target: Given<NamedId>,
        /// Another name for `target`.
        #[oai(name = "process-id")]
        process_id: Given<NamedId>,
    ) -> Result<Routed, HyperbeamRouteRefusal> {
        self.to_process(request, process.0.with(target.0, process_id.0)?.needed()?).await
    }

    /// The newest slot of a process
    ///
    /// As with GET: what is in the body is not looked at, and not sent on.
    #[oai(
        path = "/:process/slot",
        method = "post",
        tag = "RoutedHyperbeamGroup::HyperBeam",
        operation_id = "hyperbeam_slot_posted"
    )]
    async fn slot_posted(
        &self,
        request: &Request,
        /// Anything; it is not looked at.
        item: RawBody,
        /// The process.
        process: Path<NamedProcess>,
        /// The process, where the path does not name it.
        target: Given<NamedId>,
        /// Another name for `target`.
        #[oai(name = "process-id")]
        process_id: Given<NamedId>,
    ) -> Result<Routed, HyperbeamRouteRefusal> {
        drop(item);
        self.to_process(request, process.0.with(target.0, process_id.0)?.needed()?).await
    }
}

impl RoutedHyperbeamApi {
    /// Sends an item to the scheduler that it is for. What is no item by what is said of it gets no home anywhere.
    async fn write(
        &self,
        request: &Request,
        sent: &SentAs,
        item: RawBody,
    ) -> Result<Routed, HyperbeamRouteRefusal> {
        sent.check()?;
        let posted = self.0.home_of_item(request, item).await?;
        Ok(self.0.post(request, posted).await?)
    }

    async fn to_process(
        &self,
        request: &Request,
        process: ProcessId,
    ) -> Result<Routed, HyperbeamRouteRefusal> {
        Ok(self.0.read(request, RouteKey::Process(process)).await?)
    }
}
