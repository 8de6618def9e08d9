//! The thread of a job: it does the work, and another one notes now and then how far that is.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crate::projection::ProjectionError;
use crate::replay::{Progress, Replay, ReplayScope};

/// What is done again at most, when a part is resumed after a kill.
const NOTE_EVERY: Duration = Duration::from_secs(2);

/// Replays on this thread, and returns when that has ended, however it has.
pub(super) fn run(
    replay: &dyn Replay,
    scope: &ReplayScope,
    progress: &Progress,
    note: impl Fn() + Send,
) -> Result<(), ProjectionError> {
    let (end, ended) = mpsc::channel::<()>();
    let result = thread::scope(|threads| {
        threads.spawn(move || {
            while ended.recv_timeout(NOTE_EVERY) == Err(RecvTimeoutError::Timeout) {
                note();
            }
        });
        // A replay that panics is a failed job, and nothing worse.
        let result = catch_unwind(AssertUnwindSafe(|| replay.replay(scope, progress)));
        drop(end);
        result
    });
    result.unwrap_or_else(|_| Err(ProjectionError::store(replay.name(), "it panicked")))
}
