//! What was uploaded, compared with the log: another history is followed from where both part.

use log::{Log, Seq};
use tracing::warn;

use super::NAME;
use super::cursor::UploadCursor;
use super::store::UploadStore;
use crate::fingerprint::fingerprint_at;
use crate::projection::ProjectionError;

/// Brings the store in line with the log and tells where uploading goes on.
///
/// # Errors
/// [`ProjectionError::NeedsRebuild`] when more than so many events would have to be sent again.
pub(super) fn reconcile(
    store: &UploadStore,
    log: &dyn Log,
    rewind_events_max: u64,
) -> Result<Option<Seq>, ProjectionError> {
    let Some(cursor) = store.cursor()? else { return Ok(None) };
    let identity = log.identity().store;
    let same = fingerprint_at(log, cursor.position)? == Some(cursor.fingerprint);
    if same {
        if !cursor.is_of(identity) {
            // The same history in another store, as after a restore.
            store.set_cursor(&UploadCursor::new(identity, cursor.position, cursor.fingerprint))?;
        }
        return Ok(Some(cursor.position));
    }
    let target = last_in_common(store, log)?;
    let count = |seq: Option<Seq>| seq.map_or(0, |seq| seq.next().get());
    let events = count(Some(cursor.position)).saturating_sub(count(target.as_ref().map(|at| at.position)));
    if events > rewind_events_max {
        let reason = format!(
            "the log has another history since {events} uploaded events, and at most {rewind_events_max} are \
             sent again without being asked"
        );
        return Err(ProjectionError::NeedsRebuild { projection: NAME, reason });
    }
    warn!(
        events,
        "the log has another history than the one that was uploaded; going back to where both part"
    );
    store.rewind(target.as_ref())?;
    Ok(target.map(|cursor| cursor.position))
}

/// The last checkpoint that the log has exactly. What is in common is a beginning, so it is found by halving.
fn last_in_common(store: &UploadStore, log: &dyn Log) -> Result<Option<UploadCursor>, ProjectionError> {
    let checkpoints = store.checkpoints()?;
    let (mut common, mut foreign) = (0, checkpoints.len());
    while common < foreign {
        let middle = common + (foreign - common) / 2;
        let Some((seq, id)) = checkpoints.get(middle) else { break };
        if fingerprint_at(log, *seq)? == Some(*id) {
            common = middle + 1;
        } else {
            foreign = middle;
        }
    }
    let last = common.checked_sub(1).and_then(|last| checkpoints.get(last));
    Ok(last.map(|(seq, id)| UploadCursor::new(log.identity().store, *seq, *id)))
}
