//! Pages as schedulers show them.

use protocol::ProcessId;
use serde::Deserialize;

use crate::assemble::ShownItem;

/// A page.
#[derive(Debug, Deserialize)]
pub(super) struct ShownPage {
    pub(super) page_info: ShownPageInfo,
    pub(super) edges: Vec<ShownEdge>,
}

/// Whether a page is the last one.
#[derive(Debug, Deserialize)]
pub(super) struct ShownPageInfo {
    pub(super) has_next_page: bool,
}

/// An entry with its place.
#[derive(Debug, Deserialize)]
pub(super) struct ShownEdge {
    pub(super) node: ServedEntry,
}

/// A message or process, and its assignment.
#[derive(Debug, Deserialize)]
pub(super) struct ServedEntry {
    pub(super) message: Option<ShownItem>,
    pub(super) assignment: Option<ShownItem>,
}

impl ServedEntry {
    /// Whether it is this process.
    pub(super) fn is_of(&self, process: ProcessId) -> bool {
        self.message.as_ref().is_some_and(|message| message.id == process.to_string())
    }

    /// Its nonce, as the assignment says.
    pub(super) fn nonce(&self) -> Option<u64> {
        self.assignment.as_ref()?.tag("Nonce")?.parse().ok()
    }
}
