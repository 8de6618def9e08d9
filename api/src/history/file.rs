//! The file of what a node notes of itself. It is not what the log is: when it cannot be read it begins anew.

use std::fs;
use std::io;
use std::path::Path;

use log::fresh_file;
use tracing::warn;

use super::noted::Noted;

/// Its name, and that of the one that is to take its place.
const FILE: &str = "history.json";
const FRESH: &str = "history.new";
/// A file of ours is not longer.
const BYTES_MAX: u64 = 16 << 20;

/// What an earlier run has noted; nothing where there is no such file, or none that can be read.
pub(super) fn read(folder: &Path) -> Vec<Noted> {
    let path = folder.join(FILE);
    let read = fs::metadata(&path).and_then(|found| match found.len() {
        0..=BYTES_MAX => fs::read(&path),
        bytes => Err(io::Error::other(format!("it has {bytes} bytes, and at most {BYTES_MAX} are expected"))),
    });
    let parsed = read.and_then(|bytes| serde_json::from_slice(&bytes).map_err(io::Error::from));
    parsed.unwrap_or_else(|error| {
        if error.kind() != io::ErrorKind::NotFound {
            warn!(path = %path.display(), %error, "what happened to this node before is not known: the file cannot be read");
        }
        Vec::new()
    })
}

/// Replaces the file. It is not synced: after a power cut some of it may be gone, and nothing waits for the disk.
pub(super) fn write(folder: &Path, list: &[Noted]) -> io::Result<()> {
    let fresh = folder.join(FRESH);
    let file = fresh_file(&fresh)?;
    let mut out = io::BufWriter::new(file);
    serde_json::to_writer(&mut out, list)?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?;
    fs::rename(fresh, folder.join(FILE))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;
    use crate::history::noted::NotedKind;

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path()).is_empty());
        let list = vec![Noted::now(5, NotedKind::Check, "disk", "warn: 4 GiB free")];
        write(folder.path(), &list).unwrap();
        write(folder.path(), &list).unwrap();
        assert_eq!(read(folder.path()), list);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        fs::write(folder.path().join(FILE), "[{").unwrap();
        assert!(read(folder.path()).is_empty());
        write(folder.path(), &list).unwrap();
        assert_eq!(read(folder.path()), list);
    }
}
