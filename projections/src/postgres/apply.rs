//! One batch into the tables, in the transaction of its cursor.

use std::collections::{BTreeMap, HashMap};

use sqlx::{AssertSqlSafe, PgConnection, query};

use super::connect::{failed, in_time};
use super::connections::RebuildConnections;
use super::copy::copy;
use super::rows::{HourTotals, StagedRows};
use crate::projection::ProjectionError;

/// Sends all rows of a batch.
pub(super) async fn insert(
    connection: &mut PgConnection,
    schema: &str,
    store: &str,
    staged: &mut StagedRows,
) -> Result<(), ProjectionError> {
    for rows in [&mut staged.messages, &mut staged.assignments, &mut staged.tags, &mut staged.processes] {
        copy(connection, schema, rows).await?;
    }
    owners(connection, schema, store, &staged.owners).await?;
    totals(connection, schema, store, &staged.totals).await
}

/// The same for the tables of a rebuild, which the further fill while this connection fills the others.
pub(super) async fn insert_side_by_side(
    connection: &mut PgConnection,
    further: &mut RebuildConnections,
    schema: &str,
    store: &str,
    staged: &mut StagedRows,
) -> Result<(), ProjectionError> {
    let StagedRows { messages, assignments, tags, processes, owners: keys, totals: counts, .. } = staged;
    let here = async {
        copy(connection, schema, messages).await?;
        owners(connection, schema, store, keys).await?;
        totals(connection, schema, store, counts).await
    };
    tokio::try_join!(further.fill(schema, [assignments, tags, processes]), here).map(|_| ())
}

async fn owners(
    connection: &mut PgConnection,
    schema: &str,
    store: &str,
    owners: &HashMap<String, (i64, Vec<u8>)>,
) -> Result<(), ProjectionError> {
    if owners.is_empty() {
        return Ok(());
    }
    let mut owners: Vec<_> = owners.iter().collect();
    owners.sort_by_key(|(_, (sequence, _))| *sequence);
    let addresses: Vec<&str> = owners.iter().map(|(address, _)| address.as_str()).collect();
    let sequences: Vec<i64> = owners.iter().map(|(_, (sequence, _))| *sequence).collect();
    let keys: Vec<&[u8]> = owners.iter().map(|(_, (_, key))| key.as_slice()).collect();
    let insert = query(AssertSqlSafe(format!(
        "insert into {schema}.owners (store, address, sequence, key) \
         select $1::uuid, * from unnest($2::text[], $3::bigint[], $4::bytea[]) on conflict do nothing"
    )));
    let insert = insert.bind(store).bind(addresses).bind(sequences).bind(keys);
    in_time(insert.execute(connection)).await.map(|_| ())
}

async fn totals(
    connection: &mut PgConnection,
    schema: &str,
    store: &str,
    totals: &BTreeMap<(String, i64), HourTotals>,
) -> Result<(), ProjectionError> {
    if totals.is_empty() {
        return Ok(());
    }
    let column = |value: fn(&HourTotals) -> i64| totals.values().map(value).collect::<Vec<i64>>();
    let processes: Vec<&str> = totals.keys().map(|(process, _)| process.as_str()).collect();
    let hours: Vec<i64> = totals.keys().map(|(_, hour)| *hour).collect();
    let upsert = query(AssertSqlSafe(format!(
        "insert into {schema}.totals as t (store, process, hour, spawned, scheduled, assigned, bytes, first, last) \
         select $1::uuid, * from unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], \
         $8::bigint[], $9::bigint[]) \
         on conflict (store, process, hour) do update set spawned = t.spawned + excluded.spawned, \
         scheduled = t.scheduled + excluded.scheduled, assigned = t.assigned + excluded.assigned, \
         bytes = t.bytes + excluded.bytes, first = least(t.first, excluded.first), \
         last = greatest(t.last, excluded.last)"
    )));
    let upsert = upsert.bind(store).bind(processes).bind(hours).bind(column(|t| t.spawned));
    let upsert = upsert.bind(column(|t| t.scheduled)).bind(column(|t| t.assigned)).bind(column(|t| t.bytes));
    let upsert = upsert.bind(column(|t| t.first)).bind(column(|t| t.last));
    in_time(upsert.execute(connection)).await.map(|_| ())
}

/// Which rows are taken out.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowSpan<'a> {
    /// The first sequence number.
    pub(super) from: i64,
    /// The last one.
    pub(super) to: i64,
    /// Of this process alone.
    pub(super) process: Option<&'a str>,
}

/// Takes rows out of every table but that of owners, and out of the counts; within a transaction. When they go for good
/// all rows to the end go, and the keys that came with them first.
pub(super) async fn delete(
    connection: &mut PgConnection,
    schema: &str,
    store: &str,
    span: RowSpan<'_>,
    for_good: bool,
) -> Result<(), ProjectionError> {
    let counted = AssertSqlSafe(format!(
        "with gone as (
             select process, coalesce(timestamp, 0) / 3600000 as hour, kind, coalesce(size, 0) as size
             from {schema}.messages
             where store = $1::uuid and sequence between $2 and $3 and ($4::text is null or process = $4)
         ), counted as (
             select name, hour, count(*) filter (where kind = 0) as spawned,
                 count(*) filter (where kind = 1) as scheduled, count(*) filter (where kind = 2) as assigned,
                 sum(size) as bytes
             from gone cross join lateral (values (gone.process), ('')) as names (name) group by name, hour
         )
         update {schema}.totals t set spawned = t.spawned - c.spawned, scheduled = t.scheduled - c.scheduled,
             assigned = t.assigned - c.assigned, bytes = t.bytes - c.bytes
         from counted c where t.store = $1::uuid and t.process = c.name and t.hour = c.hour"
    ));
    let bind = |sql| query(sql).bind(store).bind(span.from).bind(span.to).bind(span.process);
    bind(counted).execute(&mut *connection).await.map_err(failed)?;
    let emptied = format!("delete from {schema}.totals where spawned = 0 and scheduled = 0 and assigned = 0");
    query(AssertSqlSafe(emptied)).execute(&mut *connection).await.map_err(failed)?;
    let tags = format!(
        "delete from {schema}.tags where sequence between $2 and $3 and store = $1::uuid and ($4::text is null or \
         sequence in (select sequence from {schema}.messages where store = $1::uuid and sequence between $2 and $3 \
         and process = $4))"
    );
    bind(AssertSqlSafe(tags)).execute(&mut *connection).await.map_err(failed)?;
    for table in ["messages", "assignments", "processes"] {
        let delete = format!(
            "delete from {schema}.{table} where store = $1::uuid and sequence between $2 and $3 \
             and ($4::text is null or process = $4)"
        );
        bind(AssertSqlSafe(delete)).execute(&mut *connection).await.map_err(failed)?;
    }
    if for_good {
        trim(connection, schema, store, span.from).await?;
    }
    Ok(())
}

/// What else follows from rows that will not come back, from an event to the end.
async fn trim(
    connection: &mut PgConnection,
    schema: &str,
    store: &str,
    from: i64,
) -> Result<(), ProjectionError> {
    let owners = format!("delete from {schema}.owners where store = $1::uuid and sequence >= $2");
    // Hours that ended before are as they were.
    let spans = format!(
        "with late as (
             select hour from {schema}.totals where store = $1::uuid and process = '' and last >= $2
         ), kept as (
             select process, coalesce(timestamp, 0) / 3600000 as hour, sequence from {schema}.messages
             where store = $1::uuid
                 and (timestamp >= (select min(hour) * 3600000 from late) or timestamp is null)
         ), spans as (
             select name, hour, min(sequence) as first, max(sequence) as last
             from kept cross join lateral (values (kept.process), ('')) as names (name) group by name, hour
         )
         update {schema}.totals t set first = s.first, last = s.last from spans s
         where t.store = $1::uuid and t.process = s.name and t.hour = s.hour and t.last >= $2"
    );
    for sql in [owners, spans] {
        let trim = query(AssertSqlSafe(sql)).bind(store).bind(from);
        trim.execute(&mut *connection).await.map_err(failed)?;
    }
    Ok(())
}
