//! What a router knows, in a database that several routers may share. Whoever inserts a process first gives it its home,
//! whichever router that was; each of them may die at any moment.
//!
//! Nothing waits for ever for the database: each answer has a limit.

mod marks;
mod moving;
mod publishing;
mod schedulers;
mod settling;
mod takeover;
mod turns;

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ans104::Id;
use async_trait::async_trait;
use location::KeptPublication;
use log::{StoreId, Term};
use protocol::{ProcessId, Timestamp};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgConnection, PgPool, Postgres, Transaction};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::info;
use uuid::Uuid;

use super::changing::changed;
use super::event::read_process;
use super::orders::StateOrders;
use super::{
    FleetChange, Home, HomeCause, Homed, KnownScheduler, PromotionTurn, RouterState, SchedulerNumber,
    StateError, StoreMark, TakeHome,
};
use schedulers::{all, keep};
use settling::{Settle, settle_all};

/// How long one question may take, and all that is written together.
const ANSWERED: Duration = Duration::from_secs(4);
/// How long it may take to take over what an existing router knows.
const TAKEN_OVER: Duration = Duration::from_secs(600);
/// Few are needed: what is written goes through one, and what is read is mostly known.
const CONNECTIONS: u32 = 4;
/// How many orders may wait to be written.
const WAITING_MAX: usize = 4096;
/// Told apart from other locks by this number: nobody else changes schedulers or tables meanwhile.
const LOCK: i64 = 0x7175_6970_7572_7472;
/// The version of the tables in `schema.sql`: one more with each change.
const LAYOUT: i32 = 2;
/// Makes them as they are in that version. Whoever asks for a lock on a table keeps all others from it who come after, so that
/// is given up soon.
const LAY_OUT: &str = concat!("set local lock_timeout = '3s';\n", include_str!("schema.sql"));
/// How many homes are read at a time.
const PIECE: i64 = 50_000;

/// A state in a database.
pub(crate) struct PostgresState {
    pool: PgPool,
    store: StoreId,
    /// By what this router is told from others that send a record.
    sender: Uuid,
    orders: StateOrders<Settle>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl PostgresState {
    /// Connects, makes the tables where they are missing, and takes over what an existing router had in this database.
    ///
    /// # Errors
    /// When the database does not answer, does not let this be done, or has not the store that is expected.
    pub(crate) async fn open(
        options: PgConnectOptions,
        expected: Option<StoreId>,
    ) -> Result<Self, StateError> {
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(ANSWERED)
            .connect_with(options.application_name("quipu-router"));
        let pool = in_time(pool).await?;
        let store = within(TAKEN_OVER, prepare(&pool, expected)).await?;
        let (orders, waiting) = mpsc::channel(WAITING_MAX);
        let (told, failure) = watch::channel(None);
        let task = tokio::spawn(settle_all(pool.clone(), waiting, told));
        let (orders, task) = (StateOrders::new(orders, failure), Mutex::new(Some(task)));
        Ok(Self { pool, store, sender: Uuid::new_v4(), orders, task })
    }
}

/// Waits for an answer, but not for ever.
async fn in_time<T>(work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, StateError> {
    within(ANSWERED, async { work.await.map_err(away) }).await
}

async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, StateError>>,
) -> Result<T, StateError> {
    let silent = |_| StateError::Away(format!("no answer within {} s", limit.as_secs()));
    timeout(limit, work).await.map_err(silent)?
}

fn away(error: sqlx::Error) -> StateError {
    StateError::Away(error.to_string())
}

/// Which version of the tables is there; 0 where they are older than any that is numbered, or missing.
async fn layout(connection: &mut PgConnection) -> Result<i32, StateError> {
    let is_there = sqlx::query_scalar("select to_regclass('quipu_router.layout') is not null");
    if !is_there.fetch_one(&mut *connection).await.map_err(away)? {
        return Ok(0);
    }
    let version = sqlx::query_scalar("select version from quipu_router.layout").fetch_optional(connection);
    Ok(version.await.map_err(away)?.unwrap_or(0))
}

/// Makes the tables where they are missing; which state it is.
async fn prepare(pool: &PgPool, expected: Option<StoreId>) -> Result<StoreId, StateError> {
    let mut transaction = begin(pool).await?;
    // Who takes over what an existing router knows is waited for.
    let patient = sqlx::raw_sql("set local lock_timeout = 0").execute(&mut *transaction);
    patient.await.map_err(away)?;
    lock(&mut transaction).await?;
    if layout(&mut transaction).await? < LAYOUT {
        sqlx::raw_sql(LAY_OUT).execute(&mut *transaction).await.map_err(away)?;
    }
    let known: Option<(String,)> = sqlx::query_as("select store::text from quipu_router.identity")
        .fetch_optional(&mut *transaction)
        .await
        .map_err(away)?;
    let damaged = |error: uuid::Error| StateError::Damaged(error.to_string());
    let known = known.map(|(store,)| Uuid::parse_str(&store).map(StoreId)).transpose().map_err(damaged)?;
    if let Some(expected) = expected.filter(|expected| known != Some(*expected)) {
        return Err(StateError::OtherDatabase { expected, found: known });
    }
    let store = match known {
        Some(store) => store,
        None => {
            let store = StoreId(Uuid::new_v4());
            sqlx::query("insert into quipu_router.identity (store) values ($1::uuid)")
                .bind(store.to_string())
                .execute(&mut *transaction)
                .await
                .map_err(away)?;
            takeover::take_over(&mut transaction).await?;
            info!(%store, "began what the router knows in the database");
            store
        }
    };
    transaction.commit().await.map_err(away)?;
    Ok(store)
}

/// Begins what is on disk once it is committed, whatever the database is set to. A commit that takes the server too long would be
/// told to wait no more for its other copies, and succeed. A router that freezes in it, or whose machine is gone, holds up the
/// others for less time than they wait.
async fn begin(pool: &PgPool) -> Result<Transaction<'static, Postgres>, StateError> {
    const SET: &str = "set local synchronous_commit = on; set local statement_timeout = 0; \
        set local idle_in_transaction_session_timeout = '3s'; set local lock_timeout = '3500ms'";
    let mut transaction = pool.begin().await.map_err(away)?;
    sqlx::raw_sql(SET).execute(&mut *transaction).await.map_err(away)?;
    Ok(transaction)
}

/// Changes how many processes schedulers have, in the order of their numbers: two that change them never wait for each other.
async fn count(connection: &mut PgConnection, changes: &BTreeMap<i32, i64>) -> Result<(), StateError> {
    const COUNT: &str =
        "update quipu_router.schedulers set processes = greatest(0, processes + $2) where number = $1";
    for (number, change) in changes {
        sqlx::query(COUNT).bind(number).bind(change).execute(&mut *connection).await.map_err(away)?;
    }
    Ok(())
}

/// Writes what changes nothing: once that is committed, so is all that was read before, in as many copies as the database is set
/// up for. What somebody committed who was told to wait no more for these copies can be read, and lost.
async fn confirm(pool: &PgPool) -> Result<(), StateError> {
    let mut transaction = begin(pool).await?;
    let same = sqlx::query("update quipu_router.identity set store = store").execute(&mut *transaction);
    same.await.map_err(away)?;
    transaction.commit().await.map_err(away)
}

/// Keeps others out until the transaction ends.
async fn lock(connection: &mut PgConnection) -> Result<(), StateError> {
    let locked = sqlx::query("select pg_advisory_xact_lock($1)").bind(LOCK).execute(connection);
    locked.await.map(drop).map_err(away)
}

fn read_number(number: i32) -> Result<SchedulerNumber, StateError> {
    let number = u32::try_from(number).map(SchedulerNumber);
    number.map_err(|_| StateError::Damaged("the number of a scheduler is negative".to_owned()))
}

fn read_home(number: i32, version: i64) -> Result<Home, StateError> {
    Ok(Home { scheduler: read_number(number)?, version: u64::try_from(version).unwrap_or(0) })
}

/// The number as a column has it. No router has so many schedulers that one would not fit.
fn column(number: SchedulerNumber) -> i32 {
    i32::try_from(number.0).unwrap_or(i32::MAX)
}

/// A number that grows by ones as a column has it.
fn bigint(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

async fn change(pool: &PgPool, change: FleetChange) -> Result<Vec<KnownScheduler>, StateError> {
    let mut transaction = begin(pool).await?;
    lock(&mut transaction).await?;
    for scheduler in changed(&all(&mut transaction).await?, change) {
        keep(&mut transaction, &scheduler).await?;
    }
    let all = all(&mut transaction).await?;
    transaction.commit().await.map_err(away)?;
    Ok(all)
}

#[async_trait]
impl RouterState for PostgresState {
    fn kind(&self) -> &'static str {
        "postgres"
    }

    fn store(&self) -> StoreId {
        self.store
    }

    async fn home(&self, process: ProcessId) -> Result<Option<Home>, StateError> {
        let home = sqlx::query_as("select scheduler, version from quipu_router.homes where process = $1")
            .bind(process.as_bytes().as_slice());
        let home: Option<(i32, i64)> = in_time(home.fetch_optional(&self.pool)).await?;
        let Some((number, version)) = home else { return Ok(None) };
        // Nobody may know whether that is kept: it is once it is settled.
        let scheduler = read_home(number, version)?.scheduler;
        Ok(Some(self.settle(process, scheduler, HomeCause::Found).await?.home))
    }

    async fn settle(
        &self,
        process: ProcessId,
        scheduler: SchedulerNumber,
        cause: HomeCause,
    ) -> Result<Homed, StateError> {
        self.orders.ask(|answer| Settle { process, scheduler, cause, answer }).await
    }

    async fn move_home(&self, process: ProcessId, to: Home) -> Result<Homed, StateError> {
        within(ANSWERED, moving::move_home(&self.pool, process, to)).await
    }

    async fn schedulers(&self) -> Result<Vec<KnownScheduler>, StateError> {
        let read = async { all(&mut *self.pool.acquire().await.map_err(away)?).await };
        within(ANSWERED, read).await
    }

    async fn change(&self, asked: FleetChange) -> Result<Vec<KnownScheduler>, StateError> {
        within(ANSWERED, change(&self.pool, asked)).await
    }

    async fn take_turn(
        &self,
        store: StoreId,
        term: Term,
        pause: Duration,
    ) -> Result<Option<PromotionTurn>, StateError> {
        within(ANSWERED, turns::take(&self.pool, store, term, pause)).await
    }

    async fn give_turn_back(
        &self,
        store: StoreId,
        turn: PromotionTurn,
        pause: Duration,
    ) -> Result<(), StateError> {
        within(ANSWERED, turns::give_back(&self.pool, store, turn, pause)).await
    }

    async fn marks(&self) -> Result<HashMap<StoreId, StoreMark>, StateError> {
        let read = async { marks::all(&mut *self.pool.acquire().await.map_err(away)?).await };
        within(ANSWERED, read).await
    }

    async fn raise_marks(&self, seen: HashMap<StoreId, StoreMark>) -> Result<(), StateError> {
        within(ANSWERED, marks::raise(&self.pool, seen)).await
    }

    async fn accept_mark(
        &self,
        scheduler: SchedulerNumber,
        store: StoreId,
        has: (Term, u64),
    ) -> Result<StoreMark, StateError> {
        within(ANSWERED, marks::accept(&self.pool, scheduler, store, has)).await
    }

    async fn visit(&self, most: usize, take: TakeHome<'_>) -> Result<(), StateError> {
        let (mut left, mut after) = (i64::try_from(most).unwrap_or(i64::MAX), Vec::new());
        while left > 0 {
            let piece = sqlx::query_as(
                "select process, scheduler, version from quipu_router.homes where process > $1 order by process limit $2",
            )
            .bind(after.as_slice())
            .bind(left.min(PIECE));
            let piece: Vec<(Vec<u8>, i32, i64)> = in_time(piece.fetch_all(&self.pool)).await?;
            let count = i64::try_from(piece.len()).unwrap_or(i64::MAX);
            for (process, number, version) in piece {
                take(read_process(&process)?, read_home(number, version)?);
                after = process;
            }
            if count < left.min(PIECE) {
                break;
            }
            left -= count;
        }
        Ok(())
    }

    async fn confirm(&self) -> Result<(), StateError> {
        within(ANSWERED, confirm(&self.pool)).await
    }

    async fn publications(&self) -> Result<Vec<KeptPublication>, StateError> {
        let read = async { publishing::all(&mut *self.pool.acquire().await.map_err(away)?).await };
        within(ANSWERED, read).await
    }

    async fn publish(&self, kept: KeptPublication, after: Option<u64>) -> Result<bool, StateError> {
        within(ANSWERED, publishing::publish(&self.pool, &kept, after)).await
    }

    async fn claim_publication(&self, nonce: u64, id: Id, lasting: Duration) -> Result<bool, StateError> {
        within(ANSWERED, publishing::claim(&self.pool, self.sender, (nonce, id), lasting)).await
    }

    async fn publication_taken(&self, nonce: u64, id: Id, at: Timestamp) -> Result<(), StateError> {
        within(ANSWERED, publishing::taken(&self.pool, (nonce, id), at)).await
    }

    fn failure(&self) -> Option<String> {
        self.orders.failure()
    }

    fn is_shared(&self) -> bool {
        true
    }

    async fn ended(&self) {
        self.orders.ended().await;
    }

    async fn close(&self) {
        self.orders.close();
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            // One that panicked has said so.
            let _ = task.await;
        }
        // A database that hangs keeps nobody from stopping.
        let _ = timeout(ANSWERED, self.pool.close()).await;
    }
}
