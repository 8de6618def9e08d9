//! The tables of the existing scheduler, as they are after all of its migrations.

use std::collections::{HashMap, HashSet};
use std::mem;

use projections::DatabaseUrl;
use protocol::ProcessId;
use sqlx::postgres::PgConnection;
use sqlx::types::Json;
use sqlx::{ConnectOptions, Connection};

use super::held::{self, HeldMessages, HeldRow};
use super::zero_bytes::without_zero_bytes;
use super::{BEHIND, BackError, BackRow, BackSummary, BackTarget, PartedProcesses, tables};
use crate::waiting::{DatabaseThread, connected};

/// When rows are written together.
const BATCH_ROWS: usize = 500;
const BATCH_BYTES: usize = 4 << 20;
/// What a column takes as the id of a message.
const MESSAGE_CHARS: usize = 255;

/// A database that rows are written to.
pub struct PostgresTables {
    place: String,
    waiting: DatabaseThread,
    connection: PgConnection,
    batch: Vec<BackRow>,
    bytes: usize,
    summary: BackSummary,
    parted: PartedProcesses,
    /// Processes of which the first spawn is there: a second one has no row.
    spawned: HashSet<ProcessId>,
}

impl PostgresTables {
    /// Connects, and makes the tables where there are none.
    ///
    /// # Errors
    /// When that fails, or tables that are there lack columns.
    pub fn open(url: &DatabaseUrl) -> Result<Self, BackError> {
        let place = url.place();
        let waiting = DatabaseThread::new().map_err(BackError::Runtime)?;
        let failed = |error| BackError::Postgres { place: place.clone(), error };
        let options = url.connect_as("quipu export");
        let mut connection = waiting.limited(connected(options.connect())).map_err(failed)?;
        let lacks = waiting.answer(tables::prepare(&mut connection)).map_err(failed)?;
        if !lacks.is_empty() {
            return Err(BackError::Columns { place, lacks });
        }
        let (batch, summary) = (Vec::new(), BackSummary::default());
        let (parted, spawned) = (PartedProcesses::new(), HashSet::new());
        Ok(Self { place, waiting, connection, batch, bytes: 0, summary, parted, spawned })
    }

    /// Writes what was collected in one transaction; what is there already stays as it is, and what has something else at
    /// its place stays out.
    fn write(&mut self) -> Result<(), BackError> {
        let batch = mem::take(&mut self.batch);
        self.bytes = 0;
        let (processes, messages): (Vec<_>, Vec<_>) = batch.into_iter().partition(|row| row.is_process);
        let Self { waiting, connection, summary, parted, spawned, .. } = self;
        let written = waiting.answer(async {
            let mut begun = connection.begin().await?;
            let held = held::processes(&mut begun, &processes).await?;
            let processes =
                NewRows { summary: &mut *summary, parted: &mut *parted }.processes(processes, held, spawned);
            insert_processes(&mut begun, &processes).await?;
            let unspawned = unspawned(&mut begun, &messages).await?;
            let held = HeldMessages::read(&mut begun, &messages).await?;
            let messages = NewRows { summary, parted }.messages(messages, &unspawned, &held);
            insert_messages(&mut begun, &messages).await?;
            begun.commit().await?;
            Ok((processes.len() + messages.len()) as u64)
        });
        let written = written.map_err(|error| BackError::Postgres { place: self.place.clone(), error })?;
        self.summary.written = self.summary.written.saturating_add(written);
        Ok(())
    }
}

/// Tells which rows are to be written.
struct NewRows<'a> {
    summary: &'a mut BackSummary,
    parted: &'a mut PartedProcesses,
}

impl NewRows<'_> {
    fn processes(
        self,
        rows: Vec<BackRow>,
        mut held: HashMap<String, HeldRow>,
        spawned: &mut HashSet<ProcessId>,
    ) -> Vec<BackRow> {
        let mut new = Vec::new();
        for row in rows {
            match held.get(&row.process.to_string()) {
                Some(found) if found.is(&row) => {
                    spawned.insert(row.process);
                    self.summary.note_zero_bytes(&row);
                    self.summary.already_there = self.summary.already_there.saturating_add(1);
                }
                Some(found) => {
                    self.summary
                        .leave_out(&row, &format!("the process is in the database with {}", found.what()));
                    if !spawned.contains(&row.process) {
                        self.parted.insert(row.process);
                    }
                }
                None => {
                    spawned.insert(row.process);
                    self.summary.note_zero_bytes(&row);
                    held.insert(row.process.to_string(), HeldRow::of(&row));
                    new.push(row);
                }
            }
        }
        new
    }

    fn messages(self, rows: Vec<BackRow>, unspawned: &[ProcessId], held: &HeldMessages) -> Vec<BackRow> {
        let mut new = Vec::new();
        for row in rows {
            match held.at(&row) {
                found if found.iter().any(|found| found.is(&row)) => {
                    self.summary.note_zero_bytes(&row);
                    self.summary.already_there = self.summary.already_there.saturating_add(1);
                }
                [found, ..] => {
                    self.summary.leave_out(&row, &format!("the database has {} there", found.what()));
                    self.parted.insert(row.process);
                }
                [] if self.parted.contains(&row.process) => self.summary.leave_out(&row, BEHIND),
                [] if unspawned.contains(&row.process) => {
                    self.summary
                        .leave_out(&row, "its process was never spawned, which a database does not take");
                }
                [] if held.has_assignment(&row) => {
                    self.summary.leave_out(&row, "the database has its assignment at another place");
                    self.parted.insert(row.process);
                }
                [] => {
                    self.summary.note_zero_bytes(&row);
                    new.push(row);
                }
            }
        }
        new
    }
}

impl BackTarget for PostgresTables {
    fn take(&mut self, row: BackRow) -> Result<(), BackError> {
        // What such a row has as the id of a message was never one.
        if row.message.contains('\0') || row.message.chars().count() > MESSAGE_CHARS {
            // What came before it is not behind it.
            self.write()?;
            self.summary.leave_out(&row, "the message that it names is no id, and no column takes it");
            self.parted.insert(row.process);
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

async fn insert_processes(to: &mut PgConnection, rows: &[BackRow]) -> Result<(), sqlx::Error> {
    let sql = "insert into processes (process_id, process_data, bundle, epoch, nonce, hash_chain, timestamp) \
               select p, d, b, case when n is not null then 0 end, n, \
                      case when n is not null then h end, case when n is not null then t end \
               from unnest($1::text[], $2::jsonb[], $3::bytea[], $4::int4[], $5::text[], $6::int8[]) \
                    as r (p, d, b, n, h, t)";
    sqlx::query(sql)
        .bind(rows.iter().map(|row| row.process.to_string()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| Json(without_zero_bytes(&row.json))).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.blob.as_slice()).collect::<Vec<_>>())
        .bind(rows.iter().map(nonce).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.chain.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(timestamp).collect::<Vec<_>>())
        .execute(to)
        .await?;
    Ok(())
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

async fn insert_messages(to: &mut PgConnection, rows: &[BackRow]) -> Result<(), sqlx::Error> {
    let sql = "insert into messages (process_id, message_id, message_data, epoch, nonce, timestamp, bundle, hash_chain, \
                                     assignment_id) \
               select p, m, d, 0, n, t, b, h, a \
               from unnest($1::text[], $2::text[], $3::jsonb[], $4::int4[], $5::int8[], $6::bytea[], $7::text[], \
                           $8::text[]) with ordinality as r (p, m, d, n, t, b, h, a, o) \
               order by o";
    sqlx::query(sql)
        .bind(rows.iter().map(|row| row.process.to_string()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.message.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| Json(without_zero_bytes(&row.json))).collect::<Vec<_>>())
        .bind(rows.iter().map(nonce).collect::<Vec<_>>())
        .bind(rows.iter().map(timestamp).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.blob.as_slice()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.chain.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.assignment.as_deref()).collect::<Vec<_>>())
        .execute(to)
        .await?;
    Ok(())
}

pub(super) fn nonce(row: &BackRow) -> Option<i32> {
    row.nonce.and_then(|nonce| i32::try_from(nonce).ok())
}

fn timestamp(row: &BackRow) -> i64 {
    i64::try_from(row.timestamp).unwrap_or(i64::MAX)
}
