//! Verifying a log that began with a checkpoint, while it follows.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use log::{LocalLog, Rocks};
use replicator::Followed;
use rustix::process::setpriority_process;
use tracing::{debug, error, info, warn};

use super::{bootstrap, taking};
use crate::error::NodeError;
use crate::member::MemberNode;

/// How far behind all else, as `nice` counts it: on processors that are in full use it gets about a tenth.
const NICE: i32 = 10;

/// What verifies signatures, and what tells it to end.
pub(super) struct Verifying {
    pub(super) end: Arc<AtomicBool>,
    pub(super) thread: JoinHandle<()>,
}

/// Verifies a log that began with a checkpoint as what comes by the stream is, where that is not done yet. Until then the copy
/// of a member does not count.
pub(super) fn verify(
    path: &Path,
    log: Arc<LocalLog<Rocks>>,
    followed: Followed,
    member: Option<Arc<MemberNode>>,
) -> Result<Option<Verifying>, NodeError> {
    if !bootstrap::is_unverified(path) {
        return Ok(None);
    }
    followed.set_unverified(true);
    let (path, end) = (path.to_owned(), Arc::new(AtomicBool::new(false)));
    let ended = end.clone();
    let thread = std::thread::Builder::new().name("verify".to_owned()).spawn(move || {
        // A leader on the same machine comes first. Of the threads that this one starts the same holds.
        if let Err(error) = setpriority_process(None, NICE) {
            debug!(%error, "signatures are verified as urgently as all else is done");
        }
        info!("verifying the signatures of the checkpoint that this log began with");
        let is_wanted = || !ended.load(Ordering::Acquire);
        match log.verify_synced(taking::threads(), &is_wanted) {
            (None, _) if !is_wanted() => {}
            (None, signatures) => {
                match bootstrap::mark_verified(&path) {
                    Ok(()) => {
                        followed.set_unverified(false);
                        info!(signatures, "all signatures are right");
                    }
                    Err(error) => warn!(%error, "they are verified again at the next start"),
                }
                if let Some(member) = member {
                    member.verified();
                }
            }
            (Some(fault), _) => {
                error!(%fault, "what came from the leader is wrong: begin again with an empty folder");
                followed.condemn(fault.to_string());
            }
        }
    });
    let thread = thread.map_err(|error| NodeError::Thread { part: "verify", error })?;
    Ok(Some(Verifying { end, thread }))
}
