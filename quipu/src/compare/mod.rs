//! `quipu compare`: asks two schedulers everything about processes, and prints where their answers part.

mod asking;
mod departures;
mod differences;
mod folder;
mod part;
mod process;
mod span;
mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use clap::Args;
use futures_util::{StreamExt, stream};
use gateway::EndpointError;
use indicatif::{ProgressBar, ProgressStyle};
use log::{ReadError, RocksError};
use node::NodeError;
use protocol::ProcessId;
use serde_json::json;
use tokio::runtime::Builder;

use crate::client::{SchedulerClient, runtime};
use crate::failure::Failure;
use crate::import::{ProcessFileError, read_processes};
use crate::output::{self, counted, excerpt, thousands};
use crate::secret::without_secrets;
use asking::SchedulerPair;
use departures::Meant;
use process::{Compared, Comparison, Watching};
use state::{ComparedPair, ComparedPart, ComparisonState};

/// How many processes are underway at a time.
const PROCESSES: usize = 4;

const EXAMPLES: &str = "\
Each process is asked for by id, its newest message, its pages by nonce and by time, and each message and assignment by id. \
The first is the one that the second is held against: differences that are meant, because the existing scheduler errs there, \
are counted with the reason. DATA is the data folder of a node that is stopped; it is served on this machine alone \
meanwhile, and without a list of processes all of its own are compared: a process that never arrived there is in none of its \
lists, so only the list of the first proves that none is missing (of Postgres: psql -Atc 'select process_id from processes').

Examples:
  quipu compare http://su.example ./data --processes ids.txt                 one and its import
  quipu compare http://su.example ./data --processes ids.txt --state FILE   goes on where it was
  quipu compare http://node:9000 http://standby:9000 --processes ids.txt

Exit codes: 0 no difference, 1 failed, 2 wrong usage or setting, 3 there are differences.";

/// Compare what two schedulers answer
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct CompareArgs {
    /// The URL of the scheduler that counts
    first: String,

    /// The URL of the other one, or the data folder of a node that is stopped
    #[arg(value_name = "URL|DATA")]
    second: String,

    /// This process alone; more than once for several
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    process: Vec<ProcessId>,

    /// The processes in this file alone, an id on each line
    #[arg(long, value_name = "FILE")]
    processes: Option<PathBuf>,

    /// Keep in this file what is done: typed again it goes on from there, with what came since, and tells all that it found
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,

    /// How many questions are underway at a time
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = crate::settings::positive::<usize>)]
    at_once: usize,

    /// Print JSON lines
    #[arg(long)]
    json: bool,
}

/// Why nothing was compared, or what was found.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// Nobody says which processes.
    #[error("which processes? A scheduler has no list of them: --process or --processes names them")]
    NoProcesses,
    /// The file of processes cannot be used.
    #[error(transparent)]
    Processes(#[from] ProcessFileError),
    /// There is no log in a folder.
    #[error("{} is neither a URL nor the data folder of a node", .0.display())]
    NoLog(PathBuf),
    /// A node has the folder.
    #[error("a node is using the log in {}: stop it first, or give its URL", .0.display())]
    InUse(PathBuf),
    /// The log in it is not opened.
    #[error(transparent)]
    Store(#[from] RocksError),
    /// The log in it is not read.
    #[error("the log cannot be read")]
    Read(#[from] ReadError),
    /// It is not served.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// An address is none.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// What is done is of others.
    #[error(
        "--state: {} is of a comparison of {} with {}; give another file, or remove it", .path.display(), .first,
        .second
    )]
    OtherPair {
        /// The file.
        path: PathBuf,
        /// Which was compared,
        first: String,
        /// and with which.
        second: String,
    },
    /// A file is another one.
    #[error("--state: {} has something else in it than what quipu compare keeps; give another file", .0.display())]
    NoState(PathBuf),
    /// What is done cannot be kept.
    #[error("--state: {} cannot be read or written", .path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// The answers differ.
    #[error("{} found", counted(*.0, "difference"))]
    Differ(u64),
}

/// What was found of all.
#[derive(Debug, Default)]
struct Totals {
    processes: u64,
    answers: u64,
    differences: u64,
    meant: BTreeMap<Meant, u64>,
    took: Duration,
}

impl Totals {
    fn answers_a_second(&self) -> u64 {
        let millis = u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX).max(1);
        self.answers.saturating_mul(1000) / millis
    }
}

impl CompareArgs {
    /// Compares; differences and their number go to `out`, progress to standard error.
    ///
    /// # Errors
    /// When one of both is not reached, or they differ.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let folder = (!self.second.contains("://")).then(|| PathBuf::from(&self.second));
        let processes = self.wanted(folder.as_deref())?;
        let first = SchedulerClient::new(&self.first)?;
        // One thread asks, and is woken by no other.
        let runtime = runtime()?;
        let totals = match folder {
            None => {
                let second = SchedulerClient::new(&self.second)?;
                runtime.block_on(self.compare(&first, &second, &processes, out))?
            }
            Some(folder) => {
                let serving = Builder::new_multi_thread().enable_all().build().map_err(Failure::Runtime)?;
                let node = serving.block_on(folder::serve(folder))?;
                let second = SchedulerClient::new(&format!("http://{}", node.public()))?;
                let compared = runtime.block_on(self.compare(&first, &second, &processes, out));
                // It only read: whether it ends in order changes nothing.
                let _ = serving.block_on(node.stop());
                compared?
            }
        };
        self.tell(&totals, out)?;
        match totals.differences {
            0 => Ok(()),
            differences => Err(CompareError::Differ(differences).into()),
        }
    }

    /// Which two are compared, without what is secret in their addresses.
    fn pair(&self) -> std::io::Result<ComparedPair> {
        let named = |text: &str| match text.contains("://") {
            true => Ok(without_secrets(text.trim_end_matches('/'))),
            false => std::path::absolute(text).map(|path| path.display().to_string()),
        };
        Ok(ComparedPair { first: named(&self.first)?, second: named(&self.second)? })
    }

    fn wanted(&self, folder: Option<&Path>) -> Result<Vec<ProcessId>, CompareError> {
        let mut wanted: BTreeSet<ProcessId> = self.process.iter().copied().collect();
        if let Some(path) = &self.processes {
            wanted.extend(read_processes(path)?);
        }
        // Whether there is a log is seen before anything is served from there.
        let view = folder.map(folder::open).transpose()?;
        match (wanted.is_empty(), view) {
            (false, _) => Ok(wanted.into_iter().collect()),
            (true, Some(view)) => folder::processes(&view),
            (true, None) => Err(CompareError::NoProcesses),
        }
    }

    async fn compare(
        &self,
        first: &SchedulerClient,
        second: &SchedulerClient,
        processes: &[ProcessId],
        out: &mut dyn Write,
    ) -> Result<Totals, Failure> {
        let pair = SchedulerPair::find(first, second, self.at_once).await?;
        let (mut totals, began) = (Totals::default(), Instant::now());
        let state = ComparisonState::open(self.state.as_deref(), &self.pair()?)?;
        let watched = Watched::new(state, processes.len());
        let compared = stream::iter(processes).map(|process| watched.compare(&pair, *process));
        let mut compared = compared.buffered(PROCESSES);
        while let Some(compared) = compared.next().await {
            totals.processes += 1;
            let (process, compared) = compared?;
            watched.bar.suspend(|| self.print(process, &compared, out))?;
            totals.answers += compared.answers;
            totals.differences += compared.differences();
            let told = compared.found.iter().map(|(_, meant)| (*meant, 1));
            for (meant, count) in told.chain(compared.counted) {
                *meant.map_or(&mut 0, |meant| totals.meant.entry(meant).or_default()) += count;
            }
        }
        watched.bar.finish_and_clear();
        totals.took = began.elapsed();
        Ok(totals)
    }

    fn print(&self, process: ProcessId, compared: &Compared, out: &mut dyn Write) -> std::io::Result<()> {
        if compared.is_absent {
            self.print_whole(process, "absent", "neither has such a process", out)?;
        }
        if let Some(reason) = &compared.unended {
            let told = format!("not compared to its end: {reason}");
            self.print_whole(process, "unended", &told, out)?;
        }
        for (difference, meant) in &compared.found {
            if self.json {
                let line = json!({
                    "path": difference.path, "at": difference.at, "first": difference.first,
                    "second": difference.second, "meant": meant.map(Meant::reason),
                });
                writeln!(out, "{line}")?;
            } else if meant.is_none() {
                let short = |value: &serde_json::Value| excerpt(&value.to_string(), 80);
                let (first, second) = (short(&difference.first), short(&difference.second));
                writeln!(out, "{} {}: {first} there, {second} here", difference.path, difference.at)?;
            }
        }
        match compared.counted.get(&None) {
            Some(more) if !self.json => {
                writeln!(out, "{} of that process more", counted(*more, "difference"))
            }
            _ => Ok(()),
        }
    }

    /// What is told of a process as a whole.
    fn print_whole(
        &self,
        process: ProcessId,
        kind: &str,
        told: &str,
        out: &mut dyn Write,
    ) -> std::io::Result<()> {
        if self.json {
            let path = format!("/processes/{process}");
            let line =
                json!({ "path": path, "at": "", "first": null, "second": null, "meant": null, kind: told });
            return writeln!(out, "{line}");
        }
        writeln!(out, "{process}: {told}")
    }

    fn tell(&self, totals: &Totals, out: &mut dyn Write) -> std::io::Result<()> {
        let Totals { processes, answers, differences, meant, took } = totals;
        if self.json {
            let meant: BTreeMap<_, _> = meant.iter().map(|(meant, count)| (meant.reason(), count)).collect();
            let line = json!({
                "processes": processes, "answers": answers, "differences": differences, "meant": meant,
                "seconds": took.as_secs_f64(),
            });
            return writeln!(out, "{line}");
        }
        let (answers, rate) = (counted(*answers, "answer"), thousands(totals.answers_a_second()));
        writeln!(
            out,
            "{}, {answers} ({rate} a second): {}",
            output::processes(*processes),
            counted(*differences, "difference")
        )?;
        meant.iter().try_for_each(|(meant, count)| writeln!(out, "{count} meant: {}", meant.reason()))
    }
}

/// What is kept and shown of a comparison.
struct Watched {
    state: Mutex<ComparisonState>,
    bar: ProgressBar,
    processes: usize,
    begun: AtomicU64,
}

impl Watched {
    fn new(state: ComparisonState, processes: usize) -> Self {
        let bar = ProgressBar::new_spinner().with_style(style());
        Self { state: Mutex::new(state), bar, processes, begun: AtomicU64::new(0) }
    }

    fn state(&self) -> MutexGuard<'_, ComparisonState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn compare(
        &self,
        pair: &SchedulerPair,
        process: ProcessId,
    ) -> Result<(ProcessId, Compared), Failure> {
        self.begun.fetch_add(1, Ordering::Relaxed);
        let before = self.state().parts(process);
        Ok((process, Comparison::new(pair, process, before, self).run().await?))
    }
}

impl Watching for Watched {
    fn answered(&self) {
        self.bar.inc(1);
    }

    fn done(&self, process: ProcessId, part: &ComparedPart, newest: u64) -> Result<(), CompareError> {
        let (begun, all) = (self.begun.load(Ordering::Relaxed), self.processes);
        let (upto, last) = (thousands(part.upto.min(newest)), thousands(newest));
        self.bar.set_message(format!("process {begun} of {all}: nonce {upto} of {last} of {process}"));
        // Behind the newest something may come.
        if part.upto <= newest { self.state().keep_part(process, part) } else { Ok(()) }
    }
}

fn style() -> ProgressStyle {
    let template = "{spinner} {pos} answers, {per_sec:0}, {msg}";
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

#[cfg(test)]
mod tests;
