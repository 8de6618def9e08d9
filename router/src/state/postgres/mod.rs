//! What a router knows, in a database that several routers may share. Whoever inserts a process first gives it its home,
//! whichever router that was; each of them may die at any moment.
//!
//! Nothing waits for ever for the database: each answer has a limit.

mod publishing;
mod settling;
mod takeover;

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use log::{Publication, StoreId};
use protocol::ProcessId;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgConnection, PgPool};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::info;
use uuid::Uuid;

use super::changing::changed;
use super::event::{read_process, scheduler_json};
use super::{
    FleetChange, HomeCause, Homed, KnownScheduler, RouterState, SchedulerNumber, StateError, TakeHome,
};
use crate::list::{SchedulerFlags, read_wallets, wallets_text};
use crate::scheduler_url::SchedulerUrl;
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
/// How many homes are read at a time.
const PIECE: i64 = 50_000;

/// A state in a database.
pub(crate) struct PostgresState {
    pool: PgPool,
    store: StoreId,
    /// None once it is closed.
    orders: Mutex<Option<mpsc::Sender<Settle>>>,
    task: Mutex<Option<JoinHandle<()>>>,
    /// Why nothing can be placed at the moment.
    failure: watch::Receiver<Option<String>>,
}

impl PostgresState {
    /// Connects, makes the tables where they are missing, and takes over what an existing router had in this database.
    ///
    /// # Errors
    /// When the database does not answer, or does not let this be done.
    pub(crate) async fn open(options: PgConnectOptions) -> Result<Self, StateError> {
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(ANSWERED)
            .connect_with(options.application_name("quipu-router"));
        let pool = in_time(pool).await?;
        let store = within(TAKEN_OVER, prepare(&pool)).await?;
        let (orders, waiting) = mpsc::channel(WAITING_MAX);
        let (told, failure) = watch::channel(None);
        let task = tokio::spawn(settle_all(pool.clone(), waiting, told));
        let (orders, task) = (Mutex::new(Some(orders)), Mutex::new(Some(task)));
        Ok(Self { pool, store, orders, task, failure })
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

/// Makes the tables; which state it is.
async fn prepare(pool: &PgPool) -> Result<StoreId, StateError> {
    let mut transaction = pool.begin().await.map_err(away)?;
    lock(&mut transaction).await?;
    sqlx::raw_sql(include_str!("schema.sql")).execute(&mut *transaction).await.map_err(away)?;
    let known: Option<(String,)> = sqlx::query_as("select store::text from quipu_router.identity")
        .fetch_optional(&mut *transaction)
        .await
        .map_err(away)?;
    let store = match known {
        Some((store,)) => {
            let damaged = |error: uuid::Error| StateError::Damaged(error.to_string());
            StoreId(Uuid::parse_str(&store).map_err(damaged)?)
        }
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

/// Keeps others out until the transaction ends.
async fn lock(connection: &mut PgConnection) -> Result<(), StateError> {
    let locked = sqlx::query("select pg_advisory_xact_lock($1)").bind(LOCK).execute(connection);
    locked.await.map(drop).map_err(away)
}

/// Number, URL, `no_route`, wallets, `wallets_only`, whether it is retired, and how many processes it has.
type SchedulerRow = (i32, String, bool, String, bool, bool, i64);

async fn all(connection: &mut PgConnection) -> Result<Vec<KnownScheduler>, StateError> {
    let rows: Vec<SchedulerRow> = sqlx::query_as(
        "select number, url, no_route, wallets, wallets_only, retired, processes from quipu_router.schedulers \
         order by number",
    )
    .fetch_all(connection)
    .await
    .map_err(away)?;
    let read = |(number, url, no_route, wallets, wallets_only, is_retired, processes): SchedulerRow| {
        let number = read_number(number)?;
        let damaged = |error: &dyn std::fmt::Display| {
            StateError::Damaged(format!("the scheduler of number {}: {error}", number.0))
        };
        let url: SchedulerUrl = url.parse().map_err(|error| damaged(&error))?;
        let wallets = read_wallets(&url, wallets.split(',')).map_err(|error| damaged(&error))?;
        let flags = SchedulerFlags { no_route, wallets, wallets_only };
        let processes = u64::try_from(processes).unwrap_or(0);
        Ok(KnownScheduler { number, url, flags, is_retired, processes })
    };
    rows.into_iter().map(read).collect()
}

fn read_number(number: i32) -> Result<SchedulerNumber, StateError> {
    let number = u32::try_from(number).map(SchedulerNumber);
    number.map_err(|_| StateError::Damaged("the number of a scheduler is negative".to_owned()))
}

/// The number as a column has it. No router has so many schedulers that one would not fit.
fn column(number: SchedulerNumber) -> i32 {
    i32::try_from(number.0).unwrap_or(i32::MAX)
}

/// Stores a scheduler that is new or other than before.
async fn keep(connection: &mut PgConnection, scheduler: &KnownScheduler) -> Result<(), StateError> {
    let KnownScheduler { number, url, flags, is_retired, .. } = scheduler;
    sqlx::query(
        "insert into quipu_router.schedulers (number, url, no_route, wallets, wallets_only, retired) \
         values ($1, $2, $3, $4, $5, $6) on conflict (number) do update set no_route = excluded.no_route, \
         wallets = excluded.wallets, wallets_only = excluded.wallets_only, retired = excluded.retired",
    )
    .bind(column(*number))
    .bind(url.as_str())
    .bind(flags.no_route)
    .bind(wallets_text(&flags.wallets))
    .bind(flags.wallets_only)
    .bind(is_retired)
    .execute(&mut *connection)
    .await
    .map_err(away)?;
    sqlx::query(
        "insert into quipu_router.events (kind, scheduler, detail) values ('scheduler', $1, $2::jsonb)",
    )
    .bind(column(*number))
    .bind(scheduler_json(scheduler))
    .execute(connection)
    .await
    .map_err(away)?;
    Ok(())
}

async fn change(pool: &PgPool, change: FleetChange) -> Result<Vec<KnownScheduler>, StateError> {
    let mut transaction = pool.begin().await.map_err(away)?;
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

    async fn home(&self, process: ProcessId) -> Result<Option<SchedulerNumber>, StateError> {
        let home = sqlx::query_as("select scheduler from quipu_router.homes where process = $1")
            .bind(process.as_bytes().as_slice());
        let home: Option<(i32,)> = in_time(home.fetch_optional(&self.pool)).await?;
        home.map(|(number,)| read_number(number)).transpose()
    }

    async fn settle(
        &self,
        process: ProcessId,
        scheduler: SchedulerNumber,
        cause: HomeCause,
    ) -> Result<Homed, StateError> {
        let orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (answer, answered) = oneshot::channel();
        let order = Settle { process, scheduler, cause, answer };
        orders.ok_or(StateError::Closing)?.send(order).await.map_err(|_| StateError::Closing)?;
        answered.await.map_err(|_| StateError::Closing)?
    }

    async fn schedulers(&self) -> Result<Vec<KnownScheduler>, StateError> {
        let read = async { all(&mut *self.pool.acquire().await.map_err(away)?).await };
        within(ANSWERED, read).await
    }

    async fn change(&self, asked: FleetChange) -> Result<Vec<KnownScheduler>, StateError> {
        within(ANSWERED, change(&self.pool, asked)).await
    }

    async fn visit(&self, most: usize, take: TakeHome<'_>) -> Result<(), StateError> {
        let (mut left, mut after) = (i64::try_from(most).unwrap_or(i64::MAX), Vec::new());
        while left > 0 {
            let piece = sqlx::query_as(
                "select process, scheduler from quipu_router.homes where process > $1 order by process limit $2",
            )
            .bind(after.as_slice())
            .bind(left.min(PIECE));
            let piece: Vec<(Vec<u8>, i32)> = in_time(piece.fetch_all(&self.pool)).await?;
            let count = i64::try_from(piece.len()).unwrap_or(i64::MAX);
            for (process, number) in piece {
                take(read_process(&process)?, read_number(number)?);
                after = process;
            }
            if count < left.min(PIECE) {
                break;
            }
            left -= count;
        }
        Ok(())
    }

    async fn publications(&self) -> Result<Vec<Publication>, StateError> {
        let read = async { publishing::all(&mut *self.pool.acquire().await.map_err(away)?).await };
        within(ANSWERED, read).await
    }

    async fn publish(&self, publication: Publication, after: Option<u64>) -> Result<bool, StateError> {
        within(ANSWERED, publishing::publish(&self.pool, &publication, after)).await
    }

    fn failure(&self) -> Option<String> {
        self.failure.borrow().clone()
    }

    fn is_shared(&self) -> bool {
        true
    }

    async fn ended(&self) {
        let mut failure = self.failure.clone();
        while failure.changed().await.is_ok() {}
    }

    async fn close(&self) {
        drop(self.orders.lock().unwrap_or_else(PoisonError::into_inner).take());
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            // One that panicked has said so.
            let _ = task.await;
        }
        // A database that hangs keeps nobody from stopping.
        let _ = timeout(ANSWERED, self.pool.close()).await;
    }
}
