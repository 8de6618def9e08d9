//! Questions whose answer is short: where an id is, how many there are, how far the tables are.

use std::time::{SystemTime, UNIX_EPOCH};

use log::Seq;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::entry::{EntryKind, unsigned};
use crate::postgres::HOUR_MS;

const HOUR_SECONDS: f64 = 3600.0;

/// One place where an id is scheduled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemPlace {
    /// Its place in the log.
    pub sequence: u64,
    /// The process.
    pub process: String,
    /// Its place in the process; none for a process that was spawned without an assignment.
    pub nonce: Option<u64>,
    /// What happened.
    pub kind: EntryKind,
    /// The id of the item, or of what is on chain.
    pub message: String,
    /// The id of the assignment.
    pub assignment: Option<String>,
    /// When, in milliseconds.
    pub timestamp: Option<i64>,
}

/// Counts of a process or of all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoreTotals {
    /// Processes; 1 or 0 for one process.
    pub processes: u64,
    /// Messages that were scheduled.
    pub scheduled: u64,
    /// What is on chain and was assigned.
    pub assigned: u64,
    /// Of data, in bytes.
    pub bytes: u64,
    /// The beginning of the hour of the first assignment, in milliseconds.
    pub first_hour: Option<i64>,
    /// The beginning of the hour of the last assignment, in milliseconds.
    pub last_hour: Option<i64>,
    /// Events per second over the last hour.
    pub rate_hour: f64,
    /// Events per second over the last 24 hours.
    pub rate_day: f64,
}

const PLACES: &str = "\
    with found as (
        select sequence from quipu.messages where store = $1::uuid and id = $2
        union
        select sequence from quipu.assignments where store = $1::uuid and id = $2 and nonce is not null
        order by sequence limit 1000)
    select m.sequence, m.process, m.nonce, m.kind, m.id, m.timestamp,
        case when a.nonce is not null then a.id end as assignment
    from found join quipu.messages m on m.store = $1::uuid and m.sequence = found.sequence
    left join quipu.assignments a on a.store = $1::uuid and a.sequence = found.sequence
    order by m.sequence";

// Of the first hour of a span only the part counts that lies within it, as if all had come evenly.
const TOTALS: &str = "\
    select coalesce(sum(spawned), 0)::bigint as spawned, coalesce(sum(scheduled), 0)::bigint as scheduled,
        coalesce(sum(assigned), 0)::bigint as assigned, coalesce(sum(bytes), 0)::bigint as bytes,
        min(hour) filter (where hour > 0) as first, max(hour) filter (where hour > 0) as last,
        coalesce(sum((spawned + scheduled + assigned) * case hour when $3 - 1 then $4 else 1 end)
            filter (where hour >= $3 - 1), 0)::float8 as in_hour,
        coalesce(sum((spawned + scheduled + assigned) * case hour when $3 - 24 then $4 else 1 end)
            filter (where hour >= $3 - 24), 0)::float8 as in_day
    from quipu.totals where store = $1::uuid and process = $2";

pub(super) async fn places(
    on: &mut PgConnection,
    store: Uuid,
    id: &str,
) -> Result<Vec<ItemPlace>, sqlx::Error> {
    let rows = sqlx::query(PLACES).bind(store.to_string()).bind(id).persistent(false).fetch_all(on).await?;
    let place = |row: &sqlx::postgres::PgRow| {
        Ok(ItemPlace {
            sequence: unsigned(row.try_get("sequence")?)?,
            process: row.try_get("process")?,
            nonce: row.try_get::<Option<i64>, _>("nonce")?.map(unsigned).transpose()?,
            kind: EntryKind::of(row.try_get("kind")?)?,
            message: row.try_get("id")?,
            assignment: row.try_get("assignment")?,
            timestamp: row.try_get("timestamp")?,
        })
    };
    rows.iter().map(place).collect()
}

pub(super) async fn totals(
    on: &mut PgConnection,
    store: Uuid,
    process: Option<&str>,
) -> Result<StoreTotals, sqlx::Error> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let hours = now / HOUR_SECONDS;
    let row = sqlx::query(TOTALS)
        .bind(store.to_string())
        .bind(process.unwrap_or_default())
        .bind(hours as i64)
        .bind(1.0 - hours.fract())
        .persistent(false)
        .fetch_one(on)
        .await?;
    let count = |name: &str| unsigned(row.try_get(name)?);
    let begin = |name: &str| {
        row.try_get::<Option<i64>, _>(name).map(|hour| hour.map(|hour| hour.saturating_mul(HOUR_MS)))
    };
    Ok(StoreTotals {
        processes: count("spawned")?,
        scheduled: count("scheduled")?,
        assigned: count("assigned")?,
        bytes: count("bytes")?,
        first_hour: begin("first")?,
        last_hour: begin("last")?,
        rate_hour: row.try_get::<f64, _>("in_hour")? / HOUR_SECONDS,
        rate_day: row.try_get::<f64, _>("in_day")? / (24.0 * HOUR_SECONDS),
    })
}

pub(super) async fn position(on: &mut PgConnection, store: Uuid) -> Result<Option<Seq>, sqlx::Error> {
    let sql = "select position from quipu.cursors where store = $1::uuid and live";
    let position: Option<Option<i64>> =
        sqlx::query_scalar(sql).bind(store.to_string()).persistent(false).fetch_optional(on).await?;
    position.flatten().map(|position| unsigned(position).map(Seq::new)).transpose()
}
