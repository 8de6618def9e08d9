//! The arguments of `quipu bench`, and what follows from them.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use protocol::ProcessId;

use crate::client::{AdminArgs, NodeArgs, SchedulerClient};

use super::acks::AckLog;
use super::floor::Floor;
use super::post::Posting;
use super::read::{ReadBackForm, Reading};
use super::workload::{SignerKind, Workload};

const DEFAULT_MESSAGES: u32 = 20_000;

const EXAMPLES: &str = "\
The workload is signed before anything is measured, by default with Ed25519 keys: verifying such a signature costs a node \
about as much as an RSA one, and signing 20,000 messages takes a second instead of half a minute. The floor is how many \
signatures this machine makes per second with a key of the same type as the node's wallet (RSA-4096, secp256k1 or \
Ed25519); a node on it cannot acknowledge more messages than that, since it signs an assignment for each. When client \
and node run on the same machine they share it; the report says how much of it the client took.

Examples:
  quipu bench                              20,000 messages to 8 processes of a local node
  quipu bench --url https://su.example --connections 16 --seconds 30
  quipu bench --signer arweave --data-bytes 4096 --json
  quipu bench --projection-lag             also how far Postgres and uploads fall behind

Is all that a node acknowledged still there after it was killed and started again?
  quipu bench --ack-log acks.txt --keep-going --skip-read --skip-check   meanwhile
  quipu bench --ack-log acks.txt --check-only                            afterwards

Exit codes: 0 all is right, 1 failed, a message was refused or lost, or a check found a flaw, 2 wrong usage or setting.";

/// Measure a node, and check everything it returns
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES, after_help = "Examples and what the figures mean: quipu bench --help")]
pub struct BenchArgs {
    #[command(flatten)]
    pub(super) node: NodeArgs,
    /// How many processes to spawn; messages go to each in turn
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    processes: u32,
    /// How many connections post at once, each waiting for its acknowledgement
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    /// How many messages to post [default: 20000; with --seconds, as many as the floor allows]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    messages: Option<u32>,
    /// The longest time to post, in seconds
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u32).range(1..))]
    seconds: Option<u32>,
    /// The bytes of data in each message
    #[arg(long, default_value_t = 256, value_name = "N")]
    pub(super) data_bytes: usize,
    /// The type of the keys that sign the workload
    #[arg(long, value_enum, default_value_t = SignerKind::Ed25519)]
    pub(super) signer: SignerKind,
    /// The seconds to measure the floor for, on one core and then on all of them; 0 skips it
    #[arg(long, default_value_t = 2, value_name = "S")]
    floor_seconds: u32,
    /// How many messages to read in one page
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    read_limit: u32,
    /// How many connections read at once
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    read_connections: u32,
    /// The seconds to read for
    #[arg(long, default_value_t = 5, value_name = "S", value_parser = clap::value_parser!(u32).range(1..))]
    read_seconds: u32,
    /// Report how far the node's projections fall behind, and when they have caught up
    #[arg(long, conflicts_with = "check_only")]
    pub(super) projection_lag: bool,
    #[command(flatten)]
    pub(super) admin: AdminArgs,
    /// Do not measure reads
    #[arg(long)]
    pub(super) skip_read: bool,
    /// Do not check what the node returns
    #[arg(long)]
    pub(super) skip_check: bool,
    /// Append the process id and message id of each acknowledged message to this file
    #[arg(long, value_name = "FILE")]
    pub(super) ack_log: Option<PathBuf>,
    /// Post nothing; check that the node has everything in the file of --ack-log, and has it right
    #[arg(long, requires = "ack_log", conflicts_with_all = ["skip_check", "keep_going"])]
    pub(super) check_only: bool,
    /// Go on when a connection breaks, and do not count that as a failure
    #[arg(long)]
    pub(super) keep_going: bool,
    /// Print the report as JSON
    #[arg(long)]
    pub(super) json: bool,
}

impl BenchArgs {
    pub(super) fn floor_seconds(&self) -> Option<Duration> {
        (self.floor_seconds > 0).then(|| seconds(self.floor_seconds))
    }

    pub(super) fn processes(&self) -> usize {
        self.processes as usize
    }

    /// How many messages to sign. For a span of time: a fifth more than a node on this machine could acknowledge.
    pub(super) fn message_count(&self, floor: Option<&Floor>) -> usize {
        let expected = || {
            let per_second = floor?.all_cores_per_second;
            Some((per_second * 1.2 * f64::from(self.seconds?)).ceil() as u32)
        };
        self.messages.or_else(expected).unwrap_or(DEFAULT_MESSAGES) as usize
    }

    pub(super) fn posting<'a>(
        &self,
        scheduler: &'a SchedulerClient,
        workload: &'a Workload,
        acks: Option<&'a AckLog>,
    ) -> Posting<'a> {
        Posting {
            scheduler,
            workload,
            acks,
            connections: self.connections as usize,
            duration: self.seconds.map(seconds),
            keep_going: self.keep_going,
        }
    }

    pub(super) fn reading<'a>(
        &self,
        scheduler: &'a SchedulerClient,
        newest: &'a [(ProcessId, u64)],
        form: ReadBackForm,
    ) -> Reading<'a> {
        Reading {
            form,
            scheduler,
            newest,
            limit: self.read_limit,
            connections: self.read_connections as usize,
            duration: seconds(self.read_seconds),
        }
    }
}

fn seconds(count: u32) -> Duration {
    Duration::from_secs(count.into())
}
