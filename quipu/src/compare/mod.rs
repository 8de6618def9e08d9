//! `quipu compare`: asks two schedulers everything about processes, and prints where their answers part.

mod departures;
mod differences;
mod folder;
mod process;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use gateway::EndpointError;
use indicatif::{ProgressBar, ProgressStyle};
use log::{ReadError, RocksError};
use node::NodeError;
use protocol::ProcessId;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::runtime::Builder;

use crate::client::SchedulerClient;
use crate::failure::Failure;
use crate::import::{ProcessFileError, read_processes};
use crate::output::{counted, excerpt};
use departures::Meant;
use process::{Compared, Comparison, SchedulerPair};

const EXAMPLES: &str = "\
Each process is asked for by id, its newest message, its pages by nonce and by time, and each message and assignment by id. \
The first is the one that the second is held against: differences that are meant, because the existing scheduler errs there, \
are counted with the reason. DATA is the data folder of a node that is stopped; it is served on this machine alone \
meanwhile, and without a list of processes all of its own are compared.

Examples:
  quipu compare http://su.example ./data     the existing scheduler and what was imported from it
  quipu compare http://su.example ./data --state done.jsonl     typed again it goes on there
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

    /// Keep in this file which processes are done, and leave these out the next time
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

impl CompareError {
    /// Whether a setting is wrong.
    pub fn is_wrong_setting(&self) -> bool {
        matches!(self, Self::NoProcesses | Self::Processes(_) | Self::NoLog(_))
    }
}

/// What is kept of a process that is done.
#[derive(Debug, Deserialize, Serialize)]
struct Done {
    process: ProcessId,
    answers: u64,
    differences: u64,
}

/// What was found of all.
#[derive(Debug, Default)]
struct Totals {
    processes: u64,
    answers: u64,
    differences: u64,
    meant: BTreeMap<Meant, u64>,
}

impl CompareArgs {
    /// Compares; differences and their number go to `out`, progress to standard error.
    ///
    /// # Errors
    /// When one of both is not reached, or they differ.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let folder = (!self.second.contains("://")).then(|| PathBuf::from(&self.second));
        let processes = self.wanted(folder.as_deref())?;
        let runtime = Builder::new_multi_thread().enable_all().build().map_err(Failure::Runtime)?;
        let totals = runtime.block_on(async {
            let first = SchedulerClient::new(&self.first)?;
            let Some(folder) = folder else {
                let second = SchedulerClient::new(&self.second)?;
                return self
                    .compare(SchedulerPair { first, second, at_once: self.at_once }, &processes, out)
                    .await;
            };
            let node = folder::serve(folder).await?;
            let second = SchedulerClient::new(&format!("http://{}", node.public()))?;
            let pair = SchedulerPair { first, second, at_once: self.at_once };
            let compared = self.compare(pair, &processes, out).await;
            // It only read: whether it ends in order changes nothing.
            let _ = node.stop().await;
            compared
        })?;
        self.tell(&totals, out)?;
        match totals.differences {
            0 => Ok(()),
            differences => Err(CompareError::Differ(differences).into()),
        }
    }

    fn wanted(&self, folder: Option<&Path>) -> Result<Vec<ProcessId>, CompareError> {
        let mut wanted: BTreeSet<ProcessId> = self.process.iter().copied().collect();
        if let Some(path) = &self.processes {
            wanted.extend(read_processes(path)?);
        }
        match (wanted.is_empty(), folder) {
            (false, _) => Ok(wanted.into_iter().collect()),
            (true, Some(folder)) => folder::processes(folder),
            (true, None) => Err(CompareError::NoProcesses),
        }
    }

    async fn compare(
        &self,
        pair: SchedulerPair,
        processes: &[ProcessId],
        out: &mut dyn Write,
    ) -> Result<Totals, Failure> {
        let mut totals = Totals::default();
        let done = self.done()?;
        let bar = ProgressBar::new_spinner().with_style(style());
        for process in processes {
            totals.processes += 1;
            if let Some(before) = done.get(process) {
                totals.differences += before.differences;
                continue;
            }
            bar.set_message(process.to_string());
            let compared = Comparison::new(&pair, *process, &|| bar.inc(1)).run().await?;
            bar.suspend(|| self.print(&compared, out))?;
            self.keep(&Done {
                process: *process,
                answers: compared.answers,
                differences: compared.differences(),
            })?;
            totals.answers += compared.answers;
            totals.differences += compared.differences();
            for (_, meant) in compared.found {
                *meant.map_or(&mut 0, |meant| totals.meant.entry(meant).or_default()) += 1;
            }
        }
        bar.finish_and_clear();
        Ok(totals)
    }

    /// The processes that were compared before.
    fn done(&self) -> Result<BTreeMap<ProcessId, Done>, CompareError> {
        let Some(path) = self.state.as_deref().filter(|path| path.exists()) else {
            return Ok(BTreeMap::new());
        };
        let failed = |error| CompareError::State { path: path.to_owned(), error };
        let text = fs::read_to_string(path).map_err(failed)?;
        // A line that a kill broke off is of a process that is compared again.
        let done = text.lines().filter_map(|line| serde_json::from_str::<Done>(line).ok());
        Ok(done.map(|done| (done.process, done)).collect())
    }

    fn keep(&self, done: &Done) -> Result<(), CompareError> {
        let Some(path) = &self.state else { return Ok(()) };
        let failed = |error| CompareError::State { path: path.clone(), error };
        let line = serde_json::to_string(done).map_err(|error| failed(error.into()))?;
        let file = OpenOptions::new().create(true).append(true).open(path);
        file.and_then(|mut file| writeln!(file, "{line}")).map_err(failed)
    }

    fn print(&self, compared: &Compared, out: &mut dyn Write) -> std::io::Result<()> {
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
        Ok(())
    }

    fn tell(&self, totals: &Totals, out: &mut dyn Write) -> std::io::Result<()> {
        let Totals { processes, answers, differences, meant } = totals;
        if self.json {
            let meant: BTreeMap<_, _> = meant.iter().map(|(meant, count)| (meant.reason(), count)).collect();
            let line = json!({
                "processes": processes, "answers": answers, "differences": differences, "meant": meant,
            });
            return writeln!(out, "{line}");
        }
        let (processes, answers) = (counted(*processes, "process"), counted(*answers, "answer"));
        writeln!(out, "{processes}, {answers}: {}", counted(*differences, "difference"))?;
        meant.iter().try_for_each(|(meant, count)| writeln!(out, "{count} meant: {}", meant.reason()))
    }
}

fn style() -> ProgressStyle {
    let template = "{spinner} {pos} answers, {per_sec}, {msg}";
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}
