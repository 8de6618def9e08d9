//! The fingerprint of an event, by which a projection finds that the log has another history than it has.

use std::ops::ControlFlow;

use ans104::Id;
use log::{EventRef, Log, ReadError, Seq};

/// What tells an event from any other that could stand at its position; a fact has nothing of the kind.
pub(crate) fn fingerprint(event: &EventRef<'_>) -> Option<Id> {
    event.assignment().or(event.item()).map(|item| item.id())
}

/// The fingerprint of the event at a position; none when the log does not reach so far.
pub(crate) fn fingerprint_at(log: &dyn Log, position: Seq) -> Result<Option<Option<Id>>, ReadError> {
    let mut found = None;
    log.scan(position, &mut |event| {
        found = (event.seq == position).then(|| fingerprint(&event));
        ControlFlow::Break(())
    })?;
    Ok(found)
}

/// The fingerprint as cursors keep it.
pub(crate) fn fingerprint_text(fingerprint: Option<Id>) -> String {
    fingerprint.map_or_else(String::new, |id| id.to_string())
}
