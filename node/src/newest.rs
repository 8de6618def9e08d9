//! What the end of a log tells of chain and clock: they were at least there.

use std::collections::HashSet;
use std::ops::ControlFlow;

use log::{Log, ReadError};
use protocol::{AssignmentTags, Nonce, ProcessId, Timestamp};

/// How many processes are passed by that go on from an imported time: more of them say nothing of a clock either.
const PASSED_MAX: usize = 64;

/// What the newest assignment tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Newest {
    pub(crate) height: u64,
    pub(crate) timestamp: Timestamp,
}

/// What the newest assignment of a log tells.
///
/// # Errors
/// When the log cannot be read.
pub(crate) fn newest(log: &dyn Log) -> Result<Option<Newest>, ReadError> {
    // Not each event is an assignment, nor does each imported one tell both.
    log::newest(log, |event| {
        let assignment = event.assignment()?;
        let tags = AssignmentTags::of(&assignment);
        let (height, timestamp) = tags.height().zip(tags.timestamp())?;
        Some(Newest { height, timestamp })
    })
}

/// The newest time that a clock has told a scheduler with this log, which no clock may be far behind. What was imported
/// has whatever time somebody else's clock told once, years ahead in places, and so has what goes on from that: it says
/// nothing. None where the log ends with such.
///
/// # Errors
/// When the log cannot be read.
pub(crate) fn newest_time(log: &dyn Log) -> Result<Option<Timestamp>, ReadError> {
    let mut passed = HashSet::new();
    while passed.len() < PASSED_MAX {
        let found = log::newest(log, |event| {
            let time = event.timestamp()?;
            // Before it whatever is own may be far away.
            if event.imported {
                return Some(None);
            }
            let nonce = event.nonce.filter(|_| !passed.contains(&event.process))?;
            Some(Some((event.process, nonce, time)))
        })?;
        let Some((process, nonce, time)) = found.flatten() else { return Ok(None) };
        if !goes_on_from_import(log, process, nonce, time)? {
            return Ok(Some(time));
        }
        passed.insert(process);
    }
    Ok(None)
}

/// Whether each assignment from the last imported one of a process up to this one is a millisecond later than the one
/// before, which is how a scheduler goes on where its clock has not come to yet.
fn goes_on_from_import(
    log: &dyn Log,
    process: ProcessId,
    nonce: Nonce,
    time: Timestamp,
) -> Result<bool, ReadError> {
    // What is imported comes first. It may lack nonces.
    let Some(mut last) = first_from(log, process, Nonce::ZERO)?.filter(|first| first.imported) else {
        return Ok(false);
    };
    let (mut low, mut high) = (last.nonce.get(), nonce.get());
    while high.saturating_sub(low) > 1 {
        let middle = low.midpoint(high);
        match first_from(log, process, Nonce::new(middle))?.filter(|found| found.imported) {
            Some(found) => {
                low = found.nonce.get();
                last = found;
            }
            None => high = middle,
        }
    }
    let steps = nonce.get().saturating_sub(last.nonce.get());
    Ok(last.time.is_some_and(|last| last.get().checked_add(steps) == Some(time.get())))
}

/// An event of a process.
struct Found {
    nonce: Nonce,
    imported: bool,
    time: Option<Timestamp>,
}

/// The first event of a process from a nonce on.
fn first_from(log: &dyn Log, process: ProcessId, nonce: Nonce) -> Result<Option<Found>, ReadError> {
    let mut found = None;
    log.range(process, false, nonce..=Nonce::MAX, &mut |event| {
        let (imported, time) = (event.imported, event.timestamp());
        found = event.nonce.map(|nonce| Found { nonce, imported, time });
        ControlFlow::Break(())
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use log::{Append, LocalLog, Memory, MemoryDisk};
    use testing::SampleProcess;

    use super::*;

    const NOW: u64 = 1_800_000_000_000;
    const AHEAD: u64 = 4_000_000_000_000;

    fn log() -> LocalLog<Memory> {
        LocalLog::open(Memory::open(&MemoryDisk::new()), None).unwrap()
    }

    fn append(log: &LocalLog<Memory>, batch: Vec<Append>) {
        log.enqueue(log.identity().term, batch).unwrap().wait().unwrap();
    }

    /// The next message of a process, at this place.
    fn at(process: &mut SampleProcess, nonce: u64, time: u64) -> Vec<Append> {
        process.place_at(Nonce::new(nonce), Timestamp::new(time));
        vec![process.message()]
    }

    fn told(log: &LocalLog<Memory>) -> Option<u64> {
        newest_time(log).unwrap().map(Timestamp::get)
    }

    #[test]
    fn what_was_imported_and_what_goes_on_from_it_tells_no_time() {
        let log = log();
        assert_eq!(told(&log), None);
        let [mut ahead, mut here] = [1, 2].map(SampleProcess::new);
        ahead.imported = true;
        append(&log, vec![ahead.spawn()]);
        for (nonce, time) in [(1, NOW - 9), (2, NOW - 8), (7, AHEAD)] {
            append(&log, at(&mut ahead, nonce, time));
        }
        assert_eq!(told(&log), None);
        append(&log, vec![here.spawn()]);
        append(&log, at(&mut here, 1, NOW));
        assert_eq!(told(&log), Some(NOW));
        ahead.imported = false;
        for steps in 1..40 {
            append(&log, at(&mut ahead, 7 + steps, AHEAD + steps));
            assert_eq!(told(&log), Some(NOW), "{steps}");
        }
        // That was no step any more: a clock has told it.
        append(&log, at(&mut ahead, 47, AHEAD + 41));
        assert_eq!(told(&log), Some(AHEAD + 41));
    }

    #[test]
    fn it_is_looked_no_further_than_to_what_was_imported_last() {
        let log = log();
        let [mut here, mut imported] = [1, 2].map(SampleProcess::new);
        append(&log, vec![here.spawn()]);
        imported.imported = true;
        append(&log, vec![imported.spawn()]);
        imported.imported = false;
        let time = imported.last.unwrap().timestamp.get();
        append(&log, at(&mut imported, 1, time + 1));
        assert_eq!(told(&log), None);
    }
}
