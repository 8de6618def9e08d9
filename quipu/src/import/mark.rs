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

/// What an import has set out to take over, in a file of a line for each process, or one for all of them, with the source
/// behind it: what one source has is not there because all of another one is.
pub(super) struct ImportMark {
    path: PathBuf,
    source: String,
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
    pub(super) fn set(folder: &Path, source: &str, processes: &[ProcessId]) -> Result<Self, ImportMarkError> {
        let source = source.replace(char::is_control, " ");
        let of_source = |what: &str| format!("{what} of {source}");
        let scope: BTreeSet<_> = if processes.is_empty() {
            BTreeSet::from([of_source(ALL)])
        } else {
            processes.iter().map(|process| of_source(&process.to_string())).collect()
        };
        let mark = Self { path: folder.join(IMPORTING), source, scope };
        let there = mark.read()?;
        let all: BTreeSet<_> = there.union(&mark.scope).cloned().collect();
        if all != there {
            mark.write(&all)?;
        }
        Ok(mark)
    }

    /// All that this import set out for is accounted for; what others have set out for and have not, one of them.
    pub(super) fn done(self) -> Result<Option<String>, ImportMarkError> {
        let there = self.read()?;
        let own = format!(" of {}", self.source);
        let is_all = self.scope.contains(&format!("{ALL}{own}"));
        let is_done = |line: &String| self.scope.contains(line) || (is_all && line.ends_with(&own));
        let left: BTreeSet<_> = there.into_iter().filter(|line| !is_done(line)).collect();
        if let Some(first) = left.first() {
            self.write(&left)?;
            return Ok(Some(first.clone()));
        }
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.failed(error)),
            _ => Ok(None),
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
        let set_of = |source: &str, processes: &[ProcessId]| {
            ImportMark::set(folder.path(), source, processes).unwrap()
        };
        let set = |processes: &[ProcessId]| set_of("the database a", processes);
        let first = set(&[one]);
        let second = set(&[other, one]);
        assert_eq!(first.done().unwrap(), Some(format!("{other} of the database a")));
        assert!(is_marked(), "the other one is underway");
        assert_eq!(second.done().unwrap(), None);
        assert!(!is_marked());
        // One that was killed, and another one of a part of it.
        drop(set(&[]));
        set(&[one]).done().unwrap();
        assert!(is_marked());
        // And all of another source, whose processes are others.
        let left = set_of("the database b", &[]).done().unwrap();
        assert_eq!(left.as_deref(), Some("all of the database a"));
        assert!(is_marked());
        set(&[]).done().unwrap();
        assert!(!is_marked());
    }
}
