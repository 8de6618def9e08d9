//! Tells of a disk that takes nothing more. The log waits for one that is full, and mostly goes on by itself once there is
//! room; as the store may go on waiting all the same, an import waits for some time only.

use std::path::Path;
use std::process;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use log::{LocalLog, Log, Rocks};

use crate::stderr::say;

/// From when on it is told.
const SILENT: Duration = Duration::from_secs(10);
/// And when it is no longer waited for.
const GIVEN_UP: Duration = Duration::from_secs(40);
/// That of an import that failed.
const FAILED: i32 = 1;
/// How often it is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Does this, and tells meanwhile when the disk with the log takes nothing more.
pub(super) fn watched<T>(log: &LocalLog<Rocks>, folder: &Path, work: impl FnOnce() -> T) -> T {
    thread::scope(|scope| {
        let (working, ended) = channel();
        scope.spawn(move || watch(log, folder, &ended));
        let made = work();
        drop::<Sender<()>>(working);
        made
    })
}

fn watch(log: &LocalLog<Rocks>, folder: &Path, ended: &Receiver<()>) {
    let mut is_told = false;
    while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
        let waiting = log.unsynced_for().unwrap_or_default();
        if waiting >= GIVEN_UP {
            say(format_args!(
                "quipu: the disk of {} has taken nothing for {} seconds: make room there; what was imported stays, and the same \
                 command goes on from there",
                folder.display(),
                GIVEN_UP.as_secs()
            ));
            // The threads of the store that wait would keep it from ending in any other way.
            process::exit(FAILED);
        }
        let is_silent = waiting >= SILENT;
        if is_silent && !is_told {
            say(format_args!(
                "the disk of {} has taken nothing for {} seconds: is it full? The import goes on by itself once there is room, \
                 and ends when that takes {} seconds",
                folder.display(),
                SILENT.as_secs(),
                GIVEN_UP.as_secs()
            ));
        }
        is_told = is_silent;
    }
}
