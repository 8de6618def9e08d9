//! Who took over from a leader that was gone, without anybody to confirm that it has all of its log, may give a nonce
//! again that the leader gave. What the leader had uploaded tells: before the first assignment of a process after such a
//! promotion gateways are asked for the one with its nonce, and a process for which there is one is refused.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ans104::Address;
use gateway::Gateway;
use log::{Fact, Log, ReadError, Seq};
use protocol::{Nonce, ProcessId};

use crate::error::ScheduleError;

/// How many processes are remembered for which there was none; beyond that they are asked for again.
const FREE_MAX: usize = 65_536;

/// The newest promotion that nobody confirmed, if there was one.
pub(crate) struct Succession {
    first: Option<Seq>,
    /// Processes for which gateways know nothing later, and which may have no assignment since.
    free: Mutex<HashSet<ProcessId>>,
}

impl Succession {
    /// That of a log.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn of(log: &dyn Log) -> Result<Self, ReadError> {
        let mut first = None;
        log.range(ProcessId::NODE, false, Nonce::ZERO..=Nonce::MAX, &mut |event| {
            if let Some(Fact::Promotion(promotion)) = Fact::of(&event)
                && promotion.forced_by.is_some()
            {
                first = Some(event.seq);
            }
            ControlFlow::Continue(())
        })?;
        Ok(Self { first, free: Mutex::default() })
    }

    /// Whether no promotion is to be doubted.
    pub(crate) fn is_none(&self) -> bool {
        self.first.is_none()
    }

    /// The nonce that comes next in a process, if it is to be asked for.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(crate) fn doubtful(&self, log: &dyn Log, process: ProcessId) -> Result<Option<Nonce>, ReadError> {
        let Some(first) = self.first else { return Ok(None) };
        let head = log.head(process)?;
        if head.is_some_and(|head| head.seq > first) {
            self.free().remove(&process);
            return Ok(None);
        }
        let next = head.map_or(Nonce::ZERO, |head| head.next_nonce());
        Ok((!self.free().contains(&process)).then_some(next))
    }

    /// Asks for an assignment with this nonce, and remembers that there is none.
    ///
    /// # Errors
    /// When there is one, or no gateway tells.
    pub(crate) async fn check(
        &self,
        gateway: &dyn Gateway,
        process: ProcessId,
        nonce: Nonce,
        by: Address,
    ) -> Result<(), ScheduleError> {
        if gateway.is_assigned(process.id(), nonce.get(), by).await? {
            return Err(ScheduleError::AssignedBefore { process, nonce });
        }
        let mut free = self.free();
        if free.len() >= FREE_MAX {
            free.clear();
        }
        free.insert(process);
        Ok(())
    }

    fn free(&self) -> MutexGuard<'_, HashSet<ProcessId>> {
        // Nothing is done with it that could panic half-way.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
