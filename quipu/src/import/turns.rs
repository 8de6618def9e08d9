//! Imports into one folder take turns: a log has one writer, and one import uses all processors as it is. Of those that wait
//! the one with the lowest rows comes first, since a process goes into the log in its order.
//!
//! Whoever has its turn, or waits for it, has a file locked that is named by its first row; who is at work has the folder
//! itself locked. The system gives these locks back however a program ends.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use node::IMPORT_TURN;

/// The turn of an import, over when this is dropped.
pub(super) struct ImportTurn {
    ticket: PathBuf,
    _locked: [File; 2],
}

/// Turns cannot be taken in a folder.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be locked, so that no other import into it begins", .path.display())]
pub struct TurnError {
    path: PathBuf,
    #[source]
    error: io::Error,
}

impl ImportTurn {
    /// Takes the turn if nobody has it, and nobody waits for it who comes first.
    pub(super) fn take(folder: &Path, first_row: i64) -> Result<Option<Self>, TurnError> {
        Self::lock(folder, first_row, is_locked_at_once)
    }

    /// Waits for it.
    pub(super) fn wait(folder: &Path, first_row: i64) -> Result<Self, TurnError> {
        loop {
            if let Some(turn) = Self::lock(folder, first_row, is_locked_in_time)? {
                return Ok(turn);
            }
        }
    }

    fn lock(folder: &Path, first_row: i64, is_locked: IsLocked) -> Result<Option<Self>, TurnError> {
        fs::create_dir_all(folder).map_err(failed(folder))?;
        let ticket = folder.join(format!("{IMPORT_TURN}{first_row:010}"));
        let own = OpenOptions::new().append(true).create(true).open(&ticket).map_err(failed(&ticket))?;
        if !is_locked(&own).map_err(failed(&ticket))? {
            return Ok(None);
        }
        let is_first = are_over(folder, &ticket, is_locked)?;
        let work = File::open(folder).map_err(failed(folder))?;
        if !is_first || !is_locked(&work).map_err(failed(folder))? {
            return Ok(None);
        }
        // Others may have come while this one waited.
        let is_first = are_over(folder, &ticket, is_locked_at_once)?;
        Ok(is_first.then_some(Self { ticket, _locked: [work, own] }))
    }
}

impl Drop for ImportTurn {
    fn drop(&mut self) {
        // One that stays is free, and taken again by the next of that name.
        let _ = fs::remove_file(&self.ticket);
    }
}

type IsLocked = fn(&File) -> io::Result<bool>;

fn is_locked_at_once(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn is_locked_in_time(file: &File) -> io::Result<bool> {
    match file.lock() {
        // A signal: from the beginning.
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
        locked => locked.map(|()| true),
    }
}

/// Whether nobody with lower rows is left.
fn are_over(folder: &Path, own: &Path, is_locked: IsLocked) -> Result<bool, TurnError> {
    for path in tickets_before(folder, own)? {
        match File::open(&path).and_then(|other| is_locked(&other)) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            // It is over.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(&path)(error)),
        }
    }
    Ok(true)
}

/// The files of lower rows, in their order.
fn tickets_before(folder: &Path, own: &Path) -> Result<Vec<PathBuf>, TurnError> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let paths = entries.map_err(failed(folder))?.into_iter().map(|entry| entry.path());
    let is_ticket = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(IMPORT_TURN))
    };
    let mut before: Vec<PathBuf> = paths.filter(|path| is_ticket(path) && path.as_path() < own).collect();
    before.sort_unstable();
    Ok(before)
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> TurnError {
    let path = path.to_owned();
    move |error| TurnError { path, error }
}
