//! The forms of replays.

use ans104::Id;
use log::Seq;
use poem_openapi::{Enum, Object};
use projections::{JobState, ReplayJob, ReplayScope};
use serde::Deserialize;
use web::{HttpError, JsonForm, Nullable, read_field};

use crate::admin::model::ProjectionForm;

/// What to replay.
#[derive(Debug, Deserialize, Object)]
#[oai(rename = "Replay")]
#[serde(expecting = "an object")]
pub(super) struct ReplayForm {
    /// The name of the projection.
    projection: String,
    /// The sequence number of the first event; without it, the replay begins at the start of the log.
    #[oai(nullable)]
    from: Option<u64>,
    /// The id of the only process to replay; without it, all are replayed.
    #[oai(nullable)]
    process: Option<String>,
}

impl JsonForm for ReplayForm {
    const EXAMPLE: &'static str = r#"{"projection": "index", "from": 0}"#;
}

impl ReplayForm {
    /// The projection, and which part of the log is meant.
    pub(super) fn read(self) -> Result<(String, ReplayScope), HttpError> {
        let process = self.process.map(|process| read_field("process", &process)).transpose()?;
        let scope = ReplayScope { from: self.from.map(Seq::new), process: process.map(Id::into) };
        Ok((self.projection, scope))
    }
}

/// A projection, and whether it can be replayed.
#[derive(Debug, Object)]
#[oai(rename = "Followed")]
pub(super) struct FollowedForm {
    #[oai(flatten)]
    pub(super) projection: ProjectionForm,
    /// Whether it can be replayed.
    pub(super) can_replay: bool,
    /// The number of the job that is replaying it; null if none is.
    pub(super) job: Nullable<u64>,
}

/// A replay.
#[derive(Debug, Object)]
#[oai(rename = "Job")]
pub(super) struct JobForm {
    /// The number of the job.
    id: u64,
    /// The name of the projection.
    projection: String,
    /// The sequence number of the first event to replay; null for the start of the log.
    from: Nullable<u64>,
    /// The only process to replay; null for all.
    process: Nullable<String>,
    /// Whether it is running, or how it ended.
    state: JobStateForm,
    /// Why it failed; null if it did not.
    reason: Nullable<String>,
    /// What it is doing, in a word or two.
    phase: String,
    /// How many events are done.
    done: u64,
    /// How many events there are to do. The number grows with the log.
    total: u64,
    /// When it was started or last resumed, in milliseconds since 1970.
    started_ms: u64,
    /// How long it has been running since then, or ran, in milliseconds.
    took_ms: u64,
}

/// Whether a replay is running, or how it ended.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename = "JobState", rename_all = "snake_case")]
enum JobStateForm {
    /// It is running.
    Running,
    /// It is complete.
    Done,
    /// It was cancelled.
    Cancelled,
    /// It could not go on.
    Failed,
    /// The node went down while it was running.
    Interrupted,
}

impl From<ReplayJob> for JobForm {
    fn from(job: ReplayJob) -> Self {
        Self {
            id: job.id,
            projection: job.projection,
            from: job.scope.from.map(Seq::get).into(),
            process: job.scope.process.map(|process| process.to_string()).into(),
            state: match job.state {
                JobState::Running => JobStateForm::Running,
                JobState::Done => JobStateForm::Done,
                JobState::Cancelled => JobStateForm::Cancelled,
                JobState::Failed => JobStateForm::Failed,
                JobState::Interrupted => JobStateForm::Interrupted,
            },
            reason: job.reason.into(),
            phase: job.phase,
            done: job.done,
            total: job.total,
            started_ms: job.started_ms,
            took_ms: job.took_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn what_is_no_object_is_told_in_words_of_json() {
        for text in ["1", "\"index\"", "null", "[]"] {
            let told = serde_json::from_str::<ReplayForm>(text).unwrap_err().to_string();
            assert!(told.contains("an object") && !told.contains("struct"), "{text}: {told}");
        }
    }
}
