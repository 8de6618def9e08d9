//! Reading what is to be sent: held in memory, or only listed and read again when its turn comes.

use std::collections::HashMap;
use std::ops::ControlFlow;

use ans104::Id;
use log::{Log, Seq};
use protocol::{ProcessId, Timestamp};

use super::piece::UploadJob;
use super::store::UploadStore;
use super::window::{PendingEvent, Room};
use crate::fingerprint::fingerprint;
use crate::projection::ProjectionError;

/// So many events of one process are held in memory; those beyond are only listed and read again when their turn
/// comes, so that a process that is stuck takes no room from others.
const HELD_OF_PROCESS: usize = 32;
/// One event as it was read.
pub(super) struct ReadEvent {
    pub(super) fingerprint: Option<Id>,
    pub(super) time: Option<Timestamp>,
    pub(super) pending: PendingEvent,
    pub(super) job: UploadJob,
}

/// Reads what is to be sent of the next events: at least one, then no more than there is room for. `held` tells how
/// many events of each process are held.
pub(super) fn read(
    log: &dyn Log,
    store: &UploadStore,
    from: Seq,
    room: Room,
    settled_until: Option<Seq>,
    mut held: HashMap<ProcessId, usize>,
) -> Result<Vec<ReadEvent>, ProjectionError> {
    let (mut found, mut count, mut bytes, mut failed) = (Vec::new(), 0, 0, None);
    log.scan(from, &mut |event| {
        let again = settled_until.is_some_and(|until| event.seq <= until);
        let of_process = held.entry(event.process).or_default();
        let (listed, mut open) = (*of_process >= HELD_OF_PROCESS, false);
        let job = UploadJob::of(&event, |part, id| {
            let settled = again
                && store.is_settled(event.seq, part, id).unwrap_or_else(|error| {
                    failed = Some(error);
                    false
                });
            open |= !settled;
            !settled && !listed
        });
        let pending = match (open, listed) {
            (false, _) => PendingEvent::Nothing,
            (true, true) => PendingEvent::Listed,
            (true, false) => PendingEvent::Held(job.bytes()),
        };
        if let PendingEvent::Held(more) = pending {
            *of_process += 1;
            count += 1;
            bytes += more;
        }
        found.push(ReadEvent { fingerprint: fingerprint(&event), time: event.timestamp(), pending, job });
        let full = found.len() >= room.events || count >= room.held || bytes >= room.bytes;
        if full || failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    failed.map_or(Ok(found), Err)
}

/// Reads what is left to be sent of an event that was only listed.
pub(super) fn load(log: &dyn Log, store: &UploadStore, seq: Seq) -> Result<UploadJob, ProjectionError> {
    let (mut found, mut failed) = (None, None);
    log.scan(seq, &mut |event| {
        if event.seq == seq {
            found = Some(UploadJob::of(&event, |part, id| {
                !store.is_settled(seq, part, id).unwrap_or_else(|error| {
                    failed = Some(error);
                    false
                })
            }));
        }
        ControlFlow::Break(())
    })?;
    let gone = || ProjectionError::Event { seq, reason: "the log does not have it any more".to_owned() };
    failed.map_or_else(|| found.ok_or_else(gone), Err)
}
