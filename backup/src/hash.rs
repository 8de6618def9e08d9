//! The hash of a file.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use aws_lc_rs::digest::{Context, SHA256};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// How much is read at a time.
const PIECE: usize = 256 << 10;

/// SHA-256 of what is in a file; it is shown as `sha256sum` shows it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileHash(pub(crate) [u8; 32]);

/// What is no hash.
#[derive(Clone, Copy, Debug, Error)]
#[error("expected 64 hexadecimal digits in lower case")]
pub struct HashTextError;

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
    ///
    /// # Errors
    /// When it cannot be read, or is not wanted any more.
    pub fn of(path: &Path, go_on: &dyn Fn() -> bool) -> Result<Self, HashError> {
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

impl FromStr for FileHash {
    type Err = HashTextError;

    fn from_str(text: &str) -> Result<Self, HashTextError> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(HashTextError),
        };
        let (mut hash, pairs) = ([0; 32], text.as_bytes().as_chunks::<2>());
        if pairs.0.len() != hash.len() || !pairs.1.is_empty() {
            return Err(HashTextError);
        }
        for (byte, [high, low]) in hash.iter_mut().zip(pairs.0) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Ok(Self(hash))
    }
}

impl Serialize for FileHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FileHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl fmt::Debug for FileHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
