//! What the index knows of an order: everything that is not in flight any more.

use std::ops::ControlFlow;

use ans104::Id;
use log::{DeepHash, Log};
use projections::{Index, IndexPlace};
use protocol::ProcessId;

use crate::classes::{Classes, Pushed};
use crate::error::ScheduleError;

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
        && (index.find_content(process, &content.key)?.is_some()
            || has_unclassed(log, index, process, content)?)
    {
        return Err(ScheduleError::DuplicateContent { process, id });
    }
    match index.find(process, id)? {
        Some(_) => Err(ScheduleError::Duplicate { process, id }),
        None => Ok(()),
    }
}

/// Whether the process has the content in the same class from before classes were told apart: it is known by the hash
/// alone then.
fn has_unclassed(
    log: &dyn Log,
    index: &Index,
    process: ProcessId,
    content: &KnownContent,
) -> Result<bool, ScheduleError> {
    let KnownContent { pushed, classes, key } = content;
    if *key == pushed.hash {
        return Ok(false);
    }
    let Some(IndexPlace { nonce: Some(nonce), .. }) = index.find_content(process, &pushed.hash)? else {
        return Ok(false);
    };
    let mut same = false;
    log.range(process, false, nonce..=nonce, &mut |event| {
        // Who signed what was assigned is not in the log: it counts for everybody, as it did when it was scheduled.
        same = event.item().is_none_or(|item| classes.are_one(item.address(), pushed.signer));
        ControlFlow::Break(())
    })?;
    Ok(same)
}
