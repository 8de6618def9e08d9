//! The chain that the development gateway pretends to have: a height that grows with time, also
//! while nobody runs it, and never falls.

use std::{
    fs, io,
    path::Path,
    time::{Duration, Instant, SystemTime},
};

use serde::{Deserialize, Serialize};

use super::DevError;
use crate::files;

/// The height at the very first start; a round number that nobody takes for Arweave's.
const FIRST_HEIGHT: u64 = 1_000_000;

/// Tells the height.
#[derive(Debug)]
pub(super) struct Chain {
    /// The height at `base`, a moment in the past, of which `before` had gone by at `started`.
    height: u64,
    before: Duration,
    started: Instant,
    block_every: Duration,
}

/// What is kept over restarts: the chain had `height` at `at_ms` (Unix time).
#[derive(Debug, Deserialize, Serialize)]
struct Kept {
    height: u64,
    at_ms: u64,
    block_every_ms: u64,
}

impl Chain {
    /// Goes on from what the file at `path` says, or begins at the first height; a broken file is
    /// reported and begun anew. The chain is at least as high as `highest`, the newest item's
    /// block. Another `block_every` than before counts from now on.
    pub fn open(path: &Path, block_every: Duration, highest: u64) -> Result<Self, DevError> {
        let every_ms = u64::try_from(block_every.as_millis()).unwrap_or(u64::MAX);
        if every_ms == 0 {
            return Err(DevError::BlockEvery(block_every));
        }
        let now_ms = unix_ms();
        let first = Kept { height: FIRST_HEIGHT, at_ms: now_ms, block_every_ms: every_ms };
        let kept = read(path).unwrap_or(first);
        let before_ms = now_ms.saturating_sub(kept.at_ms);
        let grown = before_ms.checked_div(kept.block_every_ms).unwrap_or(0);
        let height = kept.height.saturating_add(grown).max(highest);
        let into_block_ms = match kept.block_every_ms == every_ms {
            true => before_ms.checked_rem(every_ms).unwrap_or(0),
            false => 0,
        };

        let at_ms = now_ms.saturating_sub(into_block_ms);
        let kept = Kept { height, at_ms, block_every_ms: every_ms };
        write(path, &kept).map_err(|source| DevError::Store { path: path.to_owned(), source })?;
        let before = Duration::from_millis(into_block_ms);
        Ok(Self { height, before, started: Instant::now(), block_every })
    }

    /// The newest block's height.
    pub fn height(&self) -> u64 {
        let passed = self.before.saturating_add(self.started.elapsed()).as_nanos();
        let grown = passed.checked_div(self.block_every.as_nanos()).unwrap_or(0);
        self.height.saturating_add(u64::try_from(grown).unwrap_or(u64::MAX))
    }
}

/// Something of the form of a block's id: the height, as 32 bytes.
pub(super) fn block_id(height: u64) -> String {
    let mut bytes = [0; 24].to_vec();
    bytes.extend_from_slice(&height.to_be_bytes());
    ans104::base64url::encode(&bytes)
}

/// Milliseconds of Unix time.
pub(super) fn unix_ms() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

fn read(path: &Path) -> Option<Kept> {
    let kept = fs::read(path).and_then(|bytes| Ok(serde_json::from_slice(&bytes)?));
    match kept {
        Ok(kept) => Some(kept),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            tracing::warn!(
                %error, path = %path.display(),
                "the development chain's clock cannot be read: it goes on from the newest item"
            );
            None
        }
    }
}

fn write(path: &Path, kept: &Kept) -> io::Result<()> {
    files::replace_durably(path, &[&serde_json::to_vec(kept)?])
}
