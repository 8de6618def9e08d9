//! What every projection reads of an event beside its contents.

use ans104::Id;
use log::{EventRef, Timestamp};

/// What tells an event from any other that could stand at its position; a fact has nothing of the kind.
pub(crate) fn fingerprint(event: &EventRef<'_>) -> Option<Id> {
    event.assignment().or(event.item()).map(|item| item.id())
}

/// The fingerprint as cursors keep it.
pub(crate) fn fingerprint_text(fingerprint: Option<Id>) -> String {
    fingerprint.map_or_else(String::new, |id| id.to_string())
}

/// When an event was scheduled, as its assignment says.
pub(crate) fn time_of(event: &EventRef<'_>) -> Option<Timestamp> {
    let text = event.assignment()?.tag("Timestamp")?;
    text.parse().ok().map(Timestamp::new)
}
