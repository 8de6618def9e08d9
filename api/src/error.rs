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
    match error.code() {
        Code::Internal => HttpError::internal(error),
        code => HttpError::new(code, error.to_string()),
    }
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
