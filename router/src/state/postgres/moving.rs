//! Processes that have moved, in the database.

use std::collections::BTreeMap;

use protocol::ProcessId;
use sqlx::PgPool;

use super::{away, begin, bigint, column, count, read_home};
use crate::state::{Home, Homed, StateError};

/// Whoever settles the process meanwhile has done so, or waits.
const SETTLE: &str = "insert into quipu_router.homes (process, scheduler, version) values ($1, $2, 0) \
                      on conflict (process) do nothing";
const KNOWN: &str = "select scheduler, version from quipu_router.homes where process = $1 for update";
const MOVE: &str = "update quipu_router.homes set scheduler = $2, version = $3 where process = $1";
const EVENT: &str = "insert into quipu_router.events (kind, process, scheduler, detail) \
                     values ('moved', $1, $2, jsonb_build_object('version', $3::bigint))";

/// A process has moved there, unless a higher version is known: its home, which is on disk.
pub(super) async fn move_home(pool: &PgPool, process: ProcessId, to: Home) -> Result<Homed, StateError> {
    let (key, number) = (process.as_bytes().as_slice(), column(to.scheduler));
    let version = bigint(to.version);
    let mut transaction = begin(pool).await?;
    let settled = sqlx::query(SETTLE).bind(key).bind(number).execute(&mut *transaction).await;
    let is_new = settled.map_err(away)?.rows_affected() > 0;
    let known = sqlx::query_as(KNOWN).bind(key).fetch_one(&mut *transaction).await;
    let (known, known_version): (i32, i64) = known.map_err(away)?;
    if known_version >= version {
        // As in `settling`: what was read counts once this is kept.
        count(&mut transaction, &BTreeMap::from([(known, 0)])).await?;
        transaction.commit().await.map_err(away)?;
        return Ok(Homed { home: read_home(known, known_version)?, is_new: false });
    }
    for statement in [MOVE, EVENT] {
        let moved = sqlx::query(statement).bind(key).bind(number).bind(version).execute(&mut *transaction);
        moved.await.map_err(away)?;
    }
    let mut changes = BTreeMap::from([(number, 1)]);
    if !is_new {
        *changes.entry(known).or_default() -= 1;
    }
    count(&mut transaction, &changes).await?;
    transaction.commit().await.map_err(away)?;
    Ok(Homed { home: to, is_new: true })
}
