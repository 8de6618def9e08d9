//! A gate in a Postgres whose commits wait for other copies.
//!
//! A row says where the records end, whose turn it is and what the digest is; who puts a record changes that row in the
//! same transaction, and has it refused where the row says something else. What Postgres makes easy to get wrong:
//!
//! - A row can be seen on a server that has it alone and is lost with it. So what is not known is settled, and what is
//!   there is told, only behind a write that other copies have confirmed: with it they have all that was before.
//! - A commit that waits for other copies can be told to wait no more; it then succeeds with a warning, or without one
//!   where the server's settings were changed. Both are looked for, and taken for [`GateError::Unknown`].
//! - No limit of the server's ends that wait. Each step has one here; the connection is given up then, and what the server
//!   may still do is found by the next put.

mod rows;
mod transaction;
mod warnings;

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tokio::time::timeout;

use crate::contract::{Durability, Gate, GateError, Put};
use crate::place::GateContents;
use crate::record::GateRecord;
use crate::rule::{PutVerdict, judge};
use rows::{END, LOCKED_END, SETTLE, column, contents, damaged, record, take};
use transaction::{GateTransaction, in_time};
use warnings::ServerWarnings;

/// Connections that are kept for what comes next: one writes, one reads.
const IDLE_MAX: usize = 2;
/// How many records are looked at for a page.
const PAGE_RECORDS: i64 = 1024;
const CLOSE_WITHIN: Duration = Duration::from_millis(500);
const UNIQUE_VIOLATION: &str = "23505";
/// Told apart from other locks by this number: nobody else makes the tables meanwhile.
const SCHEMA_LOCK: &str = "select pg_advisory_xact_lock(8175697045177274629)";
const IS_MADE: &str = "select to_regclass('quipu_gate.log_end') is not null as made";
/// Records from one on that make so many bytes together, and at least that one. Lengths are known without reading them.
const PAGE: &str = "select number, record from (select number, record, \
         sum(octet_length(record)) over (order by number) as bytes from quipu_gate.records \
         where number >= $1 order by number limit $3) as page \
     where bytes <= $2 or number = $1 order by number";
const RECORD: &str = "select number, record from quipu_gate.records where number = $1";

/// How a gate in Postgres is reached, and what is asked of it.
#[derive(Clone)]
pub struct PostgresGateOptions {
    /// Where the database is; it is a store's alone.
    pub connect: PgConnectOptions,
    /// Whether a server is taken that waits for no other copy.
    pub single_copy_accepted: bool,
    /// How long the server may take for each step.
    pub answer_within: Duration,
}

impl fmt::Debug for PostgresGateOptions {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { single_copy_accepted, answer_within, .. } = self;
        let mut told = f.debug_struct("PostgresGateOptions");
        told.field("single_copy_accepted", single_copy_accepted).field("answer_within", answer_within);
        told.finish_non_exhaustive()
    }
}

/// A gate in Postgres.
pub struct PostgresGate {
    options: PostgresGateOptions,
    idle: Mutex<Vec<PgConnection>>,
    warnings: ServerWarnings,
}

impl PostgresGate {
    /// One that connects when it is asked for something.
    pub fn new(options: PostgresGateOptions) -> Self {
        Self { options, idle: Mutex::default(), warnings: ServerWarnings::new() }
    }

    /// A transaction, with the tables in place.
    async fn begin(&self) -> Result<GateTransaction, GateError> {
        let known = self.idle().pop();
        if let Some(connection) = known {
            let begun = GateTransaction::begin(connection, self.options.answer_within).await;
            if begun.is_err() {
                // The others were made as long ago, to a server that may be gone.
                self.idle().clear();
            }
            return begun;
        }
        let mut transaction = self.connect().await?;
        make_tables(&mut transaction).await.map_err(GateError::away)?;
        Ok(transaction)
    }

    /// A transaction on a connection of its own.
    async fn connect(&self) -> Result<GateTransaction, GateError> {
        let (connect, within) = (self.options.connect.clone(), self.options.answer_within);
        let connection =
            in_time(within, PgConnection::connect_with(&connect)).await.map_err(GateError::away)?;
        GateTransaction::begin(connection, within).await
    }

    /// The same, where what it changes is as safe as was asked for.
    async fn begin_safely(&self) -> Result<GateTransaction, GateError> {
        let transaction = self.begin().await?;
        if transaction.durability() == Durability::SingleCopy && !self.options.single_copy_accepted {
            self.keep(transaction.roll_back().await);
            return Err(GateError::Unfit(
                "this Postgres waits for no other copy of what it commits: set synchronous_standby_names there, and fsync \
                 to on; or accept that all is lost that one server loses, with GATE_SINGLE_COPY=accept"
                    .to_owned(),
            ));
        }
        Ok(transaction)
    }

    async fn commit(&self, transaction: GateTransaction) -> Result<(), GateError> {
        self.keep(Some(transaction.commit(&self.warnings).await?));
        Ok(())
    }

    fn keep(&self, connection: Option<PgConnection>) {
        let mut idle = self.idle();
        if idle.len() < IDLE_MAX {
            idle.extend(connection);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<PgConnection>> {
        // Nothing is done under this lock that could panic half-way.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the tables where they are missing; whoever may not make them finds them made.
async fn make_tables(transaction: &mut GateTransaction) -> Result<(), sqlx::Error> {
    if !is_made(transaction).await? {
        transaction.run(SCHEMA_LOCK).await?;
        transaction.run(include_str!("postgres/schema.sql")).await?;
    }
    Ok(())
}

async fn is_made(transaction: &mut GateTransaction) -> Result<bool, sqlx::Error> {
    let rows = transaction.rows(sqlx::query(IS_MADE)).await?;
    rows.first().map_or(Ok(false), |row| sqlx::Row::try_get(row, "made"))
}

/// Puts a record where it comes next; whether it did.
async fn put_next(
    transaction: &mut GateTransaction,
    record: &GateRecord,
    bytes: &[u8],
) -> Result<bool, GateError> {
    match transaction.change(take(record, bytes)?).await {
        Ok(changed) => Ok(changed > 0),
        Err(sqlx::Error::Database(error)) if error.code().is_some_and(|code| code == UNIQUE_VIOLATION) => {
            Err(damaged(record.number(), "it is there, and the row of the end says that it is not"))
        }
        Err(error) => Err(GateError::away(error)),
    }
}

/// What is at the place of a record that does not come next. Its row is locked from here on.
async fn found(
    transaction: &mut GateTransaction,
    put: &GateRecord,
) -> Result<(PutVerdict, Option<GateContents>), GateError> {
    let rows = transaction.rows(sqlx::query(LOCKED_END)).await.map_err(GateError::away)?;
    let row = rows.first().ok_or_else(|| damaged(put.number(), "the row of the end is missing"))?;
    let there = contents(row, transaction.durability())?;
    let verdict = judge(there.as_ref(), put)?;
    if verdict != PutVerdict::Earlier {
        return Ok((verdict, there));
    }
    let query = sqlx::query(RECORD).bind(column(put.number())?);
    let rows = transaction.rows(query).await.map_err(GateError::away)?;
    let row = rows.first().ok_or_else(|| damaged(put.number(), "it is missing"))?;
    let is_same = record(row, put.number())? == *put;
    Ok((if is_same { PutVerdict::Earlier } else { PutVerdict::Refused }, there))
}

#[async_trait]
impl Gate for PostgresGate {
    fn kind(&self) -> &'static str {
        "postgres"
    }

    async fn contents(&self) -> Result<Option<GateContents>, GateError> {
        let mut transaction = self.begin_safely().await?;
        let rows = transaction.rows(sqlx::query(SETTLE)).await.map_err(GateError::away)?;
        let row = rows.first().ok_or_else(|| damaged(0, "the row of the end is missing"))?;
        let contents = contents(row, transaction.durability())?;
        // Nothing is changed by this that anybody could miss.
        self.commit(transaction).await.map_err(|error| GateError::away(error.to_string()))?;
        Ok(contents)
    }

    async fn look(&self) -> Result<Option<GateContents>, GateError> {
        let mut transaction = self.connect().await?;
        if !is_made(&mut transaction).await.map_err(GateError::away)? {
            return Ok(None);
        }
        let rows = transaction.rows(sqlx::query(END)).await.map_err(GateError::away)?;
        let row = rows.first().ok_or_else(|| damaged(0, "the row of the end is missing"))?;
        let contents = contents(row, transaction.durability());
        self.keep(transaction.roll_back().await);
        contents
    }

    async fn put(&self, record: &GateRecord) -> Result<Put, GateError> {
        let bytes = record.encode();
        let mut transaction = self.begin_safely().await?;
        if !put_next(&mut transaction, record, &bytes).await? {
            match found(&mut transaction, record).await? {
                (PutVerdict::Earlier, _) => {
                    transaction.change(sqlx::query(SETTLE)).await.map_err(GateError::away)?;
                }
                (PutVerdict::Refused, Some(there)) => {
                    self.keep(transaction.roll_back().await);
                    return Ok(Put::Refused(there));
                }
                // What was in the way has gone meanwhile: the server did not keep it.
                (PutVerdict::Next | PutVerdict::Refused, _) => {
                    return Err(GateError::away("the end of the gate was changing"));
                }
            }
        }
        self.commit(transaction).await?;
        Ok(Put::Taken)
    }

    async fn read(&self, from: u64, bytes: usize) -> Result<Vec<GateRecord>, GateError> {
        let Ok(first) = column(from) else { return Ok(Vec::new()) };
        let mut transaction = self.begin().await?;
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        let query = sqlx::query(PAGE).bind(first).bind(bytes).bind(PAGE_RECORDS);
        let rows = transaction.rows(query).await.map_err(GateError::away)?;
        self.keep(transaction.roll_back().await);
        (from..).zip(&rows).map(|(number, row)| record(row, number)).collect()
    }

    async fn close(&self) {
        let idle = std::mem::take(&mut *self.idle());
        for connection in idle {
            // A server that hangs keeps nobody from stopping.
            let _ = timeout(CLOSE_WITHIN, connection.close()).await;
        }
    }
}
