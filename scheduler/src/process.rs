//! What the log says of how a process came to be.

use std::ops::ControlFlow;

use ans104::Item;
use log::{EventRef, Log, ReadError};
use protocol::{Nonce, ProcessId};

/// Visits the event that spawned a process, whose nonce need not be 0 if it was imported; tells whether it is there.
pub(crate) fn first_event(
    log: &dyn Log,
    process: ProcessId,
    visit: &mut dyn FnMut(EventRef<'_>),
) -> Result<bool, ReadError> {
    let mut found = false;
    log.range(process, true, Nonce::ZERO..=Nonce::MAX, &mut |event| {
        found = true;
        visit(event);
        ControlFlow::Break(())
    })?;
    Ok(found)
}

/// The item of the process, if its first event has it.
pub(crate) fn process_item<'a>(first: &EventRef<'a>, process: ProcessId) -> Option<Item<'a>> {
    first.item().filter(|item| item.id() == process.id())
}
