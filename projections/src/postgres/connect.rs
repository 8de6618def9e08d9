//! Connections for writing: how they are made, the schema on them, and whose the tables of a store are.

use std::str::FromStr;
use std::time::Duration;

use log::StoreId;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, query_scalar};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::{NAME, PostgresOptions};
use crate::projection::{BoxError, ProjectionError};

/// A server that does not answer for so long is as good as gone.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Where what all stores share is.
const SHARED_SCHEMA: &str = "quipu";
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How often a lock is tried by one that follows the log, which comes again; and by a rebuild, which would have failed.
pub(super) const LOCK_ATTEMPTS: usize = 20;
pub(super) const REBUILD_LOCK_ATTEMPTS: usize = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// A commit that the server loses in a crash takes its cursor with it, so it need not be waited for.
const SESSION: &str = "set search_path = quipu, public; set synchronous_commit = off; set lock_timeout = '10s'; \
                       set client_min_messages = warning";
/// While it works for long the server looks whether anybody is still there: locks of a node that was killed would be kept
/// until then. Older servers, and those on some systems, cannot do this.
const LOOK_FOR_CLIENT: &str = "set client_connection_check_interval = '2s'";

/// What went wrong with the database, as the follower understands it.
pub(super) fn failed(cause: impl Into<BoxError>) -> ProjectionError {
    ProjectionError::store(NAME, cause)
}

/// What blocks a thread for the database's sake, until it is given up.
#[derive(Clone, Debug)]
pub(super) struct Blocking {
    runtime: Handle,
    give_up: watch::Receiver<bool>,
}

impl Blocking {
    /// Blocks on the runtime until `give_up` is true or its sender is gone.
    pub(super) fn new(runtime: Handle, give_up: watch::Receiver<bool>) -> Self {
        Self { runtime, give_up }
    }

    /// Waits for what is asked of the database; a transaction that is given up within it never happened.
    pub(super) fn on<T>(
        &self,
        work: impl Future<Output = Result<T, ProjectionError>>,
    ) -> Result<T, ProjectionError> {
        let mut give_up = self.give_up.clone();
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                _ = give_up.wait_for(|give_up| *give_up) => Err(ProjectionError::Cancelled),
                done = work => done,
            }
        })
    }
}

/// Runs a question to the database, which must answer in time.
pub(super) async fn in_time<T, E: Into<BoxError>>(
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, ProjectionError> {
    match timeout(ANSWER_WITHIN, work).await {
        Ok(done) => done.map_err(failed),
        Err(_) => Err(failed(format!("no answer within {} s", ANSWER_WITHIN.as_secs()))),
    }
}

/// Connects for writing, and brings the schema up to date.
pub(super) async fn connect(options: &PostgresOptions) -> Result<PgConnection, ProjectionError> {
    let connect = PgConnectOptions::from_str(&options.url).map_err(failed)?;
    let connect = connect.application_name("quipu").disable_statement_logging();
    let connecting = timeout(CONNECT_WITHIN, PgConnection::connect_with(&connect));
    let mut connection =
        connecting.await.map_err(|_| failed("no connection within 10 s"))?.map_err(failed)?;
    in_time(sqlx::raw_sql(SESSION).execute(&mut connection)).await?;
    let _ = in_time(sqlx::raw_sql(LOOK_FOR_CLIENT).execute(&mut connection)).await;
    in_time(migrate(&mut connection)).await?;
    Ok(connection)
}

async fn migrate(connection: &mut PgConnection) -> Result<(), BoxError> {
    let mut migrator: Migrator = sqlx::migrate!("../migrations");
    migrator.create_schema(SHARED_SCHEMA);
    migrator.dangerous_set_table_name("quipu._sqlx_migrations");
    migrator.run_direct(None, connection, false).await.map_err(|error| match error {
        MigrateError::VersionMissing(version) => format!(
            "the schema in the database has version {version}, which this version of quipu does not know; \
             use the newer quipu that made it, or another database"
        )
        .into(),
        error => error.into(),
    })
}

/// Takes the right to write the tables of a store, until the connection ends. Whoever had it and is gone may be a
/// moment late in letting go.
pub(super) async fn lock(
    connection: &mut PgConnection,
    store: StoreId,
    what: &str,
    attempts: usize,
) -> Result<(), ProjectionError> {
    for attempt in 0..attempts {
        if attempt > 0 {
            sleep(LOCK_PAUSE).await;
        }
        let lock = query_scalar("select pg_try_advisory_lock(hashtextextended($1, 0))");
        let taken = lock.bind(format!("quipu {what} {store}")).fetch_one(&mut *connection);
        if in_time::<bool, _>(taken).await? {
            return Ok(());
        }
    }
    let reason = format!("another connection does the {what} of store {store} in this database");
    Err(ProjectionError::Waiting { projection: NAME, reason })
}

/// The schema in which the tables of a store are; those of a rebuild under way are in one of their own.
pub(super) fn schema(store: StoreId, live: bool) -> String {
    let suffix = if live { "" } else { "_new" };
    format!("{SHARED_SCHEMA}_{}{suffix}", store.0.simple())
}

/// Runs statements that have only names of ours in them.
pub(super) async fn run(connection: &mut PgConnection, sql: String) -> Result<(), ProjectionError> {
    in_time(sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection)).await.map(|_| ())
}
