//! The file that keeps the height: its decimal digits and a line end.

use std::{fs, io, path::Path};

use super::{HEIGHT_MAX, KnownHeight};
use crate::files;

/// Reads the file; the height is as old as that is. That there is none is normal; whatever else is
/// wrong with it is reported, and then there is none.
pub(super) fn read(path: &Path) -> Option<KnownHeight> {
    match try_read(path) {
        Ok(kept) => Some(kept),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            tracing::warn!(
                %error, path = %path.display(),
                "the kept block height cannot be read: going on without it"
            );
            None
        }
    }
}

/// Replaces the file; on disk when it returns.
pub(super) fn write(path: &Path, height: u64) -> io::Result<()> {
    files::replace_durably(path, &[format!("{height}\n").as_bytes()])
}

fn try_read(path: &Path) -> io::Result<KnownHeight> {
    let text = fs::read_to_string(path)?;
    let height = text.trim().parse().ok().filter(|height| *height <= HEIGHT_MAX);
    let height = height.ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, "expected a block height of at most 12 digits")
    })?;
    // A clock set back since makes the file as good as new.
    let age = fs::metadata(path)?.modified()?.elapsed().unwrap_or_default();
    Ok(KnownHeight { height, age })
}
