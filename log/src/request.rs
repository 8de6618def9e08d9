//! What enqueuers hand to the appender: everything that can be made ready without it.

use std::sync::Arc;
use std::time::Instant;

use protocol::{AssignmentId, ProcessId};
use tokio::sync::oneshot;
use tracing::debug;

use crate::contract::{Append, Import, Receipt};
use crate::digest::EventDigest;
use crate::error::AppendError;
use crate::event::{Body, BodyRef, Event, EventRef};
use crate::fact::{Fact, Promotion};
use crate::head::{ChainLink, LinkSays};
use crate::identity::Term;
use crate::ids::Seq;
use crate::moves::ProcessMove;
use crate::queue::Weigh;
use crate::record::RecordDraft;

/// Something for the appender to do, and who waits for it.
pub(crate) struct Request {
    pub(crate) work: RequestWork,
    pub(crate) waiter: RequestWaiter,
}

pub(crate) enum RequestWork {
    /// Append events together, on behalf of a term, by one who was not fenced more often than this.
    Append { term: Term, events: Vec<Ready>, fences: u64 },
    /// Append events of another log, from this place on.
    Follow { first: Seq, events: Vec<Ready> },
    /// Hold what is appended until it is released, or release it as soon as it is on disk.
    Hold(bool),
}

/// An event that is ready to be given its place.
pub(crate) struct Ready {
    pub(crate) process: ProcessId,
    pub(crate) part: EventPart,
    pub(crate) imported: bool,
    pub(crate) draft: RecordDraft,
    pub(crate) digest: EventDigest,
    /// The term that begins with it, if one does.
    pub(crate) promotion: Option<Promotion>,
    /// The step of a move that it is, if it is one.
    pub(crate) step: Option<Arc<ProcessMove>>,
}

/// Which part an event plays in its process; what goes with it was checked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum EventPart {
    /// The beginning, without an assignment.
    Unassigned,
    /// The beginning, with an assignment.
    Beginning(ChainLink),
    /// Something that comes later.
    Next(ChainLink),
    /// A fact, which goes by this id in the chain of facts.
    Fact(AssignmentId),
    /// What another log has there, whose assignment says this.
    Copied(CopiedPart, LinkSays),
}

/// Which part something copied plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CopiedPart {
    Beginning,
    Next,
}

impl Ready {
    /// Makes an event ready, on the enqueuer's thread.
    pub(crate) fn new(append: Append) -> Result<Self, AppendError> {
        let Append { process, body, link, imported } = append;
        let misplaced = |reason| AppendError::Misplaced { process, reason };
        let part = part(process, &body, link).map_err(misplaced)?;
        Self::of(process, &body, part, imported, None)
    }

    /// Makes ready what another scheduler had.
    pub(crate) fn import(import: Import) -> Result<Self, AppendError> {
        let Import { process, body, link, envelope } = import;
        let part = part(process, &body, link).map_err(|reason| AppendError::Misplaced { process, reason })?;
        Self::of(process, &body, part, true, envelope.as_deref())
    }

    /// Makes an event of another log ready.
    pub(crate) fn copy(event: &EventRef<'_>) -> Result<Self, AppendError> {
        let part = match (event.body, LinkSays::of(event)) {
            (BodyRef::Fact(fact), _) => EventPart::Fact(AssignmentId::of_fact(fact)),
            (BodyRef::Spawned { .. }, Some(says)) => EventPart::Copied(CopiedPart::Beginning, says),
            (BodyRef::Spawned { .. }, None) => EventPart::Unassigned,
            (_, Some(says)) => EventPart::Copied(CopiedPart::Next, says),
            (_, None) => {
                let reason = "an assignment takes a nonce, and it has none";
                return Err(AppendError::Misplaced { process: event.process, reason });
            }
        };
        let Event { process, imported, envelope, body, .. } = event.to_owned();
        if matches!(body, Body::Fact(_)) != (process == ProcessId::NODE) {
            return Err(AppendError::Misplaced { process, reason: FACTS_BELONG });
        }
        Self::of(process, &body, part, imported, envelope.as_deref())
    }

    fn of(
        process: ProcessId,
        body: &Body,
        part: EventPart,
        imported: bool,
        envelope: Option<&[u8]>,
    ) -> Result<Self, AppendError> {
        let fact = if let Body::Fact(fact) = body { Fact::read(fact) } else { None };
        let (promotion, step) = match fact {
            Some(Fact::Promotion(promotion)) => (Some(promotion), None),
            Some(Fact::Move(step)) => (None, Some(Arc::new(step))),
            Some(
                Fact::Wallet(_)
                | Fact::Members(_)
                | Fact::MemberUrl { .. }
                | Fact::Publication(_)
                | Fact::PublishedRecord(_)
                | Fact::PublicationTaken { .. }
                | Fact::RecordsSought { .. }
                | Fact::RecordWaits { .. }
                | Fact::Handover(_)
                | Fact::Gated(_),
            )
            | None => (None, None),
        };
        let (draft, digest) = RecordDraft::new(body, imported, envelope).map_err(|error| {
            debug!(%process, %error, "refused what is no data item");
            AppendError::Misplaced { process, reason: "the item or the assignment is no data item" }
        })?;
        Ok(Self { process, part, imported, draft, digest, promotion, step })
    }
}

const FACTS_BELONG: &str = "facts, and nothing else, belong to the node's own stream";

fn part(process: ProcessId, body: &Body, link: Option<ChainLink>) -> Result<EventPart, &'static str> {
    let is_fact = matches!(body, Body::Fact(_));
    if is_fact != (process == ProcessId::NODE) {
        return Err(FACTS_BELONG);
    }
    match (body, link) {
        (Body::Fact(fact), None) => Ok(EventPart::Fact(AssignmentId::of_fact(fact))),
        (Body::Fact(_), Some(_)) => Err("a fact takes no nonce, the log gives it one"),
        // What a spawn without a nonce has in the place of its assignment is the signed record of when it was.
        (Body::Spawned { .. }, None) => Ok(EventPart::Unassigned),
        (Body::Spawned { assignment: None, .. }, Some(_)) => Err("without an assignment there is no nonce"),
        (_, None) => Err("an assignment takes a nonce, and none is given"),
        (Body::Spawned { assignment: Some(_), .. }, Some(link)) => Ok(EventPart::Beginning(link)),
        (Body::Scheduled { .. } | Body::Assigned { .. }, Some(link)) => Ok(EventPart::Next(link)),
    }
}

impl Weigh for Request {
    fn bytes(&self) -> usize {
        match &self.work {
            RequestWork::Append { events, .. } | RequestWork::Follow { events, .. } => {
                events.iter().map(|event| event.draft.len()).fold(0, usize::saturating_add)
            }
            RequestWork::Hold(_) => 0,
        }
    }
}

/// Who waits, and since when.
pub(crate) struct RequestWaiter {
    pub(crate) since: Instant,
    reply: RequestReply,
}

enum RequestReply {
    Appended(oneshot::Sender<Result<Seq, AppendError>>),
    Held(oneshot::Sender<Result<(), AppendError>>),
}

/// What became of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RequestDone {
    Appended(Seq),
    Held,
}

impl RequestWaiter {
    pub(crate) fn for_append() -> (Self, Receipt) {
        let (sender, receipt) = Receipt::new();
        (Self { since: Instant::now(), reply: RequestReply::Appended(sender) }, receipt)
    }

    pub(crate) fn for_hold() -> (Self, Receipt<()>) {
        let (sender, receipt) = Receipt::new();
        (Self { since: Instant::now(), reply: RequestReply::Held(sender) }, receipt)
    }

    /// Answers; whoever waits no longer is left alone.
    pub(crate) fn done(self, done: RequestDone) {
        match (self.reply, done) {
            (RequestReply::Appended(sender), RequestDone::Appended(seq)) => {
                let _ = sender.send(Ok(seq));
            }
            (RequestReply::Held(sender), RequestDone::Held) => {
                let _ = sender.send(Ok(()));
            }
            // The appender answers each request in its kind.
            (RequestReply::Appended(_), RequestDone::Held)
            | (RequestReply::Held(_), RequestDone::Appended(_)) => {}
        }
    }

    pub(crate) fn refused(self, error: AppendError) {
        match self.reply {
            RequestReply::Appended(sender) => {
                let _ = sender.send(Err(error));
            }
            RequestReply::Held(sender) => {
                let _ = sender.send(Err(error));
            }
        }
    }
}
