//! Reading what is to be sent: held in memory, or only listed and read again when its turn comes.

use std::collections::HashMap;
use std::ops::ControlFlow;

use ans104::Id;
use log::{EventRef, Log, Seq};
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

/// What reading goes by.
pub(super) struct ReadFrom {
    /// The first event.
    pub(super) from: Seq,
    pub(super) room: Room,
    /// Up to there parts may have been settled by an earlier run.
    pub(super) settled_until: Option<Seq>,
    /// How many events of each process are held.
    pub(super) held: HashMap<ProcessId, usize>,
}

/// Reads what is to be sent of the next events: at least one, then no more than there is room for.
pub(super) fn read(
    log: &dyn Log,
    store: &UploadStore,
    what: ReadFrom,
) -> Result<Vec<ReadEvent>, ProjectionError> {
    let ReadFrom { from, room, settled_until, held } = what;
    let mut reading =
        Reading { store, settled_until, held, stuck: HashMap::new(), found: Vec::new(), count: 0, bytes: 0 };
    let mut failed = None;
    log.scan(from, &mut |event| match reading.take(&event) {
        Ok(()) if reading.is_full(room) => ControlFlow::Break(()),
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            failed = Some(error);
            ControlFlow::Break(())
        }
    })?;
    failed.map_or(Ok(reading.found), Err)
}

struct Reading<'a> {
    store: &'a UploadStore,
    settled_until: Option<Seq>,
    held: HashMap<ProcessId, usize>,
    /// Whether something of a process is stuck.
    stuck: HashMap<ProcessId, bool>,
    found: Vec<ReadEvent>,
    /// What of it is held.
    count: usize,
    bytes: usize,
}

impl Reading<'_> {
    fn take(&mut self, event: &EventRef<'_>) -> Result<(), ProjectionError> {
        let stuck = self.is_stuck(event.process)?;
        let held = self.held.entry(event.process).or_default();
        let listed = stuck || *held >= HELD_OF_PROCESS;
        let again = self.settled_until.is_some_and(|until| event.seq <= until);
        let (job, open) = left(again.then_some(self.store), event, !listed && !event.imported)?;
        let pending = match open {
            // Whoever scheduled it has uploaded it; a replay sends it all the same.
            _ if event.imported => PendingEvent::Nothing,
            false => PendingEvent::Nothing,
            // What is behind a stuck event stays behind it.
            true if stuck => PendingEvent::Aside,
            true if listed => PendingEvent::Listed,
            true => PendingEvent::Held(job.bytes()),
        };
        if let PendingEvent::Held(bytes) = pending {
            *held += 1;
            self.count += 1;
            self.bytes += bytes;
        }
        self.found.push(ReadEvent { fingerprint: fingerprint(event), time: event.timestamp(), pending, job });
        Ok(())
    }

    fn is_stuck(&mut self, process: ProcessId) -> Result<bool, ProjectionError> {
        if self.store.stuck_count() == 0 {
            return Ok(false);
        }
        if let Some(known) = self.stuck.get(&process) {
            return Ok(*known);
        }
        let stuck = self.store.first_stuck_of(process, Seq::ZERO)?.is_some();
        self.stuck.insert(process, stuck);
        Ok(stuck)
    }

    fn is_full(&self, room: Room) -> bool {
        self.found.len() >= room.events || self.count >= room.held || self.bytes >= room.bytes
    }
}

/// Reads what is left to be sent of an event that was only listed.
pub(super) fn load(log: &dyn Log, store: &UploadStore, seq: Seq) -> Result<UploadJob, ProjectionError> {
    let mut found = None;
    log.scan(seq, &mut |event| {
        found = (event.seq == seq).then(|| left(Some(store), &event, true));
        ControlFlow::Break(())
    })?;
    let gone = || ProjectionError::Event { seq, reason: "the log does not have it any more".to_owned() };
    found.ok_or_else(gone)?.map(|(job, _)| job)
}

/// What is left to be sent of an event, and whether that is anything: all of it, unless the store may know that some is
/// settled. Only what is to be held is copied.
fn left(
    store: Option<&UploadStore>,
    event: &EventRef<'_>,
    hold: bool,
) -> Result<(UploadJob, bool), ProjectionError> {
    let (mut open, mut failed) = (false, None);
    let job = UploadJob::of(event, |part, id| {
        let settled = store.map_or(Ok(false), |store| store.is_settled(event.seq, part, id));
        let settled = settled.unwrap_or_else(|error| {
            failed = Some(error);
            false
        });
        open |= !settled;
        !settled && hold
    });
    failed.map_or(Ok((job, open)), Err)
}
