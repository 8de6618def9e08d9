//! Projecting again: all of it into fresh tables that take the place of the old ones, or a part in place.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use log::{EventRef, Log, Seq, StoreId};
use protocol::Nonce;
use tokio::runtime::Handle;
use tokio::time::sleep;
use tracing::info;

use super::apply::{self, RowSpan};
use super::blocking::Blocking;
use super::connect::{connect, schema};
use super::lock::{REBUILD_LOCK_ATTEMPTS, lock};
use super::rows::{StagedRows, process_text, signed};
use super::session::{Session, failed, is_silence};
use super::writer::{PostgresWriter, Tables};
use super::{NAME, PostgresOptions, cursor, rewind};
use crate::follower::Follower;
use crate::projection::ProjectionError;
use crate::replay::{Progress, Replay, ReplayScope};

/// Projects into Postgres again, on connections of its own.
#[derive(Clone)]
pub struct PostgresReplay {
    options: PostgresOptions,
    log: Arc<dyn Log>,
    runtime: Handle,
}

/// How often taking the place of the old tables is tried: a long query of somebody holds it up.
const SWITCH_ATTEMPTS: u32 = 60;
const SWITCH_PAUSE: Duration = Duration::from_secs(2);
/// How often a rebuild goes on after the database has said nothing: until batches are as small as they get, and longer.
const SILENCES_MAX: u32 = 20;
const BATCH_EVENTS: usize = 2_000;
const BATCH_BYTES: usize = 16 << 20;

impl PostgresReplay {
    /// Something that can replay this log into the database.
    pub fn new(options: PostgresOptions, log: Arc<dyn Log>, runtime: Handle) -> Self {
        Self { options, log, runtime }
    }

    /// Waits for the database until an early end is asked for.
    fn blocking(&self, progress: &Progress) -> Blocking {
        Blocking::new(self.runtime.clone(), progress.cancelled())
    }

    /// Fills fresh tables up to the end of the log, makes their indexes, and puts them in the place of the old ones.
    fn rebuild(&self, progress: &Progress) -> Result<(), ProjectionError> {
        progress.enter("filling fresh tables");
        let blocking = self.blocking(progress);
        blocking.on(self.discard_unusable())?;
        let identity = self.log.identity();
        let writer = PostgresWriter::of(self.options.clone(), identity, blocking.clone(), Tables::Fresh);
        let mut follower = Follower::new(writer, self.log.clone());
        fill(&mut follower, progress)?;
        progress.enter("making indexes");
        let schema = schema(identity.store, false);
        let fresh = follower.projection();
        fresh.close_further_connections();
        blocking.on(make_indexes(fresh.session()?, &schema))?;
        progress.enter("taking the place of the old tables");
        let mut session = blocking.on(connect(&self.options))?;
        for _ in 0..SWITCH_ATTEMPTS {
            progress.go_on()?;
            follower.catch_up(|_, _| progress.go_on())?;
            if self.switch(&blocking, &mut session, &mut follower)? {
                info!(store = %identity.store, "the rebuilt tables are in place");
                return Ok(());
            }
            blocking.on(async {
                sleep(SWITCH_PAUSE).await;
                Ok(())
            })?;
        }
        Err(failed(
            "the old tables are in use all the time; their readers have to let go of them for a moment",
        ))
    }

    /// Puts the fresh tables in the place of the live ones, in one transaction; false when somebody reads them for too
    /// long. The live ones stand still meanwhile, since their writer waits for their cursor.
    fn switch(
        &self,
        blocking: &Blocking,
        session: &mut Session,
        follower: &mut Follower<PostgresWriter>,
    ) -> Result<bool, ProjectionError> {
        let log = self.log.as_ref();
        let identity = log.identity();
        blocking.on(session.begin())?;
        let old = blocking.on(cursor::read(session, identity.store, true, true))?;
        // What is read by now must not vanish.
        follower.catch_up(|_, _| Ok(()))?;
        let fresh = follower.projection();
        let (position, fingerprint) = fresh.committed();
        if let Some(old) = &old
            && old.position > position
            && rewind::is_known(log, old)?
        {
            return Err(failed("the fresh tables cannot get what the old ones have"));
        }
        let fingerprint = match (fingerprint, position) {
            (None, Some(position)) => rewind::fingerprint_of(log, position)?,
            (known, _) => known.map(str::to_owned),
        };
        blocking.on(async {
            if !exchange(session, identity.store, old.is_some()).await? {
                session.rollback().await?;
                return Ok(false);
            }
            cursor::write(session, identity, true, position, fingerprint.as_deref()).await?;
            session.commit_patiently().await?;
            Ok(true)
        })
    }

    /// Drops what an earlier rebuild left that this log or this program cannot go on with.
    async fn discard_unusable(&self) -> Result<(), ProjectionError> {
        let mut session = connect(&self.options).await?;
        let store = self.log.identity().store;
        lock(&mut session, store, "rebuild", self.options.writer_name(), REBUILD_LOCK_ATTEMPTS).await?;
        if let Some(found) = cursor::read(&mut session, store, false, false).await? {
            let usable = cursor::check_layout(&found).is_ok() && rewind::is_known(self.log.as_ref(), &found)?;
            if !usable {
                discard(&mut session, store).await?;
            }
        }
        session.close().await
    }

    /// Replaces the rows of the events in scope, batch by batch, each in one transaction.
    fn repair(&self, scope: &ReplayScope, progress: &Progress) -> Result<(), ProjectionError> {
        progress.enter("replacing rows");
        let store = self.log.identity().store;
        let blocking = self.blocking(progress);
        let mut session = blocking.on(connect(&self.options))?;
        let live = blocking.on(cursor::read(&mut session, store, true, false))?;
        let Some(live) = live else { return Ok(()) };
        cursor::check_layout(&live)?;
        if !rewind::is_known(self.log.as_ref(), &live)? {
            let reason = "its tables are of another history than the log; they follow it again first, or are \
                          rebuilt as a whole";
            return Err(ProjectionError::Waiting { projection: NAME, reason: reason.to_owned() });
        }
        let Some(to) = live.position else { return Ok(()) };
        let mut part = RepairPart {
            log: self.log.as_ref(),
            scope: *scope,
            to,
            next: scope.from.unwrap_or(Seq::ZERO),
            nonce: None,
        };
        let first = part.next.get();
        let mut staged = StagedRows::new(store);
        loop {
            progress.go_on()?;
            staged.forget();
            let from = part.next;
            let Some(last) = part.stage(&mut staged, progress)? else { break };
            blocking.on(replace(&mut session, self.log.as_ref(), (from, last), scope, &mut staged))?;
            progress.reached(last);
            progress.tell(last.next().get().saturating_sub(first), to.next().get().saturating_sub(first));
        }
        progress.tell(to.next().get().saturating_sub(first), to.next().get().saturating_sub(first));
        Ok(())
    }
}

impl Replay for PostgresReplay {
    fn name(&self) -> &'static str {
        NAME
    }

    fn replay(&self, scope: &ReplayScope, progress: &Progress) -> Result<(), ProjectionError> {
        if scope.is_whole() { self.rebuild(progress) } else { self.repair(scope, progress) }
    }
}

/// The events of a scope that are still to be replaced.
struct RepairPart<'a> {
    log: &'a dyn Log,
    scope: ReplayScope,
    /// The last event that the tables have.
    to: Seq,
    next: Seq,
    /// The last nonce of the one process that was looked at.
    nonce: Option<Nonce>,
}

impl RepairPart<'_> {
    /// Stages the next batch; the last event that it covers, none when there is nothing left.
    fn stage(
        &mut self,
        staged: &mut StagedRows,
        progress: &Progress,
    ) -> Result<Option<Seq>, ProjectionError> {
        if self.next > self.to {
            return Ok(None);
        }
        let (from, to, mut last, mut bytes, mut events) = (self.next, self.to, None, 0, 0);
        let mut nonce = self.nonce;
        let mut take = |event: EventRef<'_>| {
            if event.seq > to || events >= BATCH_EVENTS || bytes >= BATCH_BYTES {
                return ControlFlow::Break(());
            }
            nonce = event.nonce;
            if event.seq >= from {
                staged.add(&event);
                bytes += event.item().map_or(0, |item| item.data().len());
                events += 1;
                last = Some(event.seq);
            } else if progress.go_on().is_err() {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        };
        match self.scope.process {
            Some(process) => {
                let first = self.nonce.map_or(Nonce::ZERO, Nonce::next);
                self.log.range(process, self.nonce.is_none(), first..=Nonce::MAX, &mut take)?;
            }
            None => self.log.scan(from, &mut take)?,
        }
        self.nonce = nonce;
        progress.go_on()?;
        // Rows that the log has no events for lie behind the last event too.
        let covered = if events < BATCH_EVENTS && bytes < BATCH_BYTES { to } else { last.unwrap_or(to) };
        self.next = covered.next();
        Ok(Some(covered))
    }
}

async fn replace(
    session: &mut Session,
    log: &dyn Log,
    (from, last): (Seq, Seq),
    scope: &ReplayScope,
    staged: &mut StagedRows,
) -> Result<(), ProjectionError> {
    let store = log.identity().store;
    let schema = schema(store, true);
    session.begin().await?;
    let found = cursor::read(session, store, true, true).await?;
    if found.and_then(|found| found.position) < Some(last) {
        let reason = "its tables went back meanwhile, with the log; start the replay again".to_owned();
        return Err(ProjectionError::Waiting { projection: NAME, reason });
    }
    let process = scope.process.map(process_text);
    let span = RowSpan { from: signed(from.get()), to: signed(last.get()), process: process.as_deref() };
    apply::delete(session, &schema, &store.to_string(), span, false).await?;
    apply::insert(session, &schema, &store.to_string(), staged).await?;
    session.commit().await
}

/// Fills the fresh tables with all that is durable by now. A database that is too slow for a batch gets smaller ones.
fn fill(follower: &mut Follower<PostgresWriter>, progress: &Progress) -> Result<(), ProjectionError> {
    for _ in 0..SILENCES_MAX {
        let filled = follower.catch_up(|done, total| {
            progress.tell(done, total);
            progress.go_on()
        });
        match filled {
            Err(error) if is_silence(&error) => info!(%error, "going on with smaller batches"),
            filled => return filled,
        }
    }
    follower.catch_up(|_, _| progress.go_on())
}

async fn make_indexes(session: &mut Session, schema: &str) -> Result<(), ProjectionError> {
    // It takes as long as it takes: a minute for each few million events.
    session
        .run_patiently(format!(
            "set maintenance_work_mem = '256MB'; select quipu.make_indexes('{schema}'); \
             analyze {schema}.messages; analyze {schema}.tags; analyze {schema}.assignments; \
             reset maintenance_work_mem; set search_path = quipu, public"
        ))
        .await
}

/// Moves the fresh tables to where the live ones are, with a cursor that is still to be written; false when somebody
/// reads the live ones for too long.
async fn exchange(session: &mut Session, store: StoreId, is_there: bool) -> Result<bool, ProjectionError> {
    let (live, new) = (schema(store, true), schema(store, false));
    let (detach, drop_old) = match is_there {
        true => (
            format!("select quipu.detach_tables('{live}'); alter schema {live} rename to {live}_old"),
            format!("drop schema {live}_old cascade"),
        ),
        false => (String::new(), String::new()),
    };
    let exchanged = session
        .run_patiently(format!(
            "set local lock_timeout = '2s'; {detach}; alter schema {new} rename to {live}; \
             select quipu.attach_tables('{live}', '{store}'); delete from quipu.cursors where store = '{store}'; \
             insert into quipu.cursors (store, live, layout, term) values ('{store}', true, 0, 0); {drop_old}"
        ))
        .await;
    match exchanged {
        Ok(()) => Ok(true),
        Err(error) if is_busy(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether somebody else's lock was in the way: a lock that was not to be had in time, or a deadlock.
fn is_busy(error: &ProjectionError) -> bool {
    let ProjectionError::Store { cause, .. } = error else { return false };
    let database = cause.downcast_ref::<sqlx::Error>().and_then(sqlx::Error::as_database_error);
    let code = database.and_then(|error| error.code());
    code.is_some_and(|code| matches!(code.as_ref(), "55P03" | "40P01"))
}

async fn discard(session: &mut Session, store: StoreId) -> Result<(), ProjectionError> {
    let schema = schema(store, false);
    session.begin().await?;
    session.run_patiently(format!("drop schema if exists {schema} cascade")).await?;
    session.run(format!("delete from quipu.cursors where store = '{store}' and not live")).await?;
    session.commit_patiently().await
}
