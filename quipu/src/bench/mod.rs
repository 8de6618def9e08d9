//! `quipu bench`: what a node can do, and whether it did it right.
//!
//! The phases follow each other, so that none disturbs another: the floor of signatures, signing the workload, posting
//! it, reading it back, checking all of it.

mod args;
mod progress;
mod cpu;
mod floor;
mod workload;
mod post;
mod acks;
mod lag;
mod read;
mod rebuild;
mod history;
mod check;
mod report;

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::PathBuf;

use ans104::{ParseError, SignError, WalletError};
use bytes::Bytes;
use protocol::MessageId;

use crate::client::{SchedulerClient, runtime};
use crate::failure::Failure;

use acks::AckLog;
use check::ExpectedHistory;
use floor::Floor;
use lag::Watch;
use post::Posted;
use read::ReadBackForm;
use report::Report;
use workload::Workload;

pub use args::BenchArgs;

/// Why the benchmark cannot be done, or what it found.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// What the scheduler signs with is nothing that a floor is known of.
    #[error(
        "cannot measure the floor: the node's assignments tell no kind of key; --floor-seconds 0 leaves it out"
    )]
    KeyType,
    /// A wallet for the workload or the floor cannot be made.
    #[error("cannot make a wallet to sign with")]
    Wallet(#[from] WalletError),
    /// The workload cannot be signed, or a signature for the floor.
    #[error("cannot sign")]
    Sign(#[from] SignError),
    /// An item of the workload is none.
    #[error("an item of the workload cannot be read back")]
    Item(#[from] ParseError),
    /// Latencies cannot be recorded.
    #[error("cannot record latencies")]
    Latencies(#[from] hdrhistogram::CreationError),
    /// A thread of the benchmark panicked.
    #[error("a thread of the benchmark panicked")]
    Panicked,
    /// The file of acknowledgements cannot be used.
    #[error("cannot use the acknowledgements in {path}")]
    AckFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// The file of acknowledgements holds something else.
    #[error("{path}, line {line}: expected the ids of a process and of a message")]
    AckLine {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// The node did not take the workload.
    #[error("{0} of the messages were not acknowledged")]
    NotAcknowledged(u64),
    /// What came back is not what it must be.
    #[error("the check found flaws: {0}")]
    Flawed(u64),
}

impl BenchArgs {
    /// Runs the benchmark; the report goes to `out`.
    ///
    /// # Errors
    /// When the node is not reached, refuses the workload, or what it gives back is wrong.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let report = if self.check_only { self.check_recorded()? } else { self.measure()? };
        if self.json {
            writeln!(out, "{}", serde_json::json!(report))?;
        } else {
            out.write_all(report.render().as_bytes())?;
        }
        self.judge(&report)
    }

    fn judge(&self, report: &Report) -> Result<(), Failure> {
        if let Some(check) = &report.check
            && check.flaw_count > 0
        {
            return Err(BenchError::Flawed(check.flaw_count).into());
        }
        if let Some(post) = &report.post {
            let failed = post.errors.values().sum();
            if post.acknowledged == 0 || (failed > 0 && !self.keep_going) {
                return Err(BenchError::NotAcknowledged(failed).into());
            }
        }
        Ok(())
    }

    /// Checks a node against the acknowledgements of an earlier run.
    fn check_recorded(&self) -> Result<Report, Failure> {
        let mut report = Report::new(&self.node.url);
        if let Some(path) = &self.ack_log {
            let expected = acks::read(path)?;
            report.check = Some(check::check_all(&self.node.url, expected)?);
        }
        Ok(report)
    }

    fn measure(&self) -> Result<Report, Failure> {
        let runtime = runtime()?;
        let scheduler = SchedulerClient::new(&self.node.url)?;
        // Also finds out, before a minute of signing, that there is no node.
        let address = runtime.block_on(scheduler.info())?.address;
        let acks = self.ack_log.as_deref().map(AckLog::append).transpose()?;
        let watched = self.projection_lag.then(|| self.admin.connect()).transpose()?;

        let mut report = Report::new(&self.node.url);
        if let Some(duration) = self.floor_seconds() {
            let key_type = runtime.block_on(floor::key_type_of(&scheduler, &address))?;
            report.floor = Some(floor::measure(key_type, duration)?);
        }
        let workload = Workload::sign(&self.plan(report.floor.as_ref(), address))?;
        report.workload = Some(workload.describe());

        let posting = self.posting(&scheduler, &workload, acks.as_ref());
        let posted = match &watched {
            None => runtime.block_on(posting.run())?,
            Some(admin) => {
                let (posted, lags) = runtime.block_on(Watch { admin }.during(posting.run()))?;
                report.projections = Some(lags);
                posted
            }
        };
        report.post = Some(posted.summary(report.floor.as_ref()));
        if !self.skip_read {
            let newest = newest_nonces(&workload, &posted);
            let reading = self.reading(&scheduler, &newest, ReadBackForm::Usual);
            report.read = Some(runtime.block_on(reading.run())?);
            report.depth = runtime.block_on(reading.depth())?;
            let reading = self.reading(&scheduler, &newest, ReadBackForm::Aos2);
            // Other schedulers may not have this form.
            report.read_as_aos2 = runtime.block_on(reading.run()).ok();
        }
        // Connections live in the runtime that made them: the check makes its own.
        drop(runtime);
        if !self.skip_check {
            let expected = expected(&workload, &posted);
            report.check = Some(check::check_all(&self.node.url, expected)?);
        }
        Ok(report)
    }

    fn plan(&self, floor: Option<&Floor>, scheduler: String) -> workload::Plan {
        workload::Plan {
            processes: self.processes(),
            messages: self.message_count(floor),
            data_bytes: self.data_bytes,
            signer: self.signer,
            scheduler,
        }
    }
}

/// Where each process must stand: the process itself is nonce 0.
fn newest_nonces(workload: &Workload, posted: &Posted) -> Vec<(protocol::ProcessId, u64)> {
    let mut newest: Vec<_> = workload.processes.iter().map(|process| (process.id.into(), 0)).collect();
    for message in posted.acknowledged(workload) {
        if let Some((_, nonce)) = newest.get_mut(message.process) {
            *nonce += 1;
        }
    }
    newest
}

/// What must be found at the node: all that was acknowledged, and nothing that was not posted.
fn expected(workload: &Workload, posted: &Posted) -> Vec<ExpectedHistory> {
    let mut expected: Vec<_> = workload
        .processes
        .iter()
        .map(|process| {
            let own = MessageId::from(process.id);
            ExpectedHistory {
                process: process.id.into(),
                acknowledged: [own].into(),
                posted: Some(HashMap::from([(own, process.bytes.clone())])),
            }
        })
        .collect();
    let mut sent = |process: usize, id: MessageId, bytes: &Bytes| {
        if let Some(posted) = expected.get_mut(process).and_then(|expected| expected.posted.as_mut()) {
            posted.insert(id, bytes.clone());
        }
    };
    for message in &workload.messages {
        sent(message.process, message.id.into(), &message.bytes);
    }
    for message in posted.acknowledged(workload) {
        if let Some(expected) = expected.get_mut(message.process) {
            expected.acknowledged.insert(message.id.into());
        }
    }
    expected
}

#[cfg(test)]
mod tests;
