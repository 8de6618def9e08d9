//! Where a process belongs that is to be spawned: asked of a router before anything is queued, and only if it is not here
//! already.

use std::sync::Arc;

use ans104::Item;
use bytes::Bytes;
use protocol::{ProcessId, Submission};
use tokio::task::spawn_blocking;

use crate::error::ScheduleError;
use crate::scheduler::Shared;

/// The longest item that is looked at right away: a longer one may have so many tags that others would have to wait.
const AT_ONCE: usize = 64 << 10;

impl Shared {
    /// Refuses the spawn of a process that belongs elsewhere. An item that is none of a process, or nothing at all, is for
    /// the rules to judge.
    pub(crate) async fn check_place(self: &Arc<Self>, item: &Bytes) -> Result<(), ScheduleError> {
        let Some(placement) = &self.limits.placement else { return Ok(()) };
        let spawned = if item.len() <= AT_ONCE {
            spawned(item)
        } else {
            let item = item.clone();
            spawn_blocking(move || spawned(&item)).await.map_err(|_| ScheduleError::Lost)?
        };
        let Some(process) = spawned else { return Ok(()) };
        self.limits.check_process(process)?;
        self.check_open()?;
        let shared = self.clone();
        let known = spawn_blocking(move || shared.is_known(process)).await;
        // One that is here was let in once.
        if known.unwrap_or(Err(ScheduleError::Lost))? {
            return Ok(());
        }
        self.gateways.unless_closed(placement.check(process)).await?.map_err(ScheduleError::from)
    }
}

/// The process that an item would spawn.
fn spawned(item: &[u8]) -> Option<ProcessId> {
    match Submission::of(&Item::parse(item).ok()?).ok()? {
        Submission::Process(process) => Some(process),
        Submission::Message(_) => None,
    }
}
