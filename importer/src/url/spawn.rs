//! The process itself. One that was spawned without an assignment is in no list, and comes before all messages; one that was
//! spawned behind messages that came to it before, as local stores keep them, comes at its nonce.

use protocol::ProcessId;
use serde::Deserialize;
use serde_json::Value;

use super::page::ServedEntry;
use super::window::{ENTRY_BYTES_MAX, NonceWindow};
use super::{ENTRIES, NEVER_SPAWNED, Unasked, UrlSource};

/// When a process came, as it is shown by itself: the time of its assignment, if it has one.
#[derive(Deserialize)]
struct SpawnTime {
    #[serde(default)]
    timestamp: Value,
}

impl SpawnTime {
    fn millis(&self) -> Option<u64> {
        self.timestamp.as_u64().or_else(|| self.timestamp.as_str()?.parse().ok())
    }
}

impl UrlSource {
    /// The process; none that was never spawned there. Messages that come without it cannot get it later, so it has to
    /// say so twice.
    pub(super) fn spawn(&self, process: ProcessId) -> Result<Option<ServedEntry>, Unasked> {
        match self.spawn_once(process)? {
            Some(spawn) => Ok(Some(spawn)),
            None => self.spawn_once(process),
        }
    }

    fn spawn_once(&self, process: ProcessId) -> Result<Option<ServedEntry>, Unasked> {
        let id = process.to_string();
        match self.served(&self.url(&["processes", &id], &[("process-id", id.clone())]), ENTRY_BYTES_MAX) {
            Ok(body) => {
                let odd = |error| Unasked::Odd(format!("what it serves is no process: {error}"));
                let item = serde_json::from_slice(&body).map_err(odd)?;
                let time = serde_json::from_slice::<SpawnTime>(&body).ok().and_then(|time| time.millis());
                let assigned = time.map(|time| self.assigned_at(process, time)).transpose()?.flatten();
                Ok(Some(assigned.unwrap_or(ServedEntry { message: Some(item), assignment: None })))
            }
            Err(Unasked::Missing) => Ok(None),
            // It answers 400 to all that fails.
            Err(Unasked::Refused(reason)) if reason.contains(NEVER_SPAWNED) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The process with its assignment, among what has this time.
    fn assigned_at(&self, process: ProcessId, time: u64) -> Result<Option<ServedEntry>, Unasked> {
        let range = [("from", time.saturating_sub(1).to_string()), ("to", time.to_string())];
        let page = match self.ask(process, &range, ENTRIES, ENTRY_BYTES_MAX) {
            Ok(page) => page,
            // It has nothing of that time, or cannot be asked for times.
            Err(Unasked::Missing | Unasked::Refused(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut entries = page.edges.into_iter().map(|edge| edge.node);
        Ok(entries.find(|entry| entry.is_of(process) && entry.nonce().is_some()))
    }

    /// Adds the process to what has the nonces of a window, if it comes there and is not shown there; what is given back comes
    /// later.
    pub(super) fn place_spawn(
        &self,
        process: ProcessId,
        window: NonceWindow,
        spawn: Option<ServedEntry>,
        entries: &mut Vec<ServedEntry>,
    ) -> Option<ServedEntry> {
        let spawn = spawn?;
        if !window.has(spawn.nonce()) {
            return Some(spawn);
        }
        let is_it = |entry: &ServedEntry| entry.is_of(process) && entry.nonce() == spawn.nonce();
        if !entries.iter().any(is_it) {
            entries.insert(0, spawn);
        }
        None
    }
}
