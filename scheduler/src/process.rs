//! What the log says of how a process came to be.

use std::ops::{ControlFlow, RangeInclusive};

use log::{EventRef, Log, ReadError};
use protocol::{Nonce, ProcessId};

/// Visits the event that spawned a process; tells whether it is there.
pub(crate) fn first_event(
    log: &dyn Log,
    process: ProcessId,
    visit: &mut dyn FnMut(EventRef<'_>),
) -> Result<bool, ReadError> {
    const FIRST: RangeInclusive<Nonce> = Nonce::ZERO..=Nonce::ZERO;
    let mut found = false;
    log.range(process, true, FIRST, &mut |event| {
        found = true;
        visit(event);
        ControlFlow::Break(())
    })?;
    Ok(found)
}
