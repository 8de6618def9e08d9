//! What enqueuers hand to the appender: everything that can be made ready without it.

use std::time::Instant;

use protocol::{AssignmentId, ProcessId};
use tokio::sync::oneshot;
use tracing::debug;

use crate::contract::{Append, AppendError, Receipt, Term};
use crate::event::{Body, ChainLink};
use crate::ids::Seq;
use crate::queue::Weigh;
use crate::record::Draft;

/// Something for the appender to do, and who waits for it.
pub(crate) struct Request {
    pub(crate) work: Work,
    pub(crate) waiter: Waiter,
}

pub(crate) enum Work {
    /// Append events together, on behalf of a term.
    Append { term: Term, events: Vec<Ready> },
    /// Raise the log's term to this one.
    RaiseTerm(Term),
}

/// An event that is ready to be given its place.
pub(crate) struct Ready {
    pub(crate) process: ProcessId,
    pub(crate) part: Part,
    pub(crate) imported: bool,
    pub(crate) draft: Draft,
}

/// Which part an event plays in its process; what goes with it was checked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    /// The beginning, without an assignment.
    Unassigned,
    /// The beginning, with an assignment.
    Beginning(ChainLink),
    /// Something that comes later.
    Next(ChainLink),
    /// A fact, which goes by this id in the chain of facts.
    Fact(AssignmentId),
}

impl Ready {
    /// Makes an event ready, on the enqueuer's thread.
    pub(crate) fn new(append: Append) -> Result<Self, AppendError> {
        let Append { process, body, link, imported } = append;
        let misplaced = |reason| AppendError::Misplaced { process, reason };
        let part = part(process, &body, link).map_err(misplaced)?;
        let draft = Draft::new(&body, imported).map_err(|error| {
            debug!(%process, %error, "refused what is no data item");
            misplaced("the item or the assignment is no data item")
        })?;
        Ok(Self { process, part, imported, draft })
    }
}

fn part(process: ProcessId, body: &Body, link: Option<ChainLink>) -> Result<Part, &'static str> {
    let is_fact = matches!(body, Body::Fact(_));
    if is_fact != (process == ProcessId::NODE) {
        return Err("facts, and nothing else, belong to the node's own stream");
    }
    match (body, link) {
        (Body::Fact(fact), None) => Ok(Part::Fact(AssignmentId::of_fact(fact))),
        (Body::Fact(_), Some(_)) => Err("a fact takes no nonce, the log gives it one"),
        // What a spawn without a nonce has in the place of its assignment is the signed record of when it was.
        (Body::Spawned { .. }, None) => Ok(Part::Unassigned),
        (Body::Spawned { assignment: None, .. }, Some(_)) => Err("without an assignment there is no nonce"),
        (_, None) => Err("an assignment takes a nonce, and none is given"),
        (Body::Spawned { assignment: Some(_), .. }, Some(link)) => Ok(Part::Beginning(link)),
        (Body::Scheduled { .. } | Body::Assigned { .. }, Some(link)) => Ok(Part::Next(link)),
    }
}

impl Weigh for Request {
    fn bytes(&self) -> usize {
        match &self.work {
            Work::Append { events, .. } => {
                events.iter().map(|event| event.draft.len()).fold(0, usize::saturating_add)
            }
            Work::RaiseTerm(_) => 0,
        }
    }
}

/// Who waits, and since when.
pub(crate) struct Waiter {
    pub(crate) since: Instant,
    reply: Reply,
}

enum Reply {
    Appended(oneshot::Sender<Result<Seq, AppendError>>),
    Raised(oneshot::Sender<Result<Term, AppendError>>),
}

/// What became of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Done {
    Appended(Seq),
    Raised(Term),
}

impl Waiter {
    pub(crate) fn for_append() -> (Self, Receipt) {
        let (sender, receipt) = Receipt::new();
        (Self { since: Instant::now(), reply: Reply::Appended(sender) }, receipt)
    }

    pub(crate) fn for_term() -> (Self, Receipt<Term>) {
        let (sender, receipt) = Receipt::new();
        (Self { since: Instant::now(), reply: Reply::Raised(sender) }, receipt)
    }

    /// Answers; whoever waits no longer is left alone.
    pub(crate) fn done(self, done: Done) {
        match (self.reply, done) {
            (Reply::Appended(sender), Done::Appended(seq)) => {
                let _ = sender.send(Ok(seq));
            }
            (Reply::Raised(sender), Done::Raised(term)) => {
                let _ = sender.send(Ok(term));
            }
            // The appender answers each request in its kind.
            (Reply::Appended(_), Done::Raised(_)) | (Reply::Raised(_), Done::Appended(_)) => {}
        }
    }

    pub(crate) fn refused(self, error: AppendError) {
        match self.reply {
            Reply::Appended(sender) => {
                let _ = sender.send(Err(error));
            }
            Reply::Raised(sender) => {
                let _ = sender.send(Err(error));
            }
        }
    }
}
