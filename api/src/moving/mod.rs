//! Processes that move from one store to another: what routers are told of it, and the calls by which nodes and operators
//! do it.
//!
//! The node that a process comes to does the work: it copies from the other one's admin listener, has that end the process
//! there, and goes on with it.

mod calls;
mod forms;
mod mover;
mod open;
mod tickets;
mod told;

pub(crate) use calls::MovesApi;
pub use forms::{MoveJobForm, MoveOrderForm, MovedProcessForm};
pub use mover::{LeftProcess, MoveCalls, Standstill};
pub(crate) use open::{LeftProcessForm, OpenMoveForm, OpenMovesForm};
pub(crate) use tickets::EndTickets;
pub(crate) use told::ToldMovesApi;

use protocol::ProcessId;
use scheduler::ScheduleError;

use crate::error::CallError;
use crate::node::ApiNode;

/// Refuses what is asked of a process that has moved from here, by leading there, or is on its way here.
pub(crate) fn check_here(node: &ApiNode, process: ProcessId) -> Result<(), CallError> {
    match node.parts.log.last_move(process) {
        Some(step) if step.url().is_some() => Err(ScheduleError::Moved(step).into()),
        Some(step) if step.is_arriving() => Err(ScheduleError::Arriving(process).into()),
        _ => Ok(()),
    }
}
