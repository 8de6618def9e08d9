//! The sequencer: gives the next order of a lane its place and signs it, or says why not.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use ans104::{Id, Item, SignError, Signer};
use aws_lc_rs::rand;
use log::{Append, AppendError, Body, ChainLink, DeepHash, Kind, Log, MoveStep, ProcessMove, Receipt, Term};
use projections::Index;
use protocol::{Assignment, AssignmentId, HashChain, MessageId, Nonce, ProcessId, Timestamp};
use tracing::error;

use crate::backlog::{Backlog, Stage};
use crate::classes::Classes;
use crate::clock::{Clock, ClockError, Heights};
use crate::error::ScheduleError;
use crate::in_flight::{InFlight, Outcome};
use crate::known::{KnownContent, refuse_known};
use crate::lane::{Lane, ProcessState};
use crate::metrics::Measures;
use crate::moving::move_id;
use crate::options::SchedulerOptions;
use crate::order::{Intake, MoveOrder, Order, Scheduled};
use crate::process::{first_event, process_item};

/// Everything that the decision about an order needs. It has no threads of its own: workers, or a simulation, call it.
pub(crate) struct Sequencer {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) index: Index,
    pub(crate) signer: Arc<dyn Signer>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) heights: Arc<dyn Heights>,
    pub(crate) process_assignment: bool,
    pub(crate) backlog: Arc<Backlog>,
    pub(crate) measures: Measures,
    /// The term of the log when this began to write. Whoever raises it since has the right to write, and this has not.
    term: Term,
    /// The first reason why nothing can be scheduled any more.
    halted: OnceLock<Arc<str>>,
}

/// An order that was taken from its lane, and what is known of it before the index is asked.
pub(crate) struct Begun {
    order: Order,
    found: Result<Found, ScheduleError>,
}

/// What was found of an order in its lane.
enum Found {
    /// The same message in flight, or the process that is to be spawned.
    Repeated,
    /// This message of the same content in flight.
    SameContent(Id),
    /// It has moved to another store.
    Moved(Arc<ProcessMove>),
    /// Nothing, in a process of which this is the newest link.
    Nothing { last: Option<ChainLink>, content: Option<Box<KnownContent>> },
}

impl Sequencer {
    pub(crate) fn new(
        log: Arc<dyn Log>,
        index: Index,
        signer: Arc<dyn Signer>,
        clock: Arc<dyn Clock>,
        heights: Arc<dyn Heights>,
        options: &SchedulerOptions,
    ) -> Self {
        let (term, process_assignment) = (log.identity().term, options.process_assignment);
        let backlog = Arc::new(Backlog::new(options.workers));
        Self {
            log,
            index,
            signer,
            clock,
            heights,
            process_assignment,
            backlog,
            measures: Measures::new(),
            term,
            halted: OnceLock::new(),
        }
    }

    /// Refuses when nothing can be scheduled any more.
    pub(crate) fn check_running(&self) -> Result<(), ScheduleError> {
        match self.halted.get() {
            Some(reason) => Err(ScheduleError::Halted(reason.clone())),
            None => Ok(()),
        }
    }

    /// Stops scheduling for good. What the log was given may or may not be there: only a restart can tell.
    pub(crate) fn halt(&self, reason: &str) {
        if self.halted.set(reason.into()).is_err() {
            return;
        }
        if self.log.is_fenced() {
            error!(reason, "scheduling stops: another node has taken the place of this one");
        } else {
            error!(
                reason,
                "scheduling stops; mend the cause and restart the node, nothing acknowledged is lost"
            );
        }
    }

    /// Works the next order of a lane and gives back what is in flight then, if anything is. The log may sleep on until
    /// it is woken.
    pub(crate) fn work(&self, lane: &Arc<Lane>) -> Option<InFlight> {
        let started = self.clock.monotonic();
        let begun = self.begin(lane)?;
        let in_flight = self.finish(lane, begun);
        // What was refused, or is a repetition, says nothing of how long the others will take.
        if in_flight.as_ref().is_some_and(|left| matches!(left.outcome, Outcome::Enqueued { .. })) {
            self.backlog.ordered(self.clock.monotonic().saturating_duration_since(started));
        }
        in_flight
    }

    /// Takes the next order of a lane and looks for it among what is in flight. From here on it is scheduled wholly, or
    /// refused; what nobody waited for any more is dropped before.
    ///
    /// What is in flight is not in the index yet; what is complete is. Were the index asked first, a message that
    /// completes between the two questions would be seen by neither.
    pub(crate) fn begin(&self, lane: &Lane) -> Option<Begun> {
        let (mut order, state) = next_wanted(lane, self.clock.monotonic())?;
        order.answer.wait_for(Stage::Elsewhere);
        self.measures.waited(order.answer.since.elapsed());
        let found = self.look_into(lane, state, &order.intake);
        Some(Begun { order, found })
    }

    /// Decides about an order that is not in flight: looks for it in the index, and binds it when it is new.
    pub(crate) fn finish(&self, lane: &Arc<Lane>, begun: Begun) -> Option<InFlight> {
        let Begun { order, found } = begun;
        let outcome = found.and_then(|found| match found {
            Found::Repeated if matches!(order.intake, Intake::Spawn { .. }) => {
                self.first_answer(lane).map(Outcome::SpawnedAgain)
            }
            Found::Repeated => Ok(Outcome::Duplicate),
            Found::SameContent(first) => Ok(Outcome::DuplicateContent(first)),
            Found::Moved(step) => Ok(Outcome::Moved(step)),
            Found::Nothing { last, content } => {
                if let Intake::Move(order) = &order.intake {
                    return self.move_on(lane, last, order);
                }
                let (process, id) = (lane.process, message_id(lane, &order.intake));
                refuse_known(self.log.as_ref(), &self.index, process, id, content.as_deref())?;
                self.bind(lane, last, content.map(|content| content.key), &order.intake)
            }
        });
        match outcome {
            Ok(outcome) => {
                let id = message_id(lane, &order.intake);
                let left = self.clock.monotonic();
                Some(InFlight { lane: lane.clone(), id, outcome, answer: order.answer, left })
            }
            Err(error) => {
                order.answer.refuse(error);
                None
            }
        }
    }

    fn look_into(&self, lane: &Lane, state: ProcessState, intake: &Intake) -> Result<Found, ScheduleError> {
        self.check_running()?;
        let state = match state {
            // One that is not here may have come since.
            ProcessState::Unknown | ProcessState::Absent => self.look_up(lane)?,
            known => known,
        };
        let id = message_id(lane, intake);
        let last = match (state, intake) {
            (ProcessState::Moved(_), Intake::Move(MoveOrder::Back { .. })) => {
                return Ok(Found::Nothing { last: self.end_of_moved(lane.process)?, content: None });
            }
            (ProcessState::Moved(step), _) => return Ok(Found::Moved(step)),
            (_, Intake::Move(MoveOrder::Back { .. })) => return Err(ScheduleError::NotMoved(lane.process)),
            (ProcessState::Present(_), Intake::Spawn { .. }) => return Ok(Found::Repeated),
            // How often it has moved is known once the step before is on disk.
            (_, Intake::Move(_)) if lane.is_in_flight(id) => {
                return Err(ScheduleError::NotMoved(lane.process));
            }
            (ProcessState::Present(last), Intake::Move(_)) => {
                return Ok(Found::Nothing { last, content: None });
            }
            (ProcessState::Present(last), _) => last,
            (_, Intake::Spawn { .. }) => None,
            _ => return Err(ScheduleError::UnknownProcess(lane.process)),
        };
        if lane.is_in_flight(id) {
            return Ok(Found::Repeated);
        }
        let content = self.content(lane, intake)?;
        let same = content.as_ref().and_then(|content| lane.content_in_flight(&content.key));
        if let Some(first) = same {
            return Ok(Found::SameContent(first));
        }
        Ok(Found::Nothing { last, content })
    }

    fn look_up(&self, lane: &Lane) -> Result<ProcessState, ScheduleError> {
        let step = self.log.last_move(lane.process);
        match step.as_ref().map(|step| &step.step) {
            Some(MoveStep::Out(..) | MoveStep::Off(_)) => {
                return Ok(step.map_or(ProcessState::Absent, ProcessState::Moved));
            }
            Some(MoveStep::Arriving(_)) => return Err(ScheduleError::Arriving(lane.process)),
            Some(MoveStep::In(_) | MoveStep::Back(..)) | None => {}
        }
        let head = self.log.head(lane.process)?;
        if head.is_some() && !self.is_spawned(lane.process)? {
            return Err(ScheduleError::NeverSpawned(lane.process));
        }
        let state = ProcessState::from(head);
        lane.set_process_state(state.clone());
        Ok(state)
    }

    /// Whether a process that is there was spawned: of an imported one there may be messages alone.
    fn is_spawned(&self, process: ProcessId) -> Result<bool, ScheduleError> {
        if self.index.find(process, process.id())?.is_some() {
            return Ok(true);
        }
        let mut spawned = false;
        first_event(self.log.as_ref(), process, &mut |event| spawned = event.kind() == Kind::Spawned)?;
        Ok(spawned)
    }

    /// The content that the process knows a message by, if it is told apart by its content.
    fn content(&self, lane: &Lane, intake: &Intake) -> Result<Option<Box<KnownContent>>, ScheduleError> {
        let Some(pushed) = intake.pushed() else { return Ok(None) };
        let classes = match lane.classes() {
            Some(classes) => classes,
            None => self.look_up_classes(lane)?,
        };
        let key = classes.key(&pushed);
        Ok(Some(Box::new(KnownContent { pushed, classes, key })))
    }

    /// Reads the process's item, which an import may lack: then everybody is in one class. Whoever spawns a process in
    /// this lane notes its classes: it is on disk otherwise.
    fn look_up_classes(&self, lane: &Lane) -> Result<Classes, ScheduleError> {
        let mut classes = Classes::One;
        let found = first_event(self.log.as_ref(), lane.process, &mut |event| {
            if let Some(item) = process_item(&event, lane.process) {
                classes = Classes::of(&item);
            }
        })?;
        if !found {
            return Err(ScheduleError::UnknownProcess(lane.process));
        }
        lane.set_classes(classes.clone());
        Ok(classes)
    }

    /// What the spawn of the process was answered when it came first: that is on disk, unless it is noted in the lane.
    fn first_answer(&self, lane: &Lane) -> Result<Scheduled, ScheduleError> {
        let process = lane.process;
        let mut timestamp = lane.spawned_at();
        if timestamp.is_none() {
            first_event(self.log.as_ref(), process, &mut |event| timestamp = event.timestamp())?;
        }
        let timestamp = timestamp.ok_or(ScheduleError::NoTimestamp(process))?;
        Ok(Scheduled { process, id: process.id(), timestamp })
    }

    /// Gives the order its place, signs it and hands it to the log.
    fn bind(
        &self,
        lane: &Lane,
        last: Option<ChainLink>,
        content: Option<DeepHash>,
        intake: &Intake,
    ) -> Result<Outcome, ScheduleError> {
        let id = message_id(lane, intake);
        let height = self.heights.current();
        let height = height.ok_or_else(|| ScheduleError::NoHeight(self.heights.doubt()))?.height;
        let timestamp = self.timestamp_after(last)?;
        let place = self.place(lane, last, intake);
        let (message, exclude) = match intake {
            Intake::Spawn { .. } | Intake::Move(_) => (None, [].as_slice()),
            Intake::Message { .. } => (Some(MessageId::from(id)), [].as_slice()),
            Intake::Assign { exclude, .. } => (Some(MessageId::from(id)), exclude.as_slice()),
        };
        let assignment = Assignment { process: lane.process, place, height, timestamp, message, exclude };
        let (bytes, assignment) = self.sign(&assignment)?;
        let link = place.map(|(nonce, chain)| ChainLink { nonce, assignment, chain, timestamp });
        let body = body_of(intake, bytes, content).ok_or(ScheduleError::Lost)?;
        let append = Append { process: lane.process, body, link, imported: false };
        let receipt = self.enqueue(append)?;
        note_spawn(lane, intake, timestamp);
        lane.enqueued(id, content, link);
        let id = if matches!(intake, Intake::Assign { .. }) { assignment.id() } else { id };
        let scheduled = Scheduled { process: lane.process, id, timestamp };
        Ok(Outcome::Enqueued { receipt, scheduled, content })
    }

    fn sign(&self, assignment: &Assignment<'_>) -> Result<(Vec<u8>, AssignmentId), SignError> {
        let started = Instant::now();
        let mut anchor = [0; 32];
        rand::fill(&mut anchor).map_err(|_| SignError::Key(self.signer.signature_type()))?;
        let signed = assignment.sign(&anchor, self.signer.as_ref())?;
        self.measures.signed(started.elapsed());
        Ok(signed)
    }

    pub(crate) fn enqueue(&self, append: Append) -> Result<Receipt, ScheduleError> {
        self.log.enqueue_quietly(self.term, vec![append]).map_err(|error: AppendError| {
            self.halt(&error.to_string());
            error.into()
        })
    }

    /// Strictly later than the last assignment's, however the clock jumps.
    fn timestamp_after(&self, last: Option<ChainLink>) -> Result<Timestamp, ClockError> {
        let now = self.clock.reliable_now()?;
        Ok(last.map_or(now, |link| now.max(link.timestamp.next())))
    }

    /// The next nonce and hash chain; none for a process that is spawned without an assignment.
    fn place(&self, lane: &Lane, last: Option<ChainLink>, intake: &Intake) -> Option<(Nonce, HashChain)> {
        if matches!(intake, Intake::Spawn { .. }) && !self.process_assignment {
            return None;
        }
        Some(match last {
            Some(link) => (link.nonce.next(), link.chain.after(link.assignment)),
            None => (Nonce::ZERO, HashChain::seed(lane.process)),
        })
    }
}

/// The next order whose client still waits, and not too long, and the state of the process.
fn next_wanted(lane: &Lane, now: Instant) -> Option<(Order, ProcessState)> {
    loop {
        let (Order { process, intake, answer }, state) = lane.pop()?;
        if let Some(answer) = answer.still_wanted(now) {
            return Some((Order { process, intake, answer }, state));
        }
    }
}

/// What an order is known by within its process.
fn message_id(lane: &Lane, intake: &Intake) -> Id {
    match intake {
        Intake::Spawn { .. } => lane.process.id(),
        Intake::Message { id, .. } => *id,
        Intake::Assign { transaction, .. } => *transaction,
        Intake::Move(_) => move_id(lane.process),
    }
}

/// What a process that was just spawned says cannot be read from the log yet.
fn note_spawn(lane: &Lane, intake: &Intake, timestamp: Timestamp) {
    if let Intake::Spawn { item } = intake
        && let Ok(process) = Item::split(item)
    {
        lane.set_classes(Classes::of(&process));
        lane.set_spawned_at(timestamp);
    }
}

/// What is stored of it; nothing of a move, which is not bound to a nonce.
fn body_of(intake: &Intake, assignment: Vec<u8>, deep_hash: Option<DeepHash>) -> Option<Body> {
    match intake {
        Intake::Spawn { item } => Some(Body::Spawned { item: item.to_vec(), assignment: Some(assignment) }),
        Intake::Message { item, .. } => Some(Body::Scheduled { item: item.to_vec(), assignment, deep_hash }),
        Intake::Assign { .. } => Some(Body::Assigned { assignment, deep_hash }),
        Intake::Move(_) => None,
    }
}
