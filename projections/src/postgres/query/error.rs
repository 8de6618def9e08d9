//! Why a question was not answered, and what to do about it.
//!
//! The texts go to anybody who asks: they tell neither where the database is nor what it or its driver said. That is
//! kept as the cause, for the log.

use std::error::Error;

use thiserror::Error;

/// Postgres ends a statement with this code when it takes too long.
const CANCELED: &str = "57014";
/// A table, or the schema of it, is not there.
const NO_TABLES: [&str; 2] = ["42P01", "3F000"];

/// Why a question was not answered.
#[derive(Debug, Error)]
pub enum QueryError {
    /// The database could not be asked; it may be possible later.
    #[error("the database cannot be asked: {reason}; try again later")]
    Unavailable {
        /// What was found.
        reason: &'static str,
        /// What the database or its driver said.
        #[source]
        cause: Option<sqlx::Error>,
    },
    /// The database gave up.
    #[error("the query took more than 10 seconds; ask for what is rarer, or for a shorter time")]
    TooLong,
    /// A cursor that is none, or belongs to another list.
    #[error("the cursor is wrong: {0}; expected the `next` of a list with the same order")]
    Cursor(&'static str),
    /// A page that is too long, or has no length.
    #[error("expected a limit from 1 to {max}, found {found}")]
    Limit {
        /// What was asked for.
        found: u64,
        /// The most entries of a page.
        max: u32,
    },
    /// A row is not what it should be.
    #[error("the database has a row that cannot be understood")]
    Damaged(#[source] sqlx::Error),
}

impl QueryError {
    pub(super) fn of(error: sqlx::Error) -> Self {
        let unavailable = |reason, error| Self::Unavailable { reason, cause: Some(error) };
        let code = error.as_database_error().and_then(|refusal| refusal.code()).map(|code| code.into_owned());
        match (&error, code.as_deref()) {
            (_, Some(CANCELED)) => Self::TooLong,
            (_, Some(code)) if NO_TABLES.contains(&code) => unavailable(
                "the tables are not there yet; a node that writes to it makes them when it starts",
                error,
            ),
            (_, Some(_)) => unavailable("it refused the question", error),
            (
                sqlx::Error::ColumnDecode { .. }
                | sqlx::Error::ColumnNotFound(_)
                | sqlx::Error::Decode(_)
                | sqlx::Error::TypeNotFound { .. },
                _,
            ) => Self::Damaged(error),
            (sqlx::Error::PoolTimedOut, _) => {
                unavailable("no connection was free or could be made in 5 seconds", error)
            }
            _ => unavailable("it cannot be reached", error),
        }
    }

    /// For a database that says nothing at all.
    pub(super) fn silent() -> Self {
        Self::Unavailable { reason: "it does not answer", cause: None }
    }

    /// The same with all that caused it, in one line: for the log.
    pub(super) fn told_in_full(&self) -> String {
        let mut text = self.to_string();
        let mut source = self.source();
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        text
    }
}
