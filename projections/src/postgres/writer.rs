//! The projection itself: it takes events from the follower and commits them with the cursor.

use std::time::Instant;

use log::{EventRef, Identity, Log, Seq};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tracing::{info, warn};

use super::blocking::Blocking;
use super::connect::{connect, schema};
use super::connections::RebuildConnections;
use super::cursor::{self, TablesCursor};
use super::lock::{LOCK_ATTEMPTS, REBUILD_LOCK_ATTEMPTS, lock};
use super::pace::Pace;
use super::rows::StagedRows;
use super::session::{Session, failed, is_silence};
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
    session: Option<Session>,
    pace: Pace,
    /// Those of a rebuild.
    further: Option<RebuildConnections>,
    /// The tables that were found to need a rebuild, and why.
    refused: Option<(TablesCursor, String)>,
    position: Option<Seq>,
    fingerprint: Option<String>,
    staged: StagedRows,
    staged_events: usize,
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
        let pace = Pace::new(FULL_BATCH, options.answer_within);
        Self {
            options,
            blocking,
            identity,
            tables,
            session: None,
            pace,
            further: None,
            refused: None,
            position: None,
            fingerprint: None,
            staged,
            staged_events: 0,
        }
    }

    fn live(&self) -> bool {
        self.tables == Tables::Live
    }

    async fn open(&mut self, log: &dyn Log) -> Result<Option<Seq>, ProjectionError> {
        (self.session, self.further) = (None, None);
        self.staged.forget();
        self.identity = log.identity();
        let mut session = connect(&self.options).await?;
        let (what, attempts) = match self.tables {
            Tables::Live => ("projection", LOCK_ATTEMPTS),
            Tables::Fresh => ("rebuild", REBUILD_LOCK_ATTEMPTS),
        };
        lock(&mut session, self.identity.store, what, self.options.writer_name(), attempts).await?;
        let found = self.tables_found(&mut session).await?;
        cursor::check_layout(&found)?;
        self.position = self.known_position(&mut session, log, found).await?;
        if !self.live() {
            let further =
                RebuildConnections::open(&self.options, self.identity.store, self.position, &mut session)
                    .await?;
            self.further = (!further.is_empty()).then_some(further);
        }
        info!(
            store = %self.identity.store,
            position = self.position.map(|seq| seq.get()),
            "connected to Postgres"
        );
        self.session = Some(session);
        Ok(self.position)
    }

    /// Where the tables stand, after what the log does not have was taken back.
    async fn known_position(
        &mut self,
        session: &mut Session,
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
        let taken_back = rewind::run(session, log, &found, self.live(), max).await;
        if let Err(ProjectionError::NeedsRebuild { reason, .. }) = &taken_back {
            self.refused = Some((found, reason.clone()));
        }
        taken_back
    }

    /// The cursor of the tables, which are made if they are not there: at first, or after somebody dropped them.
    async fn tables_found(&self, session: &mut Session) -> Result<TablesCursor, ProjectionError> {
        let store = self.identity.store;
        if let Some(found) = cursor::read(session, store, self.live(), false).await? {
            if cursor::has_tables(session, store, self.live()).await? {
                return Ok(found);
            }
            warn!(%store, "the tables in Postgres are gone; they are made and filled again");
        }
        session.begin().await?;
        cursor::make(session, self.identity, self.live()).await?;
        session.commit().await?;
        Ok(TablesCursor { layout: super::LAYOUT, ..TablesCursor::default() })
    }

    async fn write(&mut self, position: Seq) -> Result<(), ProjectionError> {
        let live = self.live();
        let store = self.identity.store;
        let session = self.session.as_mut().ok_or_else(|| failed(NO_CONNECTION))?;
        session.wait_within(self.pace.within());
        session.begin().await?;
        let found = cursor::read(session, store, live, true).await?;
        if found.and_then(|found| found.position) != self.position {
            // A rebuild has taken the place of these tables.
            let reason = "its tables were replaced; reading where the new ones stand".to_owned();
            return Err(ProjectionError::Waiting { projection: NAME, reason });
        }
        let (schema, name) = (schema(store, live), store.to_string());
        match &mut self.further {
            None => apply::insert(session, &schema, &name, &mut self.staged).await?,
            Some(further) => {
                apply::insert_side_by_side(session, further, &schema, &name, &mut self.staged).await?;
            }
        }
        let fingerprint = self.fingerprint.as_deref();
        cursor::write(session, self.identity, live, Some(position), fingerprint).await?;
        session.commit().await?;
        self.staged.committed();
        self.position = Some(position);
        Ok(())
    }

    /// The connection, for what else is done on it between batches.
    pub(super) fn session(&mut self) -> Result<&mut Session, ProjectionError> {
        self.session.as_mut().ok_or_else(|| failed(NO_CONNECTION))
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
const FULL_BATCH: BatchLimit = BatchLimit { events: 5_000, bytes: 16 << 20 };
const NO_CONNECTION: &str = "there is no connection";

impl Projection for PostgresWriter {
    fn name(&self) -> &'static str {
        match self.tables {
            Tables::Live => NAME,
            Tables::Fresh => REBUILD,
        }
    }

    fn batch_limit(&self) -> BatchLimit {
        self.pace.limit()
    }

    fn resume(&mut self, log: &dyn Log) -> Result<Option<Seq>, ProjectionError> {
        self.blocking.clone().on(self.open(log))
    }

    fn begin(&mut self) -> Result<(), ProjectionError> {
        self.staged.clear();
        self.staged_events = 0;
        Ok(())
    }

    fn stage(&mut self, event: &EventRef<'_>) -> Result<(), ProjectionError> {
        self.staged.add(event);
        self.staged_events += 1;
        self.fingerprint = Some(fingerprint_text(fingerprint(event)));
        Ok(())
    }

    fn commit(&mut self, position: Seq) -> Result<(), ProjectionError> {
        let began = Instant::now();
        let written = self.blocking.clone().on(self.write(position));
        match &written {
            Ok(()) => self.pace.wrote(began.elapsed()),
            Err(error) if is_silence(error) => self.pace.met_silence(self.staged_events),
            Err(_) => {}
        }
        written
    }

    fn finishes_at_stop(&self) -> bool {
        false
    }
}
