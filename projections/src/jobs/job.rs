//! What is known of one job.

use std::time::{SystemTime, UNIX_EPOCH};

use log::Seq;
use serde::{Deserialize, Serialize};

use crate::replay::{Advance, ReplayScope};

/// One replay: what it was asked for and how far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayJob {
    /// Its number, from 1.
    pub id: u64,
    /// Which projection.
    pub projection: String,
    /// What of it.
    pub scope: ReplayScope,
    /// Whether it runs, or how it ended.
    pub state: JobState,
    /// Why it failed.
    pub reason: Option<String>,
    /// What is being done, in a word or two.
    pub phase: String,
    /// Events that are done since it was started or resumed, or, of a whole replay, altogether.
    pub done: u64,
    /// Events that there are to do.
    pub total: u64,
    /// For a part only: the last event up to which all are done.
    pub last: Option<Seq>,
    /// When it was started or resumed, in milliseconds since 1970.
    pub started_ms: u64,
    /// For how many milliseconds it has been running since then, or ran.
    pub took_ms: u64,
}

/// Whether a job runs, or how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// It runs.
    Running,
    /// All is done.
    Done,
    /// Somebody ended it.
    Cancelled,
    /// It could not go on.
    Failed,
    /// The node went down while it was running.
    Interrupted,
}

impl JobState {
    /// The same as a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }
}

impl ReplayJob {
    pub(super) fn new(id: u64, projection: &str, scope: ReplayScope) -> Self {
        Self {
            id,
            projection: projection.to_owned(),
            scope,
            state: JobState::Running,
            reason: None,
            phase: String::new(),
            done: 0,
            total: 0,
            last: None,
            started_ms: now_ms(),
            took_ms: 0,
        }
    }

    /// The same job once more, and what of its scope is left.
    pub(super) fn resumed(&self) -> (Self, ReplayScope) {
        let mut scope = self.scope;
        // A whole replay finds by itself where it was; with a beginning it would be no whole one any more.
        if !scope.is_whole() && self.last.is_some() {
            scope.from = self.last.map(Seq::next);
        }
        (Self { last: self.last, ..Self::new(self.id, &self.projection, self.scope) }, scope)
    }

    pub(super) fn advance(&mut self, advance: Advance, last: Option<Seq>, now_ms: u64) {
        self.phase = advance.phase.to_owned();
        self.done = advance.done;
        self.total = advance.total;
        self.last = last.or(self.last);
        self.took_ms = now_ms.saturating_sub(self.started_ms);
    }

    pub(super) fn end(&mut self, state: JobState, reason: Option<String>) {
        self.state = state;
        self.reason = reason;
    }
}

pub(super) fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
