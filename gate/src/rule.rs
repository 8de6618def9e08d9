//! The one rule by which every engine takes a record or does not.

use crate::contract::GateError;
use crate::place::{GateContents, GatePlace};
use crate::record::{GateRecord, RecordBody};

/// What comes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PutVerdict {
    /// It comes next.
    Next,
    /// Its number is taken: by itself, or by another one.
    Earlier,
    /// It may not be taken.
    Refused,
}

/// What comes of a record where a gate holds this.
///
/// # Errors
/// When the gate is not the one that the record is for, or is not as it was left.
pub(crate) fn judge(contents: Option<&GateContents>, record: &GateRecord) -> Result<PutVerdict, GateError> {
    let end = contents.map_or(GatePlace::START, |contents| contents.end);
    if let Some(there) = contents.map(|contents| contents.store).filter(|store| *store != record.store) {
        return Err(GateError::OtherStore { there, here: record.store });
    }
    if record.number() > end.records {
        return Err(GateError::Forgot { there: end.records, known: record.number() });
    }
    if record.number() < end.records {
        return Ok(PutVerdict::Earlier);
    }
    if record.before != end {
        return Err(GateError::Differs { events: record.before.events });
    }
    let is_next = match (&record.body, contents) {
        (RecordBody::Claim, contents) => contents.is_none_or(|there| record.claim.term > there.claim.term),
        (RecordBody::Batch(_), contents) => contents.is_some_and(|there| record.claim == there.claim),
    };
    Ok(if is_next { PutVerdict::Next } else { PutVerdict::Refused })
}
