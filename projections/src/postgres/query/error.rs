//! Why a question was not answered, and what to do about it.

use thiserror::Error;

/// Postgres ends a statement with this code when it takes too long.
const CANCELED: &str = "57014";
/// A table, or the schema of it, is not there.
const NO_TABLES: [&str; 2] = ["42P01", "3F000"];

/// Why a question was not answered.
#[derive(Debug, Error)]
pub enum QueryError {
    /// The database could not be asked; it may be possible later.
    #[error("the database at {database} cannot be asked: {reason}; {hint}")]
    Unavailable {
        /// Host and port.
        database: String,
        /// What was found.
        reason: String,
        /// What can be done.
        hint: &'static str,
    },
    /// The database gave up.
    #[error("the query took more than 10 seconds; ask for what is rarer, or for a shorter time")]
    TooLong,
    /// A cursor that is none, or belongs to another list.
    #[error("the cursor is wrong: {0}; expected the `next` of a list with the same order")]
    Cursor(&'static str),
    /// A page that is too long, or has no length.
    #[error("expected a limit from 1 to {max}, found {0}", max = super::LIMIT_MAX)]
    Limit(u64),
    /// The URL of the database cannot be understood.
    #[error("expected postgres://user:password@host:port/database: {0}")]
    Url(String),
    /// A row is not what it should be.
    #[error("the database has a row that cannot be understood: {0}")]
    Damaged(String),
}

impl QueryError {
    pub(super) fn of(database: &str, error: &sqlx::Error) -> Self {
        let unavailable =
            |reason: String, hint| Self::Unavailable { database: database.into(), reason, hint };
        match error {
            sqlx::Error::Database(refusal) => match refusal.code().as_deref() {
                Some(CANCELED) => Self::TooLong,
                Some(code) if NO_TABLES.contains(&code) => unavailable(
                    "the tables are not there yet".into(),
                    "a node that writes to it makes them when it starts",
                ),
                _ => unavailable(refusal.message().to_owned(), "see the log of the database"),
            },
            sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::Decode(_)
            | sqlx::Error::TypeNotFound { .. } => Self::Damaged(error.to_string()),
            sqlx::Error::PoolTimedOut => unavailable(
                "no connection was free or could be made in 5 seconds".into(),
                "check that it runs and takes more connections, then try again",
            ),
            other => unavailable(other.to_string(), "check that it runs, then try again"),
        }
    }

    /// For a database that says nothing at all.
    pub(super) fn silent(database: &str) -> Self {
        let reason = "it does not answer".to_owned();
        Self::Unavailable { database: database.into(), reason, hint: "check that it runs, then try again" }
    }
}
