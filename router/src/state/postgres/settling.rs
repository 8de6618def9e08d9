//! Giving processes their homes in the database: all that wait at a moment in one transaction.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use protocol::ProcessId;
use sqlx::PgPool;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{info, warn};

use super::{ANSWERED, away, begin, column, count, read_home, read_number, within};
use crate::state::event::read_process;
use crate::state::{Home, HomeCause, Homed, SchedulerNumber, StateError};

/// How many are written together at most.
const BATCH_MAX: usize = 512;
/// Once the database did not answer, what comes within this time is refused without asking it.
const PAUSE: Duration = Duration::from_millis(500);

/// A process is to be given a home.
pub(super) struct Settle {
    pub(super) process: ProcessId,
    pub(super) scheduler: SchedulerNumber,
    pub(super) cause: HomeCause,
    pub(super) answer: oneshot::Sender<Result<Homed, StateError>>,
}

/// What is written for each process, in their order: two routers that write the same ones never wait for each other.
type Wanted = BTreeMap<ProcessId, (SchedulerNumber, HomeCause)>;

/// Settles until nobody can ask for it any more.
pub(super) async fn settle_all(
    pool: PgPool,
    mut orders: mpsc::Receiver<Settle>,
    failure: watch::Sender<Option<String>>,
) {
    let mut failed: Option<(Instant, StateError)> = None;
    let mut waiting = Vec::new();
    while orders.recv_many(&mut waiting, BATCH_MAX).await > 0 {
        let asked: Vec<Settle> = std::mem::take(&mut waiting);
        if let Some((_, error)) = failed.as_ref().filter(|(since, _)| since.elapsed() < PAUSE) {
            asked.into_iter().for_each(|one| drop(one.answer.send(Err(error.clone()))));
            continue;
        }
        let mut wanted = Wanted::new();
        for one in &asked {
            wanted.entry(one.process).or_insert((one.scheduler, one.cause));
        }
        let settled = within(ANSWERED, settle(&pool, &wanted)).await;
        tell(&failure, settled.as_ref().err());
        failed = settled.as_ref().err().map(|error| (Instant::now(), error.clone()));
        for one in asked {
            let missing = || StateError::Damaged(format!("the home of {} is not there", one.process));
            let homed = settled.as_ref().map_err(Clone::clone);
            let homed = homed.and_then(|homes| homes.get(&one.process).copied().ok_or_else(missing));
            drop(one.answer.send(homed));
        }
    }
}

/// Says when the database goes and when it comes back.
fn tell(failure: &watch::Sender<Option<String>>, error: Option<&StateError>) {
    let error = error.map(StateError::to_string);
    match (&*failure.borrow(), &error) {
        (None, Some(error)) => warn!(error, "nothing can be placed; what is known goes on"),
        (Some(_), None) => info!("the database answers again"),
        _ => {}
    }
    failure.send_if_modified(|told| {
        let is_other = told.is_some() != error.is_some();
        *told = error;
        is_other
    });
}

/// The home of each, which is on disk.
async fn settle(pool: &PgPool, wanted: &Wanted) -> Result<BTreeMap<ProcessId, Homed>, StateError> {
    let processes: Vec<Vec<u8>> = wanted.keys().map(|process| process.as_bytes().to_vec()).collect();
    let schedulers: Vec<i32> = wanted.values().map(|(scheduler, _)| column(*scheduler)).collect();
    let mut transaction = begin(pool).await?;
    let new: Vec<(Vec<u8>, i32)> = sqlx::query_as(
        "insert into quipu_router.homes (process, scheduler) select * from unnest($1::bytea[], $2::integer[]) \
         on conflict (process) do nothing returning process, scheduler",
    )
    .bind(&processes)
    .bind(&schedulers)
    .fetch_all(&mut *transaction)
    .await
    .map_err(away)?;
    let mut homes = BTreeMap::new();
    let mut more: BTreeMap<i32, i64> = BTreeMap::new();
    let mut kinds = Vec::with_capacity(new.len());
    for (process, number) in &new {
        let (process, scheduler) = (read_process(process)?, read_number(*number)?);
        homes.insert(process, Homed { home: Home::first(scheduler), is_new: true });
        *more.entry(*number).or_default() += 1;
        kinds.push(kind(wanted.get(&process).map_or(HomeCause::Placed, |(_, cause)| *cause)));
    }
    if homes.len() < wanted.len() {
        // Others were first, and have committed.
        let known: Vec<(Vec<u8>, i32, i64)> = sqlx::query_as(
            "select process, scheduler, version from quipu_router.homes where process = any($1)",
        )
        .bind(&processes)
        .fetch_all(&mut *transaction)
        .await
        .map_err(away)?;
        for (process, number, version) in known {
            let home = read_home(number, version)?;
            homes.entry(read_process(&process)?).or_insert(Homed { home, is_new: false });
        }
    }
    if new.is_empty() {
        // Whoever was first may not know whether it is kept: it is, in each copy that must have it, once what is written after
        // it is.
        more.extend(homes.values().next().map(|homed| (column(homed.home.scheduler), 0)));
    }
    if !new.is_empty() {
        let (processes, schedulers): (Vec<_>, Vec<_>) = new.into_iter().unzip();
        sqlx::query(
            "insert into quipu_router.events (kind, process, scheduler) \
             select * from unnest($1::text[], $2::bytea[], $3::integer[])",
        )
        .bind(&kinds)
        .bind(&processes)
        .bind(&schedulers)
        .execute(&mut *transaction)
        .await
        .map_err(away)?;
    }
    count(&mut transaction, &more).await?;
    transaction.commit().await.map_err(away)?;
    Ok(homes)
}

/// As the events have it.
fn kind(cause: HomeCause) -> &'static str {
    match cause {
        HomeCause::Placed => "placed",
        HomeCause::Found => "found",
    }
}
