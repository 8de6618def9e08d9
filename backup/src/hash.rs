//! The hash of a file.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use thiserror::Error;

/// How much is read at a time.
const PIECE: usize = 256 << 10;

/// SHA-256 of what is in a file; it is shown as `sha256sum` shows it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileHash(pub(crate) [u8; 32]);

/// Why a file has no hash.
#[derive(Debug, Error)]
pub enum HashError {
    /// It cannot be read.
    #[error("{}: {error}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: std::io::Error,
    },
    /// Nobody wants it any more.
    #[error("ended before the files were read")]
    Cancelled,
}

/// A hash of what comes in pieces.
pub(crate) struct Hashing(Context);

impl Hashing {
    pub(crate) fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn finish(self) -> FileHash {
        let mut hash = [0; 32];
        hash.copy_from_slice(self.0.finish().as_ref());
        FileHash(hash)
    }
}

impl FileHash {
    /// The hash of a file, unless it is not wanted any more.
    pub(crate) fn of(path: &Path, go_on: &dyn Fn() -> bool) -> Result<Self, HashError> {
        let failed = |error| HashError::Read { path: path.to_owned(), error };
        let mut file = File::open(path).map_err(failed)?;
        let (mut hashing, mut piece) = (Hashing::new(), vec![0; PIECE]);
        loop {
            if !go_on() {
                return Err(HashError::Cancelled);
            }
            match file.read(&mut piece).map_err(failed)? {
                0 => return Ok(hashing.finish()),
                read => hashing.update(piece.get(..read).unwrap_or_default()),
            }
        }
    }
}

impl fmt::Display for FileHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for FileHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
