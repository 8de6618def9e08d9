//! Processes that move to another store, or come from one.

use std::sync::Arc;

use log::{MoveStep, ProcessMove, StoreId};
use protocol::ProcessId;

use crate::error::ScheduleError;
use crate::order::{Intake, Order};
use crate::scheduler::{Scheduler, Shared};

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
        shared.submit(Order { process, intake: Intake::MoveOut { to, url }, answer });
        match self.wait(done).await {
            Ok(_) => {}
            Err(ScheduleError::Moved(step)) if step.other == to => {}
            Err(error) => return Err(error),
        }
        shared.sequencer.log.last_move(process).ok_or(ScheduleError::Lost)
    }
}

impl Shared {
    /// Refuses what is for a process that has moved, or comes here and is not all here yet.
    pub(crate) fn check_here(&self, process: ProcessId) -> Result<(), ScheduleError> {
        match self.sequencer.log.last_move(process) {
            Some(step) if matches!(step.step, MoveStep::Out(..)) => Err(ScheduleError::Moved(step)),
            Some(step) if step.step == MoveStep::Arriving => Err(ScheduleError::Arriving(process)),
            _ => Ok(()),
        }
    }
}
