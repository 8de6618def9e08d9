//! One transaction on a connection, each step of which has a limit.
//!
//! What goes wrong before the commit is sent has changed nothing. From then on it is not known.

use std::time::Duration;

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, PgConnection, Postgres, Row};
use tokio::time::timeout;

use super::warnings::ServerWarnings;
use crate::contract::{Durability, GateError};

/// What is asked about how a server keeps what it takes.
const SETUP: &str = "select current_setting('synchronous_standby_names') as standbys, \
                     current_setting('fsync')::bool as syncs";

/// A transaction that has begun. Dropping it ends the connection, and with it the transaction, unless it is committing.
pub(super) struct GateTransaction {
    connection: PgConnection,
    within: Duration,
    durability: Durability,
}

impl GateTransaction {
    /// Begins one. Nothing is set beyond it, so that a pooler may give each to another connection of the server.
    pub(super) async fn begin(connection: PgConnection, within: Duration) -> Result<Self, GateError> {
        // Less than what is waited for here, so that it is known to have ended. Whoever stands still in the middle of one
        // has a row locked that others need: the server ends that by itself.
        let millis = within.as_millis().saturating_mul(3).checked_div(4).unwrap_or_default();
        let begin = format!(
            "begin isolation level read committed read write; set local synchronous_commit = on; \
             set local client_min_messages = warning; set local lock_timeout = {millis}; \
             set local statement_timeout = {millis}; \
             set local idle_in_transaction_session_timeout = {millis}; {SETUP}"
        );
        let mut transaction = Self { connection, within, durability: Durability::SingleCopy };
        transaction.durability = transaction.look(begin).await?;
        Ok(transaction)
    }

    /// How safely the server keeps what is committed, as it is set up now.
    pub(super) fn durability(&self) -> Durability {
        self.durability
    }

    /// The rows that this gives.
    pub(super) async fn rows(
        &mut self,
        query: Query<'_, Postgres, PgArguments>,
    ) -> Result<Vec<PgRow>, sqlx::Error> {
        // A pooler may give this connection's prepared statements to nobody or to others.
        let rows = query.persistent(false).fetch_all(&mut self.connection);
        in_time(self.within, rows).await
    }

    /// How many rows this changes.
    pub(super) async fn change(
        &mut self,
        query: Query<'_, Postgres, PgArguments>,
    ) -> Result<u64, sqlx::Error> {
        let changed = query.persistent(false).execute(&mut self.connection);
        in_time(self.within, changed).await.map(|done| done.rows_affected())
    }

    /// Runs statements of ours without parameters.
    pub(super) async fn run(&mut self, sql: &'static str) -> Result<(), sqlx::Error> {
        in_time(self.within, sqlx::raw_sql(sql).execute(&mut self.connection)).await.map(|_| ())
    }

    /// Commits, and waits until the server has it in as many copies as it is set up for; the connection, for another one.
    ///
    /// # Errors
    /// When that is not known: [`GateError::Unknown`].
    pub(super) async fn commit(mut self, warnings: &ServerWarnings) -> Result<PgConnection, GateError> {
        let (done, warning) = warnings.of(self.run("commit")).await;
        done.map_err(GateError::unknown)?;
        if let Some(warning) = warning {
            return Err(GateError::unknown(format!("the server has committed and warns: {warning}")));
        }
        // Who waited is let go without a word when the server is told to wait for nobody any more.
        let after = self.look(SETUP.to_owned()).await.map_err(GateError::unknown)?;
        if after != self.durability {
            return Err(GateError::unknown("how many copies the server waits for was changed meanwhile"));
        }
        Ok(self.connection)
    }

    /// Changes nothing; the connection, if it is of further use.
    pub(super) async fn roll_back(mut self) -> Option<PgConnection> {
        self.run("rollback").await.ok()?;
        Some(self.connection)
    }

    async fn look(&mut self, sql: String) -> Result<Durability, GateError> {
        let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut self.connection);
        let rows = in_time(self.within, rows).await.map_err(GateError::away)?;
        let row = rows.first().ok_or_else(|| GateError::away(sqlx::Error::RowNotFound))?;
        let standbys: String = row.try_get("standbys").map_err(GateError::away)?;
        let syncs: bool = row.try_get("syncs").map_err(GateError::away)?;
        let is_replicated = syncs && !standbys.trim().is_empty();
        Ok(if is_replicated { Durability::Replicated } else { Durability::SingleCopy })
    }
}

/// Waits for an answer, but not for longer than this.
pub(super) async fn in_time<T>(
    within: Duration,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    let silent = |_| {
        let said = format!("no answer within {} s", within.as_secs_f32());
        sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, said))
    };
    timeout(within, work).await.map_err(silent)?
}
