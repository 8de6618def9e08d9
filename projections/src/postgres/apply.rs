//! One batch into the tables, in the transaction of its cursor.

use std::collections::{BTreeMap, HashMap};

use sqlx::{AssertSqlSafe, query};

use super::connections::RebuildConnections;
use super::rows::{HourTotals, StagedRows};
use super::session::Session;
use crate::projection::ProjectionError;

/// Sends all rows of a batch.
pub(super) async fn insert(
    session: &mut Session,
    schema: &str,
    store: &str,
    staged: &mut StagedRows,
) -> Result<(), ProjectionError> {
    for rows in [&mut staged.messages, &mut staged.assignments, &mut staged.tags, &mut staged.processes] {
        session.copy(schema, rows).await?;
    }
    owners(session, schema, store, &staged.owners).await?;
    totals(session, schema, store, &staged.totals).await
}

/// The same for the tables of a rebuild, some of which further connections fill while this one fills the others.
pub(super) async fn insert_side_by_side(
    session: &mut Session,
    further: &mut RebuildConnections,
    schema: &str,
    store: &str,
    staged: &mut StagedRows,
) -> Result<(), ProjectionError> {
    let StagedRows { messages, assignments, tags, processes, owners: keys, totals: counts, .. } = staged;
    let here = async {
        session.copy(schema, messages).await?;
        owners(session, schema, store, keys).await?;
        totals(session, schema, store, counts).await
    };
    tokio::try_join!(further.fill(schema, [assignments, tags, processes]), here).map(|_| ())
}

async fn owners(
    session: &mut Session,
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
    session.execute(insert).await
}

async fn totals(
    session: &mut Session,
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
    session.execute(upsert).await
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
    session: &mut Session,
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
    session.execute_patiently(bind(counted)).await?;
    let emptied = format!("delete from {schema}.totals where spawned = 0 and scheduled = 0 and assigned = 0");
    session.run_patiently(emptied).await?;
    let tags = format!(
        "delete from {schema}.tags where sequence between $2 and $3 and store = $1::uuid and ($4::text is null or \
         sequence in (select sequence from {schema}.messages where store = $1::uuid and sequence between $2 and $3 \
         and process = $4))"
    );
    session.execute_patiently(bind(AssertSqlSafe(tags))).await?;
    for table in ["messages", "assignments", "processes"] {
        let delete = format!(
            "delete from {schema}.{table} where store = $1::uuid and sequence between $2 and $3 \
             and ($4::text is null or process = $4)"
        );
        session.execute_patiently(bind(AssertSqlSafe(delete))).await?;
    }
    if for_good {
        trim(session, schema, store, span.from).await?;
    }
    Ok(())
}

/// What else follows from rows that will not come back, from an event to the end.
async fn trim(session: &mut Session, schema: &str, store: &str, from: i64) -> Result<(), ProjectionError> {
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
        session.execute_patiently(query(AssertSqlSafe(sql)).bind(store).bind(from)).await?;
    }
    Ok(())
}
