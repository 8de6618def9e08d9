//! The calls by which a process moves.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use ans104::Id;
use log::{Fact, MoveEnd, MoveStep, ReadError, StoreId};
use poem::http::StatusCode;
use poem_openapi::OpenApi;
use poem_openapi::payload::{Binary, Json};
use protocol::{Code, Nonce, ProcessId};
use replicator::LogPlace;
use replicator::wire::{EventsFrame, Frame};
use scheduler::ScheduleError;
use uuid::Uuid;
use web::{Flag, HttpError, JsonBody, Needed, Path, read_origin};

use super::forms::{MoveOrderForm, MovedProcessForm};
use super::open::OpenMovesForm;
use crate::error::CallError;
use crate::node::ApiNode;
use crate::refusals::MoveRefusal;

/// After how many bytes of events an answer ends; one event always fits.
const PIECE: usize = 4 << 20;

/// So many events that are left to be uploaded are counted.
const UNSENT_MAX: u64 = 10_000;

/// How much is kept of the name of an operator.
const NAME_MAX: usize = 100;

/// The calls, and the node that answers them.
pub(crate) struct MovesApi(pub(crate) Arc<ApiNode>);

#[OpenApi]
impl MovesApi {
    /// Processes on their way here
    ///
    /// Those that have not come; nothing is scheduled to them here, nor served of them.
    #[oai(path = "/moves", method = "get", operation_id = "open_moves")]
    async fn open(&self) -> Result<Json<OpenMovesForm>, MoveRefusal> {
        Ok(Json(self.0.read(|node| Ok::<_, CallError>(OpenMovesForm::of(node))).await?))
    }

    /// Bring a process here
    ///
    /// This node copies and verifies its history while the other one serves it, has that end it, and goes on with it. What
    /// is answered is how far that is; the same call again, also after this node was started again, goes on with it. Or,
    /// with `off`, it does not come after all.
    #[oai(path = "/moves", method = "post", operation_id = "begin_move")]
    async fn begin(
        &self,
        /// Which process, and where it is.
        order: JsonBody<MoveOrderForm>,
    ) -> Result<Json<MovedProcessForm>, MoveRefusal> {
        let mut order = order.0;
        let process = web::read_field::<Id>("process", &order.process)?.into();
        order.url = origin("url", &order.url)?;
        order.from = origin("from", &order.from)?;
        let mover = self.0.parts.mover.clone();
        let mover = mover.ok_or_else(|| HttpError::not_found("nothing moves to this node"))?;
        mover.begin(process, order).map_err(refused)?;
        Ok(Json(self.0.read(move |node| describe(node, process)).await?))
    }

    /// A process, as far as moves are concerned
    #[oai(path = "/moves/:process", method = "get", operation_id = "move")]
    async fn now(
        &self,
        /// The process.
        process: Path<Id>,
    ) -> Result<Json<MovedProcessForm>, MoveRefusal> {
        let read = move |node: &Arc<ApiNode>| {
            let process = process.0.into();
            let form = describe(node, process)?;
            Ok(MovedProcessForm { unsent: unsent(node, process, &form)?.into(), ..form })
        };
        Ok(Json(self.0.read(read).await?))
    }

    /// Events of a process
    ///
    /// A frame of events as they are in the log, from a nonce on; an empty one at the end.
    #[oai(path = "/moves/:process/events", method = "get", operation_id = "move_events")]
    async fn events(
        &self,
        /// The process.
        process: Path<Id>,
        /// The nonce of the first one.
        from: Needed<u64>,
        /// Whether the spawn without a nonce comes first, if there is one.
        unassigned: Flag,
    ) -> Result<Binary<Vec<u8>>, MoveRefusal> {
        let (process, from, unassigned) = (process.0.into(), Nonce::new(from.0), unassigned.0);
        if let Some(mover) = &self.0.parts.mover {
            mover.copied(process, false);
        }
        let frame = self.0.read(move |node| frame(node, process, from, unassigned)).await?;
        Ok(Binary(frame))
    }

    /// End a process here
    ///
    /// Nothing is scheduled to it any more when this is answered: this node leads to the other one for ever. It is refused
    /// unless a node with that store answers there, and the ticket is the one that this node gives at the moment. The same call
    /// again has the same answer.
    #[oai(path = "/moves/:process/out", method = "post", operation_id = "move_out")]
    async fn out(
        &self,
        /// The process.
        process: Path<Id>,
        /// The store that goes on with it.
        to: Needed<String>,
        /// Where clients find the node of that store.
        url: Needed<String>,
        /// What this node says in `ticket` of the process.
        ticket: Needed<String>,
    ) -> Result<Json<MovedProcessForm>, MoveRefusal> {
        let process = process.0.into();
        let wrong = |_| {
            HttpError::new(Code::InvalidParameter, "the parameter to is wrong: expected the id of a store")
        };
        let to: StoreId = to.0.parse::<Uuid>().map(StoreId).map_err(wrong)?;
        let url = origin("url", &url.0)?;
        if to == self.0.parts.log.identity().store {
            return Err(refused("a process does not move to the store that it is in".to_owned()).into());
        }
        self.0.writes().scheduler()?;
        let step = self.0.parts.log.last_move(process);
        if !step.is_some_and(|step| step.other == to && step.url().is_some()) {
            self.check_leads(to, &url).await?;
        }
        let (node, ticket) = (self.0.clone(), ticket.0);
        // What was begun is ended before anybody is told that it stays, also when whoever asked for it goes away meanwhile.
        let ending = tokio::spawn(async move { end(&node, process, (to, url), &ticket).await });
        ending.await.map_err(HttpError::internal)??;
        Ok(Json(self.0.read(move |node| describe(node, process)).await?))
    }

    /// Have a process stay here
    ///
    /// Whatever was asked for before to end it here ends it no more, however long that is on its way; unless it was ended already,
    /// which is answered then, or ending it is under way and nobody knows yet what came of that: then it is refused. A new move may
    /// end it all the same.
    #[oai(path = "/moves/:process/stay", method = "post", operation_id = "move_stay")]
    async fn stay(
        &self,
        /// The process.
        process: Path<Id>,
    ) -> Result<Json<MovedProcessForm>, MoveRefusal> {
        let process: ProcessId = process.0.into();
        self.0.writes().scheduler()?;
        {
            let _one = self.0.tickets.decide().await;
            self.0.tickets.stay(process);
            check_known(&self.0, process)?;
        }
        if let Some(mover) = &self.0.parts.mover {
            mover.copied(process, true);
        }
        Ok(Json(self.0.read(move |node| describe(node, process)).await?))
    }

    /// Take a process back
    ///
    /// It has moved to a store that is lost before all of it was there: this node goes on with it, and leads nobody there any
    /// more. That this is so is the word of whoever asks, and is kept in the log; it is refused while a node answers there
    /// that has the store, or somebody takes the call and says nothing. The same call again has the same answer.
    #[oai(path = "/moves/:process/back", method = "post", operation_id = "move_back")]
    async fn back(
        &self,
        /// The process.
        process: Path<Id>,
        /// The store that is lost.
        lost: Needed<String>,
        /// Who says so.
        by: Needed<String>,
    ) -> Result<Json<MovedProcessForm>, MoveRefusal> {
        let process: ProcessId = process.0.into();
        let wrong = |_| {
            HttpError::new(Code::InvalidParameter, "the parameter lost is wrong: expected the id of a store")
        };
        let lost: StoreId = lost.0.parse::<Uuid>().map(StoreId).map_err(wrong)?;
        let step = self.0.parts.log.last_move(process).filter(|step| step.other == lost);
        match step.as_deref().map(|step| &step.step) {
            Some(MoveStep::Out(_, url)) => self.check_lost(lost, url).await?,
            Some(MoveStep::Back(..)) => {}
            _ => {
                return Err(
                    refused(format!("the process has not moved from here to the store {lost}")).into()
                );
            }
        }
        let by: String = by.0.chars().filter(|character| !character.is_control()).take(NAME_MAX).collect();
        let by = if by.trim().is_empty() { "an operator".to_owned() } else { by };
        {
            // What was asked for before it was taken back ends it no more.
            let _one = self.0.tickets.decide().await;
            self.0.tickets.stay(process);
        }
        let writes = self.0.writes();
        writes.scheduler()?.move_back(process, lost, by).await?;
        self.0.tickets.know(process);
        Ok(Json(self.0.read(move |node| describe(node, process)).await?))
    }
}

impl MovesApi {
    /// Refuses to lead clients for ever to where the process is not.
    async fn check_leads(&self, to: StoreId, url: &str) -> Result<(), HttpError> {
        let found = match self.store_at(url).await? {
            Ok(Some(store)) if store == to => return Ok(()),
            Ok(Some(store)) => format!("a node with the store {store} answers at {url}"),
            Ok(None) => format!("no node answers at {url}"),
            Err(reason) => format!("{url}: {reason}"),
        };
        Err(refused(format!(
            "{found}, and not one with the store {to}: clients would be led there for ever. Expected in --to the URL at which \
             they, and this node, reach the node that the process goes to"
        )))
    }

    /// Refuses what would have a process in two stores, as far as anybody can be asked.
    async fn check_lost(&self, lost: StoreId, url: &str) -> Result<(), HttpError> {
        match self.store_at(url).await? {
            Ok(Some(store)) if store == lost => Err(refused(format!(
                "a node with the store {lost} answers at {url}: it is not lost, and `quipu move` goes on with the move"
            ))),
            Ok(_) => Ok(()),
            Err(reason) => Err(refused(format!(
                "{url}: {reason}. That may be the node with the store {lost}, which would go on with the process when it \
                 wakes: end it first"
            ))),
        }
    }

    async fn store_at(&self, url: &str) -> Result<Result<Option<StoreId>, String>, HttpError> {
        let mover = self.0.parts.mover.as_ref();
        let mover = mover.ok_or_else(|| HttpError::not_found("nothing moves from this node or to it"))?;
        Ok(mover.store_at(url).await)
    }
}

/// Ends a process here, with the ticket that is good at the moment.
async fn end(
    node: &ApiNode,
    process: ProcessId,
    (to, url): (StoreId, String),
    ticket: &str,
) -> Result<(), CallError> {
    let _one = node.tickets.decide().await;
    let step = node.parts.log.last_move(process);
    let is_out = step.is_some_and(|step| step.other == to && matches!(step.step, MoveStep::Out(..)));
    if !is_out && ticket != self::ticket(node, process) {
        let text = "it was said meanwhile that the process stays here, or this node was started again: it is not ended by an order \
                    of before that";
        return Err(HttpError::new(Code::Unavailable, text).into());
    }
    let writes = node.writes();
    let scheduler = writes.scheduler()?;
    let was_begun = node.tickets.is_begun(process);
    node.tickets.begin(process);
    let ended = scheduler.move_out(process, to, url).await;
    // It may be done later, where the disk or those who keep the log too did not answer in time.
    let is_open = matches!(
        ended,
        Err(ScheduleError::Unanswered { .. } | ScheduleError::Lost | ScheduleError::Halted(_))
    );
    // Of an order of before nothing is known by a later one that is refused.
    if ended.is_ok() || !(is_open || was_begun) {
        node.tickets.know(process);
    }
    ended?;
    Ok(())
}

/// Refuses to say that a process stays that may yet come to be ended.
fn check_known(node: &ApiNode, process: ProcessId) -> Result<(), HttpError> {
    let step = node.parts.log.last_move(process);
    if !node.tickets.is_begun(process) || step.is_some_and(|step| matches!(step.step, MoveStep::Out(..))) {
        return Ok(());
    }
    let text = "ending the process here was begun, and nobody knows yet whether it is done: ask again when this node takes messages \
                again, or start it again if that stays so";
    Err(HttpError::new(Code::Unavailable, text))
}

/// The ticket by which a process is ended here at the moment.
fn ticket(node: &ApiNode, process: ProcessId) -> String {
    format!("{}-{}", node.run, node.tickets.number(process))
}

fn origin(name: &str, text: &str) -> Result<String, HttpError> {
    let wrong = || {
        let text =
            format!("the field {name} is wrong: expected http://host:port or https://host, found {text:?}");
        HttpError::new(Code::InvalidParameter, text)
    };
    read_origin(text).ok_or_else(wrong)
}

fn refused(reason: String) -> HttpError {
    HttpError::new(Code::Unavailable, reason).with_status(StatusCode::CONFLICT)
}

fn describe(node: &Arc<ApiNode>, process: ProcessId) -> Result<MovedProcessForm, CallError> {
    let log = &node.parts.log;
    // Before the head: should it move meanwhile, its head is the last one all the same.
    let step = log.last_move(process);
    let head = if process == ProcessId::NODE { None } else { log.head(process)? };
    let state = match step.as_ref().map(|step| &step.step) {
        Some(MoveStep::Out(..)) => "moved",
        Some(MoveStep::Arriving(_)) => "arriving",
        Some(MoveStep::Off(_)) => "off",
        Some(MoveStep::In(_) | MoveStep::Back(..)) => "here",
        None if head.is_some() => "here",
        None => "absent",
    };
    let end = MoveEnd::of(process, head.and_then(|head| head.last));
    Ok(MovedProcessForm {
        process: process.to_string(),
        store: log.identity().store.to_string(),
        wallet: node.parts.address.to_string(),
        wallets: wallets(node)?.into_iter().collect(),
        state: state.to_owned(),
        version: step.as_ref().map_or(0, |step| step.version),
        next: end.next.get(),
        chain: end.chain.to_string(),
        other: step.as_ref().map(|step| step.other.to_string()).into(),
        url: step.as_ref().and_then(|step| step.url().map(str::to_owned)).into(),
        unsent: None.into(),
        ticket: ticket(node, process),
        job: node.parts.mover.as_ref().and_then(|mover| mover.now(process)).into(),
    })
}

/// How much of a process that has moved from here is left to be uploaded here. It takes a while to count, which nobody waits for
/// while a process is on its way.
fn unsent(node: &ApiNode, process: ProcessId, form: &MovedProcessForm) -> Result<Option<u64>, CallError> {
    let uploads = node.uploads().filter(|_| form.state == "moved");
    let unsent = uploads.map(|uploads| uploads.unsent_of(process, Nonce::new(form.next), UNSENT_MAX));
    Ok(unsent.transpose().map_err(HttpError::internal)?)
}

/// The addresses of all wallets that signed for this store.
fn wallets(node: &ApiNode) -> Result<BTreeSet<String>, ReadError> {
    let mut wallets = BTreeSet::from([node.parts.address.to_string()]);
    node.parts.log.range(ProcessId::NODE, false, Nonce::ZERO..=Nonce::MAX, &mut |event| {
        if let Some(Fact::Wallet(address)) = Fact::of(&event) {
            wallets.insert(address.to_string());
        }
        ControlFlow::Continue(())
    })?;
    Ok(wallets)
}

fn frame(
    node: &Arc<ApiNode>,
    process: ProcessId,
    from: Nonce,
    unassigned: bool,
) -> Result<Vec<u8>, CallError> {
    let (mut events, mut bytes, mut failed) = (Vec::new(), 0_usize, None);
    if process != ProcessId::NODE {
        node.parts.log.range(process, unassigned, from..=Nonce::MAX, &mut |event| {
            match event.encode() {
                // A frame holds one of any length, and not always the one after it.
                Ok(event) if !events.is_empty() && bytes.saturating_add(event.len()) > PIECE => {
                    return ControlFlow::Break(());
                }
                Ok(event) => {
                    bytes = bytes.saturating_add(event.len());
                    events.push(event);
                }
                Err(error) => failed = Some(error),
            }
            if failed.is_some() || bytes >= PIECE {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
    }
    if let Some(error) = failed {
        return Err(HttpError::internal(error).into());
    }
    let frame = Frame::Events(EventsFrame {
        term: node.parts.log.identity().term.0,
        owner: [0; 16],
        from: LogPlace { events: 0, digest: log::LogDigest::EMPTY }.into(),
        released: 0,
        events: events.iter().map(Vec::as_slice).collect(),
    });
    Ok(frame.encode().map_err(HttpError::internal)?)
}
