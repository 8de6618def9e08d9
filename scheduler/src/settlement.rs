//! How deep in the chain a base-layer transaction has to be before it is assigned: as deep as the process asks for.

use ans104::Id;
use gateway::Gateway;
use log::Log;
use protocol::ProcessId;

use crate::error::ScheduleError;
use crate::process::{first_event, process_item};

/// How many confirmations a process wants to see that does not say (protocol: `Settlement-Depth`).
const SETTLEMENT_DEPTH: u64 = 20;

/// Refuses a base-layer transaction that is not as deep in the chain as the process wants.
pub(crate) async fn check_depth(gateway: &dyn Gateway, id: Id, needed: u64) -> Result<(), ScheduleError> {
    let found = gateway.confirmations(id).await?.ok_or(ScheduleError::NoTransaction(id))?;
    let confirmations = found.number_of_confirmations;
    match found.block_height {
        Some(_) if confirmations >= needed => Ok(()),
        _ => Err(ScheduleError::NotConfirmed { id, confirmations, needed }),
    }
}

/// How many confirmations a process wants to see of what is assigned to it.
pub(crate) fn settlement_depth(log: &dyn Log, process: ProcessId) -> Result<u64, ScheduleError> {
    let mut depth = Ok(None);
    first_event(log, process, &mut |event| {
        if let Some(item) = process_item(&event, process) {
            depth = protocol::settlement_depth(&item);
        }
    })?;
    // Admission asks too, so that only a process of an older or another scheduler can say what is no number.
    Ok(depth?.unwrap_or(SETTLEMENT_DEPTH))
}
