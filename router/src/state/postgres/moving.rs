//! Processes that have moved, in the database.

use protocol::ProcessId;
use sqlx::PgPool;

use super::{away, column, read_home};
use crate::state::{Home, StateError};

/// A process has moved there, unless a higher version is known: its home, which is on disk.
pub(super) async fn move_home(pool: &PgPool, process: ProcessId, to: Home) -> Result<Home, StateError> {
    let (key, number) = (process.as_bytes().as_slice(), column(to.scheduler));
    let version = i64::try_from(to.version).unwrap_or(i64::MAX);
    let mut transaction = pool.begin().await.map_err(away)?;
    sqlx::query("set local synchronous_commit = on").execute(&mut *transaction).await.map_err(away)?;
    // Whoever settles it meanwhile has done so, or waits.
    let inserted = sqlx::query(
        "insert into quipu_router.homes (process, scheduler, version) values ($1, $2, 0) on conflict (process) do nothing",
    )
    .bind(key)
    .bind(number)
    .execute(&mut *transaction)
    .await
    .map_err(away)?;
    let is_new = inserted.rows_affected() > 0;
    let (known, known_version): (i32, i64) =
        sqlx::query_as("select scheduler, version from quipu_router.homes where process = $1 for update")
            .bind(key)
            .fetch_one(&mut *transaction)
            .await
            .map_err(away)?;
    if known_version >= version {
        return read_home(known, known_version);
    }
    sqlx::query("update quipu_router.homes set scheduler = $2, version = $3 where process = $1")
        .bind(key)
        .bind(number)
        .bind(version)
        .execute(&mut *transaction)
        .await
        .map_err(away)?;
    sqlx::query(
        "insert into quipu_router.events (kind, process, scheduler, detail) \
         values ('moved', $1, $2, jsonb_build_object('version', $3::bigint))",
    )
    .bind(key)
    .bind(number)
    .bind(version)
    .execute(&mut *transaction)
    .await
    .map_err(away)?;
    // In the order of their numbers, as whoever else counts them.
    let mut changes = vec![(number, 1_i64)];
    if !is_new {
        changes.push((known, -1));
    }
    changes.sort_unstable();
    for (number, change) in changes {
        sqlx::query(
            "update quipu_router.schedulers set processes = greatest(0, processes + $2) where number = $1",
        )
        .bind(number)
        .bind(change)
        .execute(&mut *transaction)
        .await
        .map_err(away)?;
    }
    transaction.commit().await.map_err(away)?;
    Ok(to)
}
