//! A connection for writing, on which everything has to be answered in time.
//!
//! sqlx gives no way to its sockets, so that the system cannot be told to give up a connection whose other side is gone:
//! the limit on each answer does that here, and keepalives do it on the server's side.

use std::time::Duration;

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::{Query, QueryAs};
use sqlx::{AssertSqlSafe, Connection, FromRow, PgConnection, Postgres};
use thiserror::Error;
use tokio::time::timeout;

use super::NAME;
use super::copy::CopyRows;
use super::patience::Backend;
use crate::projection::{BoxError, ProjectionError};

/// How much of a copy is sent at a time: each piece has to be taken in time, not all of it.
const PIECE_BYTES: usize = 256 << 10;

/// The server says nothing.
#[derive(Debug, Error)]
#[error("no answer within {} s", .0.as_secs_f32())]
pub(super) struct Silent(Duration);

/// What went wrong with the database, as the follower understands it.
pub(super) fn failed(cause: impl Into<BoxError>) -> ProjectionError {
    ProjectionError::store(NAME, cause)
}

/// Whether the database said nothing in time.
pub(super) fn is_silence(error: &ProjectionError) -> bool {
    matches!(error, ProjectionError::Store { cause, .. } if cause.is::<Silent>())
}

/// Waits for an answer, but not for longer than this.
pub(super) async fn in_time<T, E: Into<BoxError>>(
    within: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, ProjectionError> {
    match timeout(within, work).await {
        Ok(done) => done.map_err(failed),
        Err(_) => Err(failed(Silent(within))),
    }
}

/// Waits for an answer for as long as the server works on it.
async fn patiently<T>(
    backend: Option<&Backend>,
    within: Duration,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, ProjectionError> {
    let Some(backend) = backend else { return in_time(within, work).await };
    tokio::select! {
        biased;
        done = work => done.map_err(failed),
        lost = backend.lost() => Err(failed(lost)),
    }
}

/// A connection for writing. After an error it is only good for being dropped, which ends its transaction, unless
/// [`Session::rollback`] does.
pub(super) struct Session {
    connection: PgConnection,
    /// What is asked about whether it still works; nothing is waited for patiently before that is known.
    backend: Option<Backend>,
    usual: Duration,
    within: Duration,
}

impl Session {
    /// A server that does not answer for so long is as good as gone.
    pub(super) fn new(connection: PgConnection, within: Duration) -> Self {
        Self { connection, backend: None, usual: within, within }
    }

    /// From now on it can be asked whether the server still works for this connection.
    pub(super) fn watch(&mut self, backend: Backend) {
        self.backend = Some(backend);
    }

    /// Waits for so long from now on.
    pub(super) fn wait_within(&mut self, within: Duration) {
        self.within = within;
    }

    /// Waits as long as at first.
    pub(super) fn wait_as_usual(&mut self) {
        self.within = self.usual;
    }

    /// The connection and its limit, for what has no method here.
    pub(super) fn parts(&mut self) -> (&mut PgConnection, Duration) {
        (&mut self.connection, self.within)
    }

    pub(super) async fn begin(&mut self) -> Result<(), ProjectionError> {
        self.run("begin".to_owned()).await
    }

    pub(super) async fn commit(&mut self) -> Result<(), ProjectionError> {
        self.run("commit".to_owned()).await
    }

    /// The same for what takes as long as it takes, while the server works on it: the files of tables that were dropped
    /// are deleted here.
    pub(super) async fn commit_patiently(&mut self) -> Result<(), ProjectionError> {
        self.run_patiently("commit".to_owned()).await
    }

    pub(super) async fn rollback(&mut self) -> Result<(), ProjectionError> {
        self.run("rollback".to_owned()).await
    }

    /// Runs statements that have only names of ours in them.
    pub(super) async fn run(&mut self, sql: String) -> Result<(), ProjectionError> {
        let work = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.connection);
        in_time(self.within, work).await.map(|_| ())
    }

    /// The same for what takes as long as it takes, while the server works on it.
    pub(super) async fn run_patiently(&mut self, sql: String) -> Result<(), ProjectionError> {
        let work = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.connection);
        patiently(self.backend.as_ref(), self.within, work).await.map(|_| ())
    }

    pub(super) async fn execute(
        &mut self,
        query: Query<'_, Postgres, PgArguments>,
    ) -> Result<(), ProjectionError> {
        in_time(self.within, query.execute(&mut self.connection)).await.map(|_| ())
    }

    /// The same for what takes as long as it takes, while the server works on it.
    pub(super) async fn execute_patiently(
        &mut self,
        query: Query<'_, Postgres, PgArguments>,
    ) -> Result<(), ProjectionError> {
        let work = query.execute(&mut self.connection);
        patiently(self.backend.as_ref(), self.within, work).await.map(|_| ())
    }

    pub(super) async fn one<T>(
        &mut self,
        query: QueryAs<'_, Postgres, T, PgArguments>,
    ) -> Result<T, ProjectionError>
    where
        T: Send + Unpin + for<'r> FromRow<'r, PgRow>,
    {
        in_time(self.within, query.fetch_one(&mut self.connection)).await
    }

    pub(super) async fn optional<T>(
        &mut self,
        query: QueryAs<'_, Postgres, T, PgArguments>,
    ) -> Result<Option<T>, ProjectionError>
    where
        T: Send + Unpin + for<'r> FromRow<'r, PgRow>,
    {
        in_time(self.within, query.fetch_optional(&mut self.connection)).await
    }

    /// All rows, which take as long as they take, while the server works on them.
    pub(super) async fn all_patiently<T>(
        &mut self,
        query: QueryAs<'_, Postgres, T, PgArguments>,
    ) -> Result<Vec<T>, ProjectionError>
    where
        T: Send + Unpin + for<'r> FromRow<'r, PgRow>,
    {
        patiently(self.backend.as_ref(), self.within, query.fetch_all(&mut self.connection)).await
    }

    /// Sends all rows to their table in a schema. What counts is that it goes on, not how long all of it takes.
    pub(super) async fn copy(&mut self, schema: &str, rows: &mut CopyRows) -> Result<(), ProjectionError> {
        if rows.is_empty() {
            return Ok(());
        }
        let (within, statement) = (self.within, rows.statement(schema));
        let mut copy = in_time(within, self.connection.copy_in_raw(&statement)).await?;
        for piece in rows.message().chunks(PIECE_BYTES) {
            in_time(within, copy.send(piece)).await?;
        }
        in_time(within, copy.finish()).await.map(|_| ())
    }

    /// Ends the connection, and with it what it has locked.
    pub(super) async fn close(self) -> Result<(), ProjectionError> {
        in_time(self.within, self.connection.close()).await
    }
}
