//! What the index knows of an order: everything that is not in flight any more.

use std::iter;
use std::ops::ControlFlow;

use ans104::Id;
use log::{DeepHash, Log};
use projections::{Index, IndexPlace};
use protocol::ProcessId;

use crate::classes::{Classes, Pushed};
use crate::error::{FirstOfContent, ScheduleError};

/// The content of a message, and what its process knows it by.
#[derive(Clone, Debug)]
pub(crate) struct KnownContent {
    pub(crate) pushed: Pushed,
    pub(crate) classes: Classes,
    pub(crate) key: DeepHash,
}

/// Refuses what the index has already.
pub(crate) fn refuse_known(
    log: &dyn Log,
    index: &Index,
    process: ProcessId,
    id: Id,
    content: Option<&KnownContent>,
) -> Result<(), ScheduleError> {
    if let Some(content) = content
        && let Some(first) = first_of_content(log, index, process, content)?
    {
        let first = FirstOfContent::Nonce(first.nonce);
        return Err(ScheduleError::DuplicateContent { process, id, first });
    }
    match index.find(process, id)? {
        Some(_) => Err(ScheduleError::Duplicate { process, id }),
        None => Ok(()),
    }
}

/// Where the process has a message of this content.
fn first_of_content(
    log: &dyn Log,
    index: &Index,
    process: ProcessId,
    content: &KnownContent,
) -> Result<Option<IndexPlace>, ScheduleError> {
    let KnownContent { pushed, classes, key } = content;
    let as_written = pushed.as_written().map(|written| (classes.key(&written), written));
    for (key, pushed) in iter::once((*key, *pushed)).chain(as_written) {
        let found = match index.find_content(process, &key)? {
            None if key != pushed.hash => find_unclassed(log, index, process, classes, &pushed)?,
            found => found,
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Where the process has the content in the same class from before classes were told apart: it is known by the hash
/// alone then.
fn find_unclassed(
    log: &dyn Log,
    index: &Index,
    process: ProcessId,
    classes: &Classes,
    pushed: &Pushed,
) -> Result<Option<IndexPlace>, ScheduleError> {
    let Some(place) = index.find_content(process, &pushed.hash)? else { return Ok(None) };
    let Some(nonce) = place.nonce else { return Ok(None) };
    let mut same = false;
    log.range(process, false, nonce..=nonce, &mut |event| {
        // Who signed what was assigned is not in the log: it counts for everybody, as it did when it was scheduled.
        same = event.item().is_none_or(|item| classes.are_one(item.address(), pushed.signer));
        ControlFlow::Break(())
    })?;
    Ok(same.then_some(place))
}
