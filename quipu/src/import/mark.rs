//! What says in a data folder that an import into it has not come to its end: a node that starts on a part of a history
//! gives nonces that are taken.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

use log::replace_file;
use node::IMPORTING;
use protocol::ProcessId;

const FRESH: &str = "importing.new";
/// What stands for all processes.
const ALL: &str = "all";

/// What an import has set out to take over, in a file of a line for each process, or one for all of them.
pub(super) struct ImportMark {
    path: PathBuf,
    scope: BTreeSet<String>,
}

/// The mark cannot be made, or taken away.
#[derive(Debug, thiserror::Error)]
#[error("{}, which says that an import is underway, cannot be written", .path.display())]
pub struct ImportMarkError {
    path: PathBuf,
    #[source]
    error: io::Error,
}

impl ImportMark {
    /// Marks the folder before anything is imported. What others have set out for stays.
    pub(super) fn set(folder: &Path, processes: &[ProcessId]) -> Result<Self, ImportMarkError> {
        let scope: BTreeSet<_> = if processes.is_empty() {
            BTreeSet::from([ALL.to_owned()])
        } else {
            processes.iter().map(ToString::to_string).collect()
        };
        let mark = Self { path: folder.join(IMPORTING), scope };
        let there = mark.read()?;
        let all: BTreeSet<_> = there.union(&mark.scope).cloned().collect();
        if all != there {
            mark.write(&all)?;
        }
        Ok(mark)
    }

    /// All that this import set out for is accounted for.
    pub(super) fn done(self) -> Result<(), ImportMarkError> {
        let there = self.read()?;
        let is_all = self.scope.contains(ALL);
        let left: BTreeSet<_> = there.difference(&self.scope).filter(|_| !is_all).cloned().collect();
        if !left.is_empty() {
            return self.write(&left);
        }
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.failed(error)),
            _ => Ok(()),
        }
    }

    fn read(&self) -> Result<BTreeSet<String>, ImportMarkError> {
        match fs::read_to_string(&self.path) {
            Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeSet::new()),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn write(&self, scope: &BTreeSet<String>) -> Result<(), ImportMarkError> {
        let text: String = scope.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
        replace_file(&self.path, FRESH, text.as_bytes()).map_err(|error| self.failed(error))
    }

    fn failed(&self, error: io::Error) -> ImportMarkError {
        ImportMarkError { path: self.path.clone(), error }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn it_stays_until_all_that_was_set_out_for_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let is_marked = || folder.path().join(IMPORTING).exists();
        let [one, other] = [1, 2].map(|number| ProcessId::from(ans104::Id::from_bytes([number; 32])));
        let set = |processes: &[ProcessId]| ImportMark::set(folder.path(), processes).unwrap();
        let first = set(&[one]);
        let second = set(&[other, one]);
        first.done().unwrap();
        assert!(is_marked(), "the other one is underway");
        second.done().unwrap();
        assert!(!is_marked());
        // One that was killed, and another one of a part of it.
        drop(set(&[]));
        set(&[one]).done().unwrap();
        assert!(is_marked());
        set(&[]).done().unwrap();
        assert!(!is_marked());
    }
}
