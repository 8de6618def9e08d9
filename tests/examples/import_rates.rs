//! How quick an import from Postgres is, and how much memory it takes; and how quick two nodes with it are compared.
//!
//! `cargo build --release --bin quipu`, then `cargo run --release --package quipu-tests --example import_rates -- ROWS
//! PROCESSES` starts a Postgres, fills it with that many messages of 512 bytes in the form of the existing scheduler, and
//! imports them, without verifying signatures and with that. Then it compares nodes with these two. Everything is signed with Ed25519, which is quick. Beside what
//! else runs on a machine the rate says little: what the import and Postgres need of the processors for a row, and the
//! comparison and both nodes for an answer, says what it is on a quiet one.

use std::error::Error;
use std::fmt::Write;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use ans104::Ed25519Wallet;
use quipu_tests::{Gateway, Launch, Postgres};
use sqlx::PgPool;
use sqlx::postgres::PgPoolCopyExt;
use tempfile::TempDir;
use testing::{ExistingRow, SampleProcess};

const DATA_LEN: usize = 512;
/// So many rows are copied at a time.
const BATCH: u64 = 5_000;
const LOOK_EVERY: Duration = Duration::from_millis(20);
const TABLES: &str = "create table processes (row_id serial primary key, process_id varchar(255) unique not null, \
     process_data jsonb not null, bundle bytea not null, epoch int4, nonce int4, hash_chain text, timestamp int8); \
     create table messages (row_id serial primary key, process_id varchar(255) not null references processes (process_id), \
     message_id varchar(255) not null, message_data jsonb not null, epoch int4 not null, nonce int4 not null, \
     timestamp int8 not null, bundle bytea not null, hash_chain text not null, assignment_id varchar(255) unique); \
     create index on messages (process_id, nonce); \
     grant all on all tables in schema public to quipu; grant all on all sequences in schema public to quipu";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: import_rates ROWS PROCESSES";
    let rows: u64 = arguments.next().ok_or(usage)?.parse()?;
    let processes: u64 = arguments.next().ok_or(usage)?.parse()?;
    let postgres = Postgres::start();
    let database = postgres.create_database("made");
    postgres.sql("made", TABLES);
    let began = Instant::now();
    fill(&postgres.pool_of("made").await, rows, processes).await?;
    println!("{rows} messages of {processes} processes made in {:.1} s", began.elapsed().as_secs_f64());
    let folders = [TempDir::new()?, TempDir::new()?];
    for (verified, folder) in ["false", "true"].into_iter().zip(&folders) {
        let before = postgres.processor_time();
        let used = import(folder.path(), &database, verified)?;
        let each = |time: Duration| time.as_secs_f64() * 1e6 / (rows + processes) as f64;
        let server = each(postgres.processor_time() - before);
        println!(
            "signatures verified: {verified}, {:.0} rows a second, peak {} MB; processor time of a row: {:.0} us here, \
             {server:.0} us in Postgres, which on two cores is {:.0} a second",
            1e6 / each(used.took),
            used.peak >> 20,
            each(used.processors),
            2e6 / (each(used.processors) + server)
        );
    }
    compare(&folders, processes)?;
    Ok(())
}

/// Compares nodes with the same history.
fn compare(folders: &[TempDir; 2], processes: u64) -> Result<(), Box<dyn Error>> {
    let gateway = Gateway::start();
    let nodes = folders.each_ref().map(|folder| Launch::su(folder.path()).gateway(gateway.url()).start());
    let mut words: Vec<String> = ["compare", "--json"].map(str::to_owned).into();
    words.extend(nodes.each_ref().map(|node| node.url()));
    words.extend((0..processes).map(|seed| format!("--process={}", SampleProcess::new(seed).process.id())));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ticks = || nodes.each_ref().map(|node| node.processor_ticks()).iter().sum::<u64>();
    let (folder, before) = (TempDir::new()?, ticks());
    let used = watched(&Launch::command(folder.path(), &words))?;
    // A tick is a hundredth of a second.
    let served = Duration::from_millis((ticks() - before) * 10);
    let last = used.stdout.lines().last().unwrap_or_default();
    let answers = serde_json::from_str::<serde_json::Value>(last)?["answers"].as_u64().ok_or("no number")?;
    let each = |time: Duration| time.as_secs_f64() * 1e6 / answers as f64;
    println!(
        "{answers} answers compared, {:.0} a second, peak {} MB; processor time of an answer: {:.0} us here, {:.0} us in both \
         nodes, which on two cores is {:.0} a second",
        1e6 / each(used.took),
        used.peak >> 20,
        each(used.processors),
        each(served),
        2e6 / (each(used.processors) + each(served))
    );
    nodes.into_iter().for_each(|node| drop(node.stop()));
    Ok(())
}

/// What a command took.
struct Used {
    stdout: String,
    took: Duration,
    processors: Duration,
    peak: usize,
}

async fn fill(pool: &PgPool, rows: u64, processes: u64) -> Result<(), Box<dyn Error>> {
    let wallet = Ed25519Wallet::from_seed([2; 32]);
    let mut samples = Vec::new();
    let mut text = String::new();
    for seed in 0..processes {
        let mut sample = SampleProcess::new(seed);
        sample.data_len = DATA_LEN;
        let row = ExistingRow::of(&sample.spawn(), &wallet);
        let (nonce, time, chain) = row.place.ok_or("a spawn has a place")?;
        let blob = hex(&row.blob);
        writeln!(text, "{}\t{{}}\t\\\\x{blob}\t0\t{nonce}\t{chain}\t{time}", row.process)?;
        samples.push(sample);
    }
    let columns = "process_id, process_data, bundle, epoch, nonce, hash_chain, timestamp";
    copy(pool, &format!("copy processes ({columns}) from stdin"), &text).await?;
    let columns =
        "process_id, message_id, message_data, epoch, nonce, timestamp, bundle, hash_chain, assignment_id";
    let into = format!("copy messages ({columns}) from stdin");
    for first in (0..rows).step_by(BATCH as usize) {
        text.clear();
        for number in first..rows.min(first + BATCH) {
            let sample = samples.get_mut((number % processes) as usize).ok_or("there are no processes")?;
            let row = ExistingRow::of(&sample.message(), &wallet);
            let (nonce, time, chain) = row.place.ok_or("a message has a place")?;
            let (process, message, assignment, blob) =
                (row.process, row.message, row.assignment, hex(&row.blob));
            writeln!(
                text,
                "{process}\t{message}\t{{}}\t0\t{nonce}\t{time}\t\\\\x{blob}\t{chain}\t{assignment}"
            )?;
        }
        copy(pool, &into, &text).await?;
    }
    sqlx::query("analyze").execute(pool).await?;
    Ok(())
}

async fn copy(pool: &PgPool, sql: &str, text: &str) -> Result<(), sqlx::Error> {
    let mut copying = pool.copy_in_raw(sql).await?;
    copying.send(text.as_bytes()).await?;
    copying.finish().await.map(drop)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn import(folder: &Path, database: &str, verified: &str) -> Result<Used, Box<dyn Error>> {
    let data = folder.join("data");
    let to = data.to_str().ok_or("a path of text")?;
    let words = ["import", "--from", "postgres", "--json", "--signatures", verified, "--to", to];
    watched(&Launch::command(folder, &words).set("DATABASE_URL", database))
}

fn watched(command: &Launch) -> Result<Used, Box<dyn Error>> {
    let began = Instant::now();
    let program = command.program();
    let (mut peak, mut processors) = (0, Duration::ZERO);
    while let Some(now) = program.peak_memory() {
        peak = peak.max(now);
        processors = processors.max(program.processor_time());
        thread::sleep(LOOK_EVERY);
    }
    let took = began.elapsed();
    let finished = program.finish();
    if finished.code != Some(0) {
        return Err(finished.stderr.into());
    }
    Ok(Used { stdout: finished.stdout, took, processors, peak })
}
