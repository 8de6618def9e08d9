//! The calls by which HyperBEAM, and the clients that were written for it, speak to a scheduler.
//!
//! They go by the same log, lanes and signatures as all others: one process is served in two forms. Their readers end
//! with a 201 or a 5xx, so neither is answered here.

mod codec;
mod forms;
mod schedule;
mod slot;
mod write;

use std::sync::Arc;

use poem_openapi::{OpenApi, Tags};
use web::hyperbeam::{NamedId, NamedProcess, SentAs};
use web::{Given, GivenHeader, HeaderList, Path, RawBody, RawItem};

use crate::node::ApiNode;
use crate::refusals::{HyperbeamReadRefusal, HyperbeamWriteRefusal};
use crate::render::Rendered;
use codec::AcceptedForms;
use forms::{PlacedAnswer, SlotAnswer, SlotTextAnswer, SlotsForm};
use schedule::{AskedSlot, AskedSlots, SaidSlot};

/// The calls, and the node that answers them.
pub(crate) struct HyperbeamApi(pub(crate) Arc<ApiNode>);

#[derive(Tags)]
enum Group {
    /// HyperBEAM's form of writing and reading. In each path the process is its id, its id with `~process@1.0`, or
    /// `~scheduler@1.0` with the id in the parameter `target` or `process-id`; who names two is refused with 400. Parameters may
    /// follow an `&` in the path, and `from+integer` is `from`.
    /// Failures of the node have the status 424 or 429 instead of a 5xx.
    #[oai(rename = "HyperBEAM")]
    HyperBeam,
}

#[OpenApi]
impl HyperbeamApi {
    /// Schedule an item
    ///
    /// The body is a signed ANS-104 data item, as for `POST /`, and the header `Content-Type: application/ans104` or
    /// `codec-device: ans104@1.0` says so; anything else is refused with 422. The process that is named has to be that
    /// of the item. An item that is there already gets the place that it has, and so does a push of which the process
    /// has the content.
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the call")]
    #[oai(
        path = "/:process/schedule",
        method = "post",
        tag = "Group::HyperBeam",
        operation_id = "hyperbeam_schedule"
    )]
    async fn schedule(
        &self,
        // First, so that it is there to be discarded whatever else is wrong.
        /// The data item.
        item: RawItem,
        /// The process.
        process: Path<NamedProcess>,
        /// The process, where the path does not name it.
        target: Given<NamedId>,
        /// Another name for `target`.
        #[oai(name = "process-id")]
        process_id: Given<NamedId>,
        /// What the body is.
        #[oai(name = "content-type")]
        kind: GivenHeader<String>,
        /// What the body is, in HyperBEAM's words.
        #[oai(name = "codec-device")]
        codec: GivenHeader<String>,
    ) -> Result<PlacedAnswer, HyperbeamWriteRefusal> {
        let named = process.0.with(target.0, process_id.0)?.process;
        write::write(&self.0, named, &SentAs { kind: kind.0, codec: codec.0 }, item.0).await
    }

    /// Schedule an item for a process
    ///
    /// As `POST /{process}/schedule`.
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the call")]
    #[oai(
        path = "/:process/~scheduler@1.0/schedule",
        method = "post",
        tag = "Group::HyperBeam",
        operation_id = "hyperbeam_schedule_for"
    )]
    async fn schedule_for(
        &self,
        /// The data item.
        item: RawItem,
        /// The process.
        process: Path<NamedProcess>,
        /// The process again, if at all.
        target: Given<NamedId>,
        /// Another name for `target`.
        #[oai(name = "process-id")]
        process_id: Given<NamedId>,
        /// What the body is.
        #[oai(name = "content-type")]
        kind: GivenHeader<String>,
        /// What the body is, in HyperBEAM's words.
        #[oai(name = "codec-device")]
        codec: GivenHeader<String>,
    ) -> Result<PlacedAnswer, HyperbeamWriteRefusal> {
        let named = process.0.with(target.0, process_id.0)?.process;
        write::write(&self.0, named, &SentAs { kind: kind.0, codec: codec.0 }, item.0).await
    }

    /// Read a schedule
    ///
    /// The part of it from one slot to another, both included, and never more than 1,001 entries. `accept` says in which
    /// form: `application/aos-2`, or for a view without signatures `application/json`; anything else is refused with
    /// 406. In aos-2, data that is not UTF-8 is null, and the message of what is on chain is its id alone. A process that was
    /// spawned without an assignment has no slot: as aos-2 from slot 0 on, where its readers expect it, it is refused with 406.
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the call")]
    #[oai(
        path = "/:process/schedule",
        method = "get",
        tag = "Group::HyperBeam",
        operation_id = "hyperbeam_read"
    )]
    async fn read(
        &self,
        /// The process.
        process: Path<NamedProcess>,
        /// The process, where the path does not name it.
        target: Given<NamedId>,
        /// Another name for `target`.
        #[oai(name = "process-id")]
        process_id: Given<NamedId>,
        /// The first slot; 0 without.
        from: Given<AskedSlot>,
        /// The last slot; the newest without.
        to: Given<AskedSlot>,
        /// The form of the answer; it counts more than the headers.
        accept: Given<String>,
        /// The first slot, where the query does not say it.
        #[oai(name = "from")]
        from_header: GivenHeader<SaidSlot>,
        /// The last slot, where the query does not say it.
        #[oai(name = "to")]
        to_header: GivenHeader<SaidSlot>,
        /// The form of the answer, where the query does not say it.
        #[oai(name = "accept")]
        accept_header: HeaderList,
        /// The form of the answer; it counts more than the header `accept`.
        #[oai(name = "require-codec")]
        require_codec: HeaderList,
    ) -> Result<Rendered<SlotsForm>, HyperbeamReadRefusal> {
        let process = process.0.with(target.0, process_id.0)?;
        let accepted = AcceptedForms { asked: accept.0, required: require_codec.0, header: accept_header.0 };
        let (from, to) = (from.0.or(SaidSlot::asked(from_header)), to.0.or(SaidSlot::asked(to_header)));
        let asked = AskedSlots { from, to, codec: accepted.codec()? };
        Ok(schedule::read(&self.0, process.needed()?, asked).await?)
    }

    /// Read the schedule of a process
    ///
    /// As `GET /{process}/schedule`.
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the call")]
    #[oai(
        path = "/:process/~scheduler@1.0/schedule",
        method = "get",
        tag = "Group::HyperBeam",
        operation_id = "hyperbeam_read_of"
    )]
    async fn read_of(
        &self,
        /// The process.
        process: Path<NamedProcess>,
        /// The process again, if at all.
        target: Given<NamedId>,
        /// Another name for `target`.
        #[oai(name = "process-id")]
        process_id: Given<NamedId>,
        /// The first slot; 0 without.
        from: Given<AskedSlot>,
        /// The last slot; the newest without.
        to: Given<AskedSlot>,
        /// The form of the answer; it counts more than the headers.
        accept: Given<String>,
        /// The first slot, where the query does not say it.
        #[oai(name = "from")]
        from_header: GivenHeader<SaidSlot>,
        /// The last slot, where the query does not say it.
        #[oai(name = "to")]
        to_header: GivenHeader<SaidSlot>,
        /// The form of the answer, where the query does not say it.
        #[oai(name = "accept")]
        accept_header: HeaderList,
        /// The form of the answer; it counts more than the header `accept`.
        #[oai(name = "require-codec")]
        require_codec: HeaderList,
    ) -> Result<Rendered<SlotsForm>, HyperbeamReadRefusal> {
        let process = process.0.with(target.0, process_id.0)?.needed()?;
        let accepted = AcceptedForms { asked: accept.0, required: require_codec.0, header: accept_header.0 };
        let (from, to) = (from.0.or(SaidSlot::asked(from_header)), to.0.or(SaidSlot::asked(to_header)));
        let asked = AskedSlots { from, to, codec: accepted.codec()? };
        Ok(schedule::read(&self.0, process, asked).await?)
    }

    /// The newest slot of a process, as text
    #[oai(
        path = "/:process/slot/current",
        method = "get",
        tag = "Group::HyperBeam",
        operation_id = "hyperbeam_current"
    )]
    async fn current(
        &self,
        /// The process.
        process: Path<NamedProcess>,
        /// The process, where the path does not name it.
        target: Given<NamedId>,
        /// Another name for `target`.
        #[oai(name = "process-id")]
        process_id: Given<NamedId>,
    ) -> Result<SlotTextAnswer, HyperbeamReadRefusal> {
        Ok(slot::current(&self.0, process.0.with(target.0, process_id.0)?.needed()?).await?)
    }

    /// The newest slot of a process, as text
    ///
    /// As with GET: aoconnect asks with an item in the body, which is not looked at and never scheduled.
    #[oai(
        path = "/:process/slot/current",
        method = "post",
        tag = "Group::HyperBeam",
        operation_id = "hyperbeam_current_posted"
    )]
    async fn current_posted(
        &self,
        /// Anything; it is not looked at.
        item: RawBody,
        /// The process.
        process: Path<NamedProcess>,
        /// The process, where the path does not name it.
        target: Given<NamedId>,
        /// Another name for `target`.
        #[oai(name = "process-id")]
        process_id: Given<NamedId>,
    ) -> Result<SlotTextAnswer, HyperbeamReadRefusal> {
        drop(item);
        Ok(slot::current(&self.0, process.0.with(target.0, process_id.0)?.needed()?).await?)
    }

    /// The newest slot of a process
    #[oai(path = "/:process/slot", method = "get", tag = "Group::HyperBeam", operation_id = "hyperbeam_slot")]
    async fn slot(
        &self,
        /// The process.
        process: Path<NamedProcess>,
        /// The process, where the path does not name it.
        target: Given<NamedId>,
        /// Another name for `target`.
        #[oai(name = "process-id")]
        process_id: Given<NamedId>,
    ) -> Result<SlotAnswer, HyperbeamReadRefusal> {
        Ok(slot::slot(&self.0, process.0.with(target.0, process_id.0)?.needed()?).await?)
    }

    /// The newest slot of a process
    ///
    /// As with GET: what is in the body is not looked at and never scheduled.
    #[oai(
        path = "/:process/slot",
        method = "post",
        tag = "Group::HyperBeam",
        operation_id = "hyperbeam_slot_posted"
    )]
    async fn slot_posted(
        &self,
        /// Anything; it is not looked at.
        item: RawBody,
        /// The process.
        process: Path<NamedProcess>,
        /// The process, where the path does not name it.
        target: Given<NamedId>,
        /// Another name for `target`.
        #[oai(name = "process-id")]
        process_id: Given<NamedId>,
    ) -> Result<SlotAnswer, HyperbeamReadRefusal> {
        drop(item);
        Ok(slot::slot(&self.0, process.0.with(target.0, process_id.0)?.needed()?).await?)
    }
}
