//! What is recorded: a log under load, killed once and ended well once.

use std::env;
use std::fs;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use log::{Append, Engine, Event, LocalLog, Log, Receipt, Rocks, Seq, StoreMemory};

use crate::samples::{Noise, SampleProcess, fact};

/// The folders and files, in the one that is recorded.
pub const STORE: &str = "log";
pub const ACKNOWLEDGEMENTS: &str = "acknowledgements";

/// Tells a run of the test that it is the program under load, where, and in which life.
const FOLDER: &str = "POWER_CUT_FOLDER";
const LIFE: &str = "POWER_CUT_LIFE";
/// So often something is appended in each life, and so often a part of that the tables are written.
const ROUNDS: u64 = 60;
const ROUNDS_A_TABLE: u64 = 25;

/// Records the program's lives; the recording, and all events that there were in the end.
pub fn record(folder: &Path) -> (Vec<u8>, Vec<Event>) {
    let shim = compile(folder);
    let disk = folder.join("disk");
    fs::create_dir(&disk).unwrap();
    let recording = folder.join("recording");
    for life in 0..3 {
        let mut child = Command::new(env::current_exe().unwrap());
        child.args(["--exact", "what_was_acknowledged_survives_a_power_cut_at_every_point", "--nocapture"]);
        child.env(FOLDER, &disk).env(LIFE, life.to_string());
        child.env("LD_PRELOAD", &shim).env("RECORD_FOLDER", &disk).env("RECORD_TO", &recording);
        assert!(child.status().unwrap().success(), "life {life}");
    }
    let log = open(&disk.join(STORE));
    let mut events = Vec::new();
    log.scan(Seq::ZERO, &mut |event| {
        events.push(event.to_owned());
        ControlFlow::Continue(())
    })
    .unwrap();
    (fs::read(recording).unwrap(), events)
}

/// Whether this process is the program under load.
pub fn is_asked_for() -> bool {
    env::var_os(FOLDER).is_some()
}

/// One life: the first two end by a kill, the last one well.
pub fn run() {
    let folder = PathBuf::from(env::var_os(FOLDER).unwrap());
    let life: u64 = env::var(LIFE).unwrap().parse().unwrap();
    let store = folder.join(STORE);
    let log = open(&store);
    let note = fs::OpenOptions::new().append(true).create(true).open(folder.join(ACKNOWLEDGEMENTS));
    let mut note = note.unwrap();
    let mut noise = Noise::new(life);
    let mut processes: Vec<_> = (0..4).map(|seed| SampleProcess::noisy(10 * life + seed, 3)).collect();
    for round in 0..ROUNDS {
        let receipts: Vec<Receipt> = (0..1 + noise.number() % 5)
            .map(|_| log.enqueue(log.identity().term, batch(&mut processes, &mut noise, &store)).unwrap())
            .collect();
        for receipt in receipts {
            let last = receipt.wait().unwrap();
            note.write_all(&last.next().get().to_le_bytes()).unwrap();
        }
        if round % ROUNDS_A_TABLE == ROUNDS_A_TABLE - 1 {
            log.engine().settle();
        }
    }
    if life < 2 {
        // Nothing is closed.
        process::exit(0);
    }
}

/// Some events that become durable together.
fn batch(processes: &mut [SampleProcess], noise: &mut Noise, store: &Path) -> Vec<Append> {
    let count = if noise.number().is_multiple_of(2) { 1 } else { 3 };
    (0..count).map(|_| next(processes, noise, store)).collect()
}

/// An event, now and then of many blocks of the write-ahead log.
fn next(processes: &mut [SampleProcess], noise: &mut Noise, store: &Path) -> Append {
    if noise.number().is_multiple_of(16) {
        return fact("a fact");
    }
    let process = &mut processes[noise.number() as usize % 4];
    process.data_len = match noise.number() % 128 {
        0 => 100_000,
        1..4 => 20_000,
        4..8 => 5_000,
        _ => noise.number() as usize % 300,
    };
    if process.last.is_none() {
        process.spawn()
    } else if noise.number().is_multiple_of(40) {
        disguised(process, noise, store)
    } else {
        process.message()
    }
}

/// A message of some blocks, full of the log's own entries.
fn disguised(process: &mut SampleProcess, noise: &mut Noise, store: &Path) -> Append {
    let files = fs::read_dir(store).unwrap().map(|entry| entry.unwrap().path());
    let journals = files.filter(|file| file.extension().is_some_and(|extension| extension == "log"));
    let mut data = journals.max().map(|journal| fs::read(journal).unwrap()).unwrap_or_default();
    data.truncate(70_000);
    let item = process.user.anchored(Some(&noise.id()), Some(process.process), &[("Type", "Message")], data);
    process.scheduled(&item)
}

fn open(store: &Path) -> LocalLog<Rocks> {
    LocalLog::open(Rocks::open(store, &StoreMemory::default()).unwrap(), None).unwrap()
}

fn compile(folder: &Path) -> PathBuf {
    let shim = folder.join("recorder.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/power_cut/recorder.c");
    let mut compile = Command::new("cc");
    compile.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(&shim).arg(source);
    assert!(compile.status().unwrap().success());
    shim
}
