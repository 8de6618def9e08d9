//! The projection itself: it takes events from the follower and commits them with the cursor.

use log::{EventRef, Identity, Log, Seq};
use sqlx::{Connection, PgConnection};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tracing::info;

use super::connect::{
    Blocking, LOCK_ATTEMPTS, REBUILD_LOCK_ATTEMPTS, connect, failed, in_time, lock, schema,
};
use super::connections::RebuildConnections;
use super::cursor::{self, TablesCursor};
use super::rows::StagedRows;
use super::{NAME, PostgresOptions, apply, rewind};
use crate::fingerprint::{fingerprint, fingerprint_text};
use crate::projection::{BatchLimit, Projection, ProjectionError};

/// Which tables are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tables {
    /// Those that are read.
    Live,
    /// Those of a rebuild, which have no indexes yet.
    Fresh,
}

/// Writes the tables of one store. It blocks the thread that it is driven on, which is never one of an executor's.
pub struct PostgresWriter {
    options: PostgresOptions,
    blocking: Blocking,
    identity: Identity,
    tables: Tables,
    connection: Option<PgConnection>,
    /// Those of a rebuild.
    further: Option<RebuildConnections>,
    /// The tables that were found to need a rebuild, and why.
    refused: Option<(TablesCursor, String)>,
    position: Option<Seq>,
    fingerprint: Option<String>,
    staged: StagedRows,
}

impl PostgresWriter {
    /// A writer that connects when it is driven for the first time, and anew after each failure. Once `give_up` is
    /// true it waits no longer for a database that does not answer.
    pub fn new(
        options: PostgresOptions,
        identity: Identity,
        runtime: Handle,
        give_up: watch::Receiver<bool>,
    ) -> Self {
        Self::of(options, identity, Blocking::new(runtime, give_up), Tables::Live)
    }

    pub(super) fn of(
        options: PostgresOptions,
        identity: Identity,
        blocking: Blocking,
        tables: Tables,
    ) -> Self {
        let staged = StagedRows::new(identity.store);
        Self {
            options,
            blocking,
            identity,
            tables,
            connection: None,
            further: None,
            refused: None,
            position: None,
            fingerprint: None,
            staged,
        }
    }

    fn live(&self) -> bool {
        self.tables == Tables::Live
    }

    async fn open(&mut self, log: &dyn Log) -> Result<Option<Seq>, ProjectionError> {
        (self.connection, self.further) = (None, None);
        self.staged.forget();
        self.identity = log.identity();
        let mut connection = connect(&self.options).await?;
        let (what, attempts) = match self.tables {
            Tables::Live => ("projection", LOCK_ATTEMPTS),
            Tables::Fresh => ("rebuild", REBUILD_LOCK_ATTEMPTS),
        };
        lock(&mut connection, self.identity.store, what, attempts).await?;
        let found = self.tables_found(&mut connection).await?;
        cursor::check_layout(&found)?;
        self.position = self.known_position(&mut connection, log, found).await?;
        if !self.live() {
            let further =
                RebuildConnections::open(&self.options, self.identity.store, self.position, &mut connection)
                    .await?;
            self.further = (!further.is_empty()).then_some(further);
        }
        info!(
            store = %self.identity.store,
            position = self.position.map(|seq| seq.get()),
            "connected to Postgres"
        );
        self.connection = Some(connection);
        Ok(self.position)
    }

    /// Where the tables stand, after what the log does not have was taken back.
    async fn known_position(
        &mut self,
        connection: &mut PgConnection,
        log: &dyn Log,
        found: TablesCursor,
    ) -> Result<Option<Seq>, ProjectionError> {
        if rewind::is_known(log, &found)? {
            return Ok(found.position);
        }
        // To find out costs the database much, and it does not get better by itself.
        if let Some((refused, reason)) = &self.refused
            && *refused == found
        {
            return Err(ProjectionError::NeedsRebuild { projection: NAME, reason: reason.clone() });
        }
        let max = self.options.rewind_events_max;
        let taken_back = rewind::run(connection, log, &found, self.live(), max).await;
        if let Err(ProjectionError::NeedsRebuild { reason, .. }) = &taken_back {
            self.refused = Some((found, reason.clone()));
        }
        taken_back
    }

    /// The cursor of the tables, which are made if they are not there.
    async fn tables_found(&self, connection: &mut PgConnection) -> Result<TablesCursor, ProjectionError> {
        if let Some(found) = cursor::read(connection, self.identity.store, self.live(), false).await? {
            return Ok(found);
        }
        let mut transaction = in_time(connection.begin()).await?;
        cursor::make(&mut transaction, self.identity, self.live()).await?;
        in_time(transaction.commit()).await?;
        Ok(TablesCursor { layout: super::LAYOUT, ..TablesCursor::default() })
    }

    async fn write(&mut self, position: Seq) -> Result<(), ProjectionError> {
        let live = self.live();
        let store = self.identity.store;
        let connection = self.connection.as_mut().ok_or_else(|| failed("there is no connection"))?;
        let mut transaction = in_time(connection.begin()).await?;
        let found = cursor::read(&mut transaction, store, live, true).await?;
        if found.and_then(|found| found.position) != self.position {
            // A rebuild has taken the place of these tables.
            let reason = "its tables were replaced; reading where the new ones stand".to_owned();
            return Err(ProjectionError::Waiting { projection: NAME, reason });
        }
        let (schema, name) = (schema(store, live), store.to_string());
        match &mut self.further {
            None => apply::insert(&mut transaction, &schema, &name, &mut self.staged).await?,
            Some(further) => {
                apply::insert_side_by_side(&mut transaction, further, &schema, &name, &mut self.staged)
                    .await?;
            }
        }
        let fingerprint = self.fingerprint.as_deref();
        cursor::write(&mut transaction, self.identity, live, Some(position), fingerprint).await?;
        in_time(transaction.commit()).await?;
        self.staged.committed();
        self.position = Some(position);
        Ok(())
    }

    /// The connection, for what else is done on it between batches.
    pub(super) fn connection(&mut self) -> Result<&mut PgConnection, ProjectionError> {
        self.connection.as_mut().ok_or_else(|| failed("there is no connection"))
    }

    /// Goes on with the one connection.
    pub(super) fn close_further_connections(&mut self) {
        self.further = None;
    }

    /// Where the tables stand.
    pub(super) fn committed(&self) -> (Option<Seq>, Option<&str>) {
        (self.position, self.fingerprint.as_deref())
    }
}

/// The name of what is being rebuilt, so that metrics tell the two apart.
const REBUILD: &str = "postgres_rebuild";
/// Much, because each batch costs several turns to the server; little enough to fit in memory many times.
const BATCH_EVENTS: usize = 5_000;
const BATCH_BYTES: usize = 16 << 20;

impl Projection for PostgresWriter {
    fn name(&self) -> &'static str {
        match self.tables {
            Tables::Live => NAME,
            Tables::Fresh => REBUILD,
        }
    }

    fn batch_limit(&self) -> BatchLimit {
        BatchLimit { events: BATCH_EVENTS, bytes: BATCH_BYTES }
    }

    fn resume(&mut self, log: &dyn Log) -> Result<Option<Seq>, ProjectionError> {
        self.blocking.clone().on(self.open(log))
    }

    fn begin(&mut self) -> Result<(), ProjectionError> {
        self.staged.clear();
        Ok(())
    }

    fn stage(&mut self, event: &EventRef<'_>) -> Result<(), ProjectionError> {
        self.staged.add(event);
        self.fingerprint = Some(fingerprint_text(fingerprint(event)));
        Ok(())
    }

    fn commit(&mut self, position: Seq) -> Result<(), ProjectionError> {
        self.blocking.clone().on(self.write(position))
    }

    fn finishes_at_stop(&self) -> bool {
        false
    }
}
