//! What happened to a node: starts and ends, what it did from when on, which checks changed, and beside these what its log
//! and its jobs tell. What only the node itself notes is kept in a file of a bounded size beside the log, so that a check
//! that goes to and fro neither makes the log grow nor pushes out anything else.

mod file;
mod noted;
mod recorded;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{Notify, watch};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use tracing::warn;

use crate::checks::history::CheckLevel;
use crate::node::ApiNode;
use noted::NotedList;
pub(crate) use noted::{Noted, NotedKind};
pub(crate) use recorded::{HistoryForm, told};

/// How often it is looked at what the node does.
const EVERY: Duration = Duration::from_secs(15);
/// The file is written no more often.
const PAUSE: Duration = Duration::from_secs(1);
/// How long the end of a node waits for the last write: the disk may be what ends it.
const LAST: Duration = Duration::from_secs(2);

/// What is noted of a node.
#[derive(Debug, Default)]
pub(crate) struct NodeHistory {
    noted: Mutex<NotedList>,
    changed: Notify,
    /// Held while the file is written: whether the last write failed, which is said once.
    writing: Mutex<bool>,
}

impl NodeHistory {
    /// Notes that a check has another result than before.
    pub(crate) fn check_changed(&self, name: &str, level: CheckLevel, reason: &str) {
        self.note(NotedKind::Check, name, &format!("{}: {reason}", level.as_str()));
    }

    fn note(&self, kind: NotedKind, about: &str, text: &str) {
        self.list().push(Noted::now(now_ms(), kind, about, text));
        self.changed.notify_one();
    }

    /// Notes what the node does, if it is something else than it was.
    fn observe(&self, node: &ApiNode) {
        let identity = node.parts.log.identity();
        let text = format!("{} in term {}", node.role(), identity.term.0);
        if self.list().last_of(NotedKind::Role).is_none_or(|known| known != text) {
            self.note(NotedKind::Role, "", &text);
        }
    }

    fn list(&self) -> MutexGuard<'_, NotedList> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// Notes what happens to the node, and keeps it in its file, until `stop` is true.
pub async fn watch_history(node: Arc<ApiNode>, mut stop: watch::Receiver<bool>) {
    let folder = node.parts.options.data.clone();
    let kept = match folder.clone() {
        Some(folder) => spawn_blocking(move || file::read(&folder)).await.unwrap_or_default(),
        None => Vec::new(),
    };
    let text = format!("version {}{}", node.version(), noted::how_it_ended(&kept));
    node.history.list().begin(kept);
    node.history.note(NotedKind::Started, "", &text);
    let noting = async {
        loop {
            node.history.observe(&node);
            write(&node).await;
            let _ = timeout(EVERY, node.history.changed.notified()).await;
            sleep(PAUSE).await;
        }
    };
    // A disk that hangs ends it as well.
    tokio::select! {
        _ = stop.wait_for(|stop| *stop) => {}
        () = noting => {}
    }
    node.history.note(NotedKind::Stopped, "", "in order");
    let _ = timeout(LAST, write(&node)).await;
}

/// Writes what is not in the file yet; what cannot be written is tried again with the next.
async fn write(node: &Arc<ApiNode>) {
    let Some(folder) = node.parts.options.data.clone() else { return };
    let node = node.clone();
    let writing = spawn_blocking(move || {
        let mut has_failed = node.history.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(list) = node.history.list().take_unwritten() else { return };
        let written = file::write(&folder, &list);
        if let Err(error) = &written {
            node.history.list().not_written();
            if !*has_failed {
                warn!(%error, "what happened to this node cannot be kept in a file; it is tried again");
            }
        }
        *has_failed = written.is_err();
    });
    // A write that panics has said so.
    let _ = writing.await;
}
