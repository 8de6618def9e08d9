//! Small files that are replaced as a whole.

use std::{
    fs::File,
    io::{self, Write},
    path::Path,
};

use tempfile::NamedTempFile;

/// Puts `parts` at `path` in one step: a reader sees the old file or the new one, and after a
/// crash of the process one of the two is there. The folder must exist.
pub(crate) fn replace(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    write(path, parts)?.persist(path)?;
    Ok(())
}

/// As [`replace`], and on disk when it returns: it holds through a power cut too.
pub(crate) fn replace_durably(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let file = write(path, parts)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    File::open(folder(path))?.sync_all()
}

fn write(path: &Path, parts: &[&[u8]]) -> io::Result<NamedTempFile> {
    let mut file = NamedTempFile::new_in(folder(path))?;
    for part in parts {
        file.write_all(part)?;
    }
    Ok(file)
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
