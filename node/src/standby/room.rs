//! A disk that was full, and has room again.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::statvfs;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

/// With less than this a store cannot be opened and written to for long, in bytes.
const ROOM_MIN: u64 = 64 << 20;
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Whether a folder is on a disk that has too little room, which is why nothing can be written there; where that cannot
/// be told there is another reason.
pub(super) async fn is_short(folder: &Path) -> bool {
    free(folder.to_owned()).await.is_some_and(|free| free < ROOM_MIN)
}

/// Waits until there is room.
pub(super) async fn wait(folder: &Path) {
    while is_short(folder).await {
        sleep(LOOK_EVERY).await;
    }
}

async fn free(folder: PathBuf) -> Option<u64> {
    // A disk may not answer.
    let found = spawn_blocking(move || statvfs(&folder)).await.ok()?.ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}
