//! Processes that move to another store, or come from one.

use std::sync::Arc;

use ans104::Id;
use log::{ChainLink, Fact, MoveEnd, MoveStep, ProcessMove, StoreId};
use protocol::{AssignmentId, ProcessId, Timestamp};

use crate::error::ScheduleError;
use crate::in_flight::Outcome;
use crate::lane::{Lane, ProcessState};
use crate::order::{Intake, MoveOrder, Order, Scheduled};
use crate::scheduler::{Scheduler, Shared};
use crate::sequencer::Sequencer;

impl Scheduler {
    /// Ends a process here, in this order with what is scheduled to it: from then on it is in another store, whose node is at
    /// this URL. It is on disk when this is answered; one that has moved there before has the same answer.
    ///
    /// # Errors
    /// When it is not here, has moved elsewhere, or nothing can be written.
    pub async fn move_out(
        &self,
        process: ProcessId,
        to: StoreId,
        url: String,
    ) -> Result<Arc<ProcessMove>, ScheduleError> {
        let (answer, done) = self.open()?;
        let shared = self.shared();
        shared.submit(Order { process, intake: Intake::Move(MoveOrder::Out { to, url }), answer });
        match self.wait(done).await {
            Ok(_) => {}
            Err(ScheduleError::Moved(step)) if step.other == to && matches!(step.step, MoveStep::Out(..)) => {
            }
            Err(error) => return Err(error),
        }
        shared.sequencer.log.last_move(process).ok_or(ScheduleError::Lost)
    }

    /// Goes on with a process that has moved to this store, which is lost and never had it, on this person's word. It is on
    /// disk when this is answered; one that was taken back from there before has the same answer.
    ///
    /// # Errors
    /// When it has not moved there, or nothing can be written.
    pub async fn move_back(
        &self,
        process: ProcessId,
        lost: StoreId,
        by: String,
    ) -> Result<Arc<ProcessMove>, ScheduleError> {
        let (answer, done) = self.open()?;
        let shared = self.shared();
        let last = || shared.sequencer.log.last_move(process);
        if let Some(step) =
            last().filter(|step| step.other == lost && matches!(step.step, MoveStep::Back(..)))
        {
            return Ok(step);
        }
        // What is given to the log has to hold there.
        if !last().is_some_and(|step| step.other == lost && matches!(step.step, MoveStep::Out(..))) {
            return Err(ScheduleError::NotMoved(process));
        }
        shared.submit(Order { process, intake: Intake::Move(MoveOrder::Back { lost, by }), answer });
        self.wait(done).await?;
        last().ok_or(ScheduleError::Lost)
    }
}

impl Shared {
    /// Refuses what is for a process that has moved, or comes here and is not all here yet.
    pub(crate) fn check_here(&self, process: ProcessId) -> Result<(), ScheduleError> {
        match self.sequencer.log.last_move(process) {
            Some(step) if step.url().is_some() => Err(ScheduleError::Moved(step)),
            Some(step) if step.is_arriving() => Err(ScheduleError::Arriving(process)),
            _ => Ok(()),
        }
    }
}

impl Sequencer {
    /// Where the history of a process ends that has moved: the step is on disk, and so is all that came before it.
    pub(crate) fn end_of_moved(&self, process: ProcessId) -> Result<Option<ChainLink>, ScheduleError> {
        let step = self.log.last_move(process);
        if !step.is_some_and(|step| matches!(step.step, MoveStep::Out(..))) {
            return Err(ScheduleError::NotMoved(process));
        }
        Ok(self.log.head(process)?.and_then(|head| head.last))
    }

    /// Ends the process here, so that whatever comes behind this in its lane is led to where it goes; or goes on with it.
    pub(crate) fn move_on(
        &self,
        lane: &Lane,
        last: Option<ChainLink>,
        order: &MoveOrder,
    ) -> Result<Outcome, ScheduleError> {
        let (process, end) = (lane.process, MoveEnd::of(lane.process, last));
        let version = self.log.last_move(process).map_or(0, |step| step.version).saturating_add(1);
        let (other, step) = match order {
            MoveOrder::Out { to, url } => (*to, MoveStep::Out(end, url.clone())),
            MoveOrder::Back { lost, by } => (*lost, MoveStep::Back(end, by.clone())),
        };
        let step = ProcessMove { process, version, other, step };
        let receipt = self.enqueue(Fact::Move(step.clone()).append())?;
        let id = move_id(process);
        let state = match order {
            MoveOrder::Out { .. } => ProcessState::Moved(Arc::new(step)),
            MoveOrder::Back { .. } => ProcessState::Present(last),
        };
        lane.moved(id, state);
        let scheduled = Scheduled { process, id, timestamp: Timestamp::ZERO };
        Ok(Outcome::Enqueued { receipt, scheduled, content: None })
    }
}

/// What the move of a process is known by while it is in flight: nothing else has this id.
pub(crate) fn move_id(process: ProcessId) -> Id {
    AssignmentId::of_fact(format!("move of {process}").as_bytes()).id()
}
