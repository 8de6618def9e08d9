//! Why a call was not answered, and what the client is told: each error of the rooms below becomes an answer here.

use backup::{CheckpointsError, HashError};
use log::ReadError;
use poem::http::StatusCode;
use projections::{IndexError, JobError, ProjectionError, QueryError};
use protocol::Code;
use scheduler::ScheduleError;
use thiserror::Error;
use tokio::task::JoinError;
use tracing::error;
use web::{HttpError, Spent};

/// Why a call was not answered.
#[derive(Debug, Error)]
pub(crate) enum CallError {
    /// The call itself is refused.
    #[error(transparent)]
    Refused(#[from] HttpError),
    /// Something was not scheduled.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// The log could not be read.
    #[error(transparent)]
    Log(#[from] ReadError),
    /// The index could not be read.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A projection could not do what was asked.
    #[error(transparent)]
    Projection(#[from] ProjectionError),
    /// A replay was not started, found or ended.
    #[error(transparent)]
    Job(#[from] JobError),
    /// Postgres did not answer.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// There is no checkpoint, or no such file.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointsError),
    /// There is no memory for it.
    #[error(transparent)]
    Spent(#[from] Spent),
    /// The thread that did the work is gone.
    #[error(transparent)]
    Thread(#[from] JoinError),
}

impl From<CallError> for HttpError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused(error) => error,
            CallError::Schedule(error) => scheduling(error),
            CallError::Job(error) => replaying(error),
            CallError::Query(error) => querying(error),
            CallError::Checkpoint(error) => copying(error),
            CallError::Spent(spent) => spent.into(),
            error @ (CallError::Log(_)
            | CallError::Index(_)
            | CallError::Projection(_)
            | CallError::Thread(_)) => Self::internal(error),
        }
    }
}

impl From<CallError> for poem::Error {
    fn from(error: CallError) -> Self {
        HttpError::from(error).into()
    }
}

fn scheduling(error: ScheduleError) -> HttpError {
    let answer = match error.code() {
        Code::Internal => HttpError::internal(&error),
        code => HttpError::new(code, plain(&error)),
    };
    match error {
        ScheduleError::Moved(step) => HttpError::moved(
            ScheduleError::Moved(step.clone()).to_string(),
            step.url().unwrap_or_default(),
            step.version,
        ),
        ScheduleError::Overloaded { retry_after } => answer.with_retry_after(retry_after),
        ScheduleError::Limit(refusal) => match refusal.retry_after() {
            Some(seconds) => answer.with_retry_after(seconds),
            None => answer,
        },
        _ => answer,
    }
}

/// What disk and database say names files of this machine: that is for its operator, whom `quipu status` and the log tell.
fn plain(error: &ScheduleError) -> String {
    match error {
        ScheduleError::Halted(reason) if is_raw(reason) => {
            "nothing can be scheduled until the operator of this node has seen to it; its log says why"
                .to_owned()
        }
        ScheduleError::NotIndexed(reason) if is_raw(reason) => {
            "nothing can be scheduled: the index does not follow the log".to_owned()
        }
        ScheduleError::Unanswered { waited, reason } if is_raw(reason) => {
            let reason = "the operator of this node has to see to it".to_owned();
            ScheduleError::Unanswered { waited: *waited, reason }.to_string()
        }
        _ => error.to_string(),
    }
}

/// Whether the system or the database speaks, and not this program: only they name files.
fn is_raw(reason: &str) -> bool {
    reason.contains('/') || reason.contains("IO error") || reason.contains("os error")
}

fn replaying(error: JobError) -> HttpError {
    match error {
        JobError::UnknownProjection { .. } | JobError::Scope(_) => {
            HttpError::new(Code::InvalidParameter, error.to_string())
        }
        JobError::NotFound(_) => HttpError::not_found(error.to_string()),
        JobError::Busy { .. } | JobError::NotRunning { .. } | JobError::NotResumable { .. } => {
            HttpError::new(Code::Unavailable, error.to_string()).with_status(StatusCode::CONFLICT)
        }
        JobError::Closing => HttpError::new(Code::Unavailable, error.to_string()),
        JobError::Thread(_) => HttpError::internal(error),
    }
}

/// Only operators ask, so they are told the reason.
fn copying(error: CheckpointsError) -> HttpError {
    let code = match error {
        CheckpointsError::Busy(_) | CheckpointsError::Hash(HashError::Cancelled) => Code::Unavailable,
        CheckpointsError::Missing(_) | CheckpointsError::NoFile(_) => Code::NotFound,
        _ => {
            error!(%error, "there is no checkpoint");
            Code::Internal
        }
    };
    HttpError::new(code, error.to_string())
}

fn querying(error: QueryError) -> HttpError {
    match error {
        QueryError::Unavailable { .. } | QueryError::TooLong => {
            HttpError::new(Code::Unavailable, error.to_string())
        }
        QueryError::Cursor(_) | QueryError::Limit { .. } => {
            HttpError::new(Code::InvalidParameter, error.to_string())
        }
        QueryError::Damaged(_) => HttpError::internal(error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::time::Duration;

    use super::*;

    #[test]
    fn clients_are_told_of_no_file() {
        let raw = "IO error: No space left on device: While appending to file: /srv/data/log/000008.log";
        for error in [
            ScheduleError::Halted(raw.into()),
            ScheduleError::NotIndexed(raw.into()),
            ScheduleError::Unanswered { waited: Duration::from_secs(9), reason: raw.to_owned() },
        ] {
            let told = scheduling(error).to_string();
            assert!(!told.contains("/srv") && !told.contains("IO error"), "{told}");
        }
        let own = "this node does not have the right to write";
        assert!(scheduling(ScheduleError::Halted(own.into())).to_string().contains(own));
    }
}
