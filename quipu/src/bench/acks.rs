//! The file of acknowledgements: a line with the ids of process and message for each, in the order they came.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use ans104::Id;
use protocol::ProcessId;

use super::BenchError;
use super::check::ExpectedHistory;

/// A file that acknowledgements are appended to as they come.
#[derive(Debug)]
pub struct AckLog {
    file: File,
    path: PathBuf,
}

impl AckLog {
    /// Opens the file, makes it where there is none.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn append(path: &Path) -> Result<Self, BenchError> {
        let opened = OpenOptions::new().append(true).create(true).open(path);
        let file = opened.map_err(|error| BenchError::AckFile { path: path.to_owned(), error })?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// Notes an acknowledgement, at once: whoever reads the file after the node died finds it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn note(&self, process: Id, message: Id) -> Result<(), BenchError> {
        let line = format!("{process} {message}\n");
        let written = (&self.file).write_all(line.as_bytes());
        written.map_err(|error| BenchError::AckFile { path: self.path.clone(), error })
    }
}

/// What the file says must be at the node. A last line that was not finished counts for nothing.
///
/// # Errors
/// When the file cannot be read or holds something else.
pub fn read(path: &Path) -> Result<Vec<ExpectedHistory>, BenchError> {
    let read = fs::read_to_string(path);
    let text = read.map_err(|error| BenchError::AckFile { path: path.to_owned(), error })?;
    let mut expected: HashMap<ProcessId, ExpectedHistory> = HashMap::new();
    for (place, line) in text.split_inclusive('\n').filter(|line| line.ends_with('\n')).enumerate() {
        let ids = line.trim_end().split_once(' ');
        let ids = ids.and_then(|(process, message)| Some((process.parse().ok()?, message.parse().ok()?)));
        let (process, message) =
            ids.ok_or_else(|| BenchError::AckLine { path: path.to_owned(), line: place + 1 })?;
        let entry = expected.entry(process);
        let entry =
            entry.or_insert_with(|| ExpectedHistory { process, acknowledged: [].into(), posted: None });
        entry.acknowledged.insert(message);
    }
    Ok(expected.into_values().collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn what_was_noted_is_expected() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("acks");
        let id = |byte| Id::from_bytes([byte; 32]);
        for (process, message) in [(1, 1), (1, 2), (3, 3), (1, 2)] {
            // Opened anew each time: a second run appends.
            AckLog::append(&path).unwrap().note(id(process), id(message)).unwrap();
        }
        let mut torn = AckLog::append(&path).unwrap().file;
        torn.write_all(b"AAAA").unwrap();

        let mut expected = read(&path).unwrap();
        expected.sort_by_key(|expected| expected.process);
        let found: Vec<_> =
            expected.iter().map(|expected| (expected.process, expected.acknowledged.len())).collect();
        assert_eq!(found, [(id(1).into(), 2), (id(3).into(), 1)]);
        assert!(expected.iter().all(|expected| expected.posted.is_none()));
    }

    #[test]
    fn other_content_is_refused_with_its_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let id = Id::from_bytes([1; 32]);
        fs::write(file.path(), format!("{id} {id}\n{id}\n")).unwrap();
        assert!(matches!(read(file.path()), Err(BenchError::AckLine { line: 2, .. })));
        assert!(matches!(read(Path::new("/no/such/file")), Err(BenchError::AckFile { .. })));
    }
}
