//! The tables of the existing scheduler, as they are after all of its migrations.

use std::mem;

use projections::DatabaseUrl;
use protocol::ProcessId;
use sqlx::postgres::PgConnection;
use sqlx::types::Json;
use sqlx::{ConnectOptions, Connection};
use tokio::runtime::{Builder, Runtime};

use super::{BackError, BackRow, BackSummary, BackTarget};

const TABLES: &str = include_str!("tables.sql");
/// When rows are written together.
const BATCH_ROWS: usize = 500;
const BATCH_BYTES: usize = 4 << 20;

/// A database that rows are written to.
pub struct PostgresTables {
    place: String,
    runtime: Runtime,
    connection: PgConnection,
    batch: Vec<BackRow>,
    bytes: usize,
    summary: BackSummary,
}

impl PostgresTables {
    /// Connects, and makes the tables that are missing.
    ///
    /// # Errors
    /// When that fails.
    pub fn open(url: &DatabaseUrl) -> Result<Self, BackError> {
        let place = url.place();
        let runtime = Builder::new_current_thread().enable_all().build().map_err(BackError::Runtime)?;
        let opened = runtime.block_on(async {
            let mut connection = url.connect_as("quipu export").connect().await?;
            sqlx::raw_sql(TABLES).execute(&mut connection).await?;
            Ok(connection)
        });
        let connection = opened.map_err(|error| BackError::Postgres { place: place.clone(), error })?;
        let (batch, summary) = (Vec::new(), BackSummary::default());
        Ok(Self { place, runtime, connection, batch, bytes: 0, summary })
    }

    /// Writes what was collected in one transaction; what is there already stays as it is.
    fn write(&mut self) -> Result<(), BackError> {
        let batch = mem::take(&mut self.batch);
        self.bytes = 0;
        let (processes, messages): (Vec<_>, Vec<_>) = batch.into_iter().partition(|row| row.is_process);
        let (runtime, connection) = (&self.runtime, &mut self.connection);
        let written = runtime.block_on(async {
            let mut begun = connection.begin().await?;
            let mut written = insert_processes(&mut begun, &processes).await?;
            let unspawned = unspawned(&mut begun, &messages).await?;
            written += insert_messages(&mut begun, &messages).await?;
            begun.commit().await?;
            Ok((written, unspawned))
        });
        let (written, unspawned) =
            written.map_err(|error| BackError::Postgres { place: self.place.clone(), error })?;
        let mut rows = (processes.len() + messages.len()) as u64;
        for row in messages.iter().filter(|row| unspawned.contains(&row.process)) {
            self.summary.leave_out(row, "its process was never spawned, which a database does not take");
            rows = rows.saturating_sub(1);
        }
        self.summary.written = self.summary.written.saturating_add(written);
        self.summary.already_there = self.summary.already_there.saturating_add(rows.saturating_sub(written));
        Ok(())
    }
}

impl BackTarget for PostgresTables {
    fn take(&mut self, row: BackRow) -> Result<(), BackError> {
        if has_nul(&row.json) {
            self.summary.leave_out(&row, "it has a zero byte in its text, which a database does not take");
            return Ok(());
        }
        self.bytes = self.bytes.saturating_add(row.blob.len());
        self.batch.push(row);
        if self.batch.len() >= BATCH_ROWS || self.bytes >= BATCH_BYTES { self.write() } else { Ok(()) }
    }

    fn finish(&mut self) -> Result<BackSummary, BackError> {
        self.write()?;
        Ok(self.summary.clone())
    }
}

fn has_nul(json: &serde_json::Value) -> bool {
    use serde_json::Value;
    match json {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(has_nul),
        Value::Object(fields) => fields.values().any(has_nul),
        _ => false,
    }
}

async fn insert_processes(to: &mut PgConnection, rows: &[BackRow]) -> Result<u64, sqlx::Error> {
    let sql = "insert into processes (process_id, process_data, bundle, epoch, nonce, hash_chain, timestamp) \
               select p, d, b, case when n is not null then 0 end, n, \
                      case when n is not null then h end, case when n is not null then t end \
               from unnest($1::text[], $2::jsonb[], $3::bytea[], $4::int4[], $5::text[], $6::int8[]) \
                    as r (p, d, b, n, h, t) \
               on conflict do nothing";
    let done = sqlx::query(sql)
        .bind(rows.iter().map(|row| row.process.to_string()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| Json(&row.json)).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.blob.as_slice()).collect::<Vec<_>>())
        .bind(rows.iter().map(nonce).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.chain.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(timestamp).collect::<Vec<_>>())
        .execute(to)
        .await?;
    Ok(done.rows_affected())
}

/// Those of the processes of these rows that are not in the table.
async fn unspawned(to: &mut PgConnection, rows: &[BackRow]) -> Result<Vec<ProcessId>, sqlx::Error> {
    let mut processes: Vec<ProcessId> = rows.iter().map(|row| row.process).collect();
    processes.sort_unstable();
    processes.dedup();
    let sql = "select process_id from processes where process_id = any($1)";
    let names: Vec<_> = processes.iter().map(ToString::to_string).collect();
    let there: Vec<String> = sqlx::query_scalar(sql).bind(names).fetch_all(to).await?;
    processes.retain(|process| !there.contains(&process.to_string()));
    Ok(processes)
}

async fn insert_messages(to: &mut PgConnection, rows: &[BackRow]) -> Result<u64, sqlx::Error> {
    let sql = "insert into messages (process_id, message_id, message_data, epoch, nonce, timestamp, bundle, hash_chain, \
                                     assignment_id) \
               select p, m, d, 0, n, t, b, h, a \
               from unnest($1::text[], $2::text[], $3::jsonb[], $4::int4[], $5::int8[], $6::bytea[], $7::text[], \
                           $8::text[]) with ordinality as r (p, m, d, n, t, b, h, a, o) \
               where exists (select 1 from processes where process_id = p) \
                 and not exists (select 1 from messages where process_id = p and nonce = n) \
               order by o \
               on conflict do nothing";
    let done = sqlx::query(sql)
        .bind(rows.iter().map(|row| row.process.to_string()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.message.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| Json(&row.json)).collect::<Vec<_>>())
        .bind(rows.iter().map(nonce).collect::<Vec<_>>())
        .bind(rows.iter().map(timestamp).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.blob.as_slice()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.chain.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.assignment.as_deref()).collect::<Vec<_>>())
        .execute(to)
        .await?;
    Ok(done.rows_affected())
}

fn nonce(row: &BackRow) -> Option<i32> {
    row.nonce.and_then(|nonce| i32::try_from(nonce).ok())
}

fn timestamp(row: &BackRow) -> i64 {
    i64::try_from(row.timestamp).unwrap_or(i64::MAX)
}
