//! How quick an import from a local store is.
//!
//! `cargo run --release --package quipu-importer --example local_store_rate -- ROWS PROCESSES` makes a local store of the
//! existing scheduler with that many messages of 512 bytes, and imports it without verifying signatures and with that.
//! Beside what else runs on a machine the rate says little: what a row needs of the processors says what it is on a quiet one.

use std::error::Error;
use std::num::NonZeroUsize;
use std::path::Path;
use std::thread;
use std::time::Instant;

use ans104::Ed25519Wallet;
use importer::{ImportOptions, ImportReport, ImportScope, LocalStoreSource, import};
use log::{LocalLog, Rocks, StoreMemory};
use rocksdb::{DB, Options};
use tempfile::TempDir;
use testing::{ExistingRow, SampleProcess};

const DATA_LEN: usize = 512;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: local_store_rate ROWS PROCESSES";
    let rows: u64 = arguments.next().ok_or(usage)?.parse()?;
    let processes: u64 = arguments.next().ok_or(usage)?.parse()?;
    let folder = TempDir::new()?;
    let (files, index) = (folder.path().join("files"), folder.path().join("index"));
    fill(&files, &index, rows, processes)?;
    for verify in [false, true] {
        let to = TempDir::new()?;
        let log = LocalLog::open(Rocks::open(to.path().join("log"), &StoreMemory::default())?, None)?;
        let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let options = ImportOptions {
            scope: ImportScope::default(),
            verify,
            threads,
            elsewhere: None,
            pass_missing: false,
        };
        let mut source = LocalStoreSource::open(&files, &index)?;
        let (began, before) = (Instant::now(), processor_time()?);
        let summary = import(&mut source, Some(&log), &options, ImportReport::new(None), &mut |_| ())?;
        let rows = summary.imported as f64;
        let (rate, each) = (rows / began.elapsed().as_secs_f64(), (processor_time()? - before) * 1e6 / rows);
        println!(
            "signatures verified: {verify}, {rows} rows, {rate:.0} a second; processor time of a row: {each:.0} us, which on \
             two cores is {:.0} a second",
            2e6 / each
        );
    }
    Ok(())
}

/// The seconds of processors that this program has used. Linux tells a hundredth of a second for a tick.
fn processor_time() -> Result<f64, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(") ").ok_or("Linux tells its name")?;
    let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<f64>);
    Ok(ticks.sum::<Result<f64, _>>()? / 100.0)
}

/// Writes a local store as the existing scheduler does.
fn fill(files: &Path, index: &Path, rows: u64, processes: u64) -> Result<(), Box<dyn Error>> {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_enable_blob_files(true);
    options.set_min_blob_size(1024);
    let files = DB::open(&options, files)?;
    options.set_enable_blob_files(false);
    let index = DB::open_cf(&options, index, ["process", "process_ordering", "message", "message_ordering"])?;
    let wallet = Ed25519Wallet::from_seed([2; 32]);
    let put = |row: &ExistingRow| -> Result<(), Box<dyn Error>> {
        let kind = if row.is_process { "process" } else { "message" };
        let (process, assignment) = (row.process, &row.assignment);
        let (nonce, time, _) = row.place.as_ref().ok_or("each has a place")?;
        files.put(format!("{kind}_assignment:{assignment}"), &row.blob)?;
        let table = format!("{kind}_ordering");
        let key = format!("{table}:{process}:{:010}:{nonce:010}:{time:015}:{assignment}", 0);
        index.put_cf(index.cf_handle(&table).ok_or("the table is made")?, key, assignment)?;
        Ok(())
    };
    let mut samples = Vec::new();
    for seed in 0..processes {
        let mut sample = SampleProcess::new(seed);
        sample.data_len = DATA_LEN;
        put(&ExistingRow::of(&sample.spawn(), &wallet))?;
        samples.push(sample);
    }
    for number in 0..rows {
        let sample = samples.get_mut((number % processes) as usize).ok_or("there are no processes")?;
        put(&ExistingRow::of(&sample.message(), &wallet))?;
    }
    Ok(())
}
