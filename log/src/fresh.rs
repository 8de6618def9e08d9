//! Files that are made anew, beside what they will replace.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Makes a file that was not there: what a kill has left of an earlier one is removed, and nothing is written through a
/// link, symbolic or hard, to a file of somebody else.
///
/// # Errors
/// When it cannot be made, or something else than a file has its name.
pub fn fresh_file(path: &Path) -> io::Result<File> {
    if path.symlink_metadata().is_ok_and(|found| found.is_file()) {
        fs::remove_file(path)?;
    }
    let made = OpenOptions::new().write(true).create_new(true).open(path);
    made.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            let text = format!("{} is there already and is no file of ours; remove it", path.display());
            io::Error::new(io::ErrorKind::AlreadyExists, text)
        }
        _ => error,
    })
}

/// Replaces a file, by way of a fresh one of this name beside it: after a crash it is the old one or the new one, and on
/// disk when this returns.
///
/// # Errors
/// When it cannot be written; the old one is there then.
pub fn replace_file(path: &Path, fresh: &str, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let fresh = folder.join(fresh);
    let mut file = fresh_file(&fresh)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(fresh, path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn nothing_is_written_through_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (path, fresh, victim) =
            (folder.path().join("file"), folder.path().join("file.new"), folder.path().join("victim"));
        fs::write(&path, "old").unwrap();
        fs::write(&victim, "of others").unwrap();
        symlink(&victim, &fresh).unwrap();
        let refused = replace_file(&path, "file.new", b"new").unwrap_err().to_string();
        assert!(refused.contains("file.new is there already and is no file of ours"), "{refused}");
        fs::remove_file(&fresh).unwrap();
        fs::hard_link(&victim, &fresh).unwrap();
        replace_file(&path, "file.new", b"new").unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "of others");
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        // What a kill has left.
        fs::write(&fresh, "half").unwrap();
        replace_file(&path, "file.new", b"newer").unwrap();
        assert!(fs::read_to_string(&path).unwrap() == "newer" && !fresh.exists());
    }
}
