//! Remembering beside the log how far that is, so that an older copy in its place does not count.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tracing::warn;

use super::MemberNode;

/// How often. What was confirmed since may be missing from a copy that nobody finds to be older.
const EVERY: Duration = Duration::from_secs(5);

/// Remembers until it is stopped, and then once more.
pub(super) async fn remember(member: Arc<MemberNode>, mut stopping: watch::Receiver<bool>) {
    let mut is_failing = false;
    loop {
        let is_last = *stopping.borrow();
        let asked = member.clone();
        let kept = spawn_blocking(move || {
            let standing = asked.with(|member| member.standing())?;
            // The disk may take long for this: nobody who wants something of the member waits for it.
            Ok::<_, replicator::MemberError>(asked.file.raise_floor(standing.rank()))
        });
        match kept.await {
            Ok(Ok(Ok(()))) => is_failing = false,
            Ok(Ok(Err(error))) if !std::mem::replace(&mut is_failing, true) => {
                warn!(%error, "cannot remember how far the log is; trying again");
            }
            _ => {}
        }
        if is_last {
            return;
        }
        tokio::select! {
            () = sleep(EVERY) => {}
            _ = stopping.wait_for(|stop| *stop) => {}
        }
    }
}
