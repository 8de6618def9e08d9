//! Tells of a disk that takes nothing more. The log waits for one that is full, and goes on by itself once there is room.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use log::{LocalLog, Log, Rocks};

use crate::stderr::say;

/// From when on it is told.
const SILENT: Duration = Duration::from_secs(10);
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
        let is_silent = log.unsynced_for().is_some_and(|waiting| waiting >= SILENT);
        if is_silent && !is_told {
            say(format_args!(
                "the disk of {} has taken nothing for {} seconds: is it full? The import goes on by itself once there is room; \
                 if it is stopped, the same command goes on later",
                folder.display(),
                SILENT.as_secs()
            ));
        }
        is_told = is_silent;
    }
}
