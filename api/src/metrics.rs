//! The names of this crate's metrics, their labels and help texts: what a node is, and what its checks find.

use metrics::{Unit, describe_gauge, gauge};

use crate::checks::CheckLevel;
use crate::moving::OpenMovesForm;
use crate::node::ApiNode;
use crate::write_side::ROLES;

const CHECK_STATUS: &str = "quipu_check_status";
const BUILD_INFO: &str = "quipu_build_info";
const NODE_ROLE: &str = "quipu_node_role";
const LOG_TERM: &str = "quipu_log_term";
const DISK_FREE: &str = "quipu_disk_free_bytes";
const DISK_SIZE: &str = "quipu_disk_size_bytes";
const WAITING: &str = "quipu_scheduler_waiting";
const PROCESSES: &str = "quipu_processes";
const STREAM_CLIENTS: &str = "quipu_stream_clients";
const MOVES_OPEN: &str = "quipu_moves_open";

/// The metrics of all crates of which series are made.
pub(crate) struct ReadMetrics {
    pub(crate) scheduled: &'static str,
    pub(crate) refused: &'static str,
    pub(crate) requests: &'static str,
    pub(crate) confirmed: &'static str,
    pub(crate) answer: &'static str,
    pub(crate) sign: &'static str,
    pub(crate) sync: &'static str,
}

pub(crate) const READ: ReadMetrics = ReadMetrics {
    scheduled: "quipu_scheduler_scheduled_total",
    refused: "quipu_scheduler_refused_total",
    requests: "quipu_http_requests_total",
    confirmed: "quipu_uploads_confirmed_total",
    answer: "quipu_scheduler_answer_seconds",
    sign: "quipu_scheduler_sign_seconds",
    sync: "quipu_log_commit_seconds",
};

const CHECK: &str = "check";
const VERSION: &str = "version";
const ROLE: &str = "role";
const STORE: &str = "store";
const MOVE: &str = "move";

/// Registers the help texts of this crate's metrics.
pub fn describe() {
    describe_gauge!(CHECK_STATUS, "What a check of the node finds: 0 ok, 1 a warning, 2 a failure");
    describe_gauge!(BUILD_INFO, "1, with the version of the software");
    describe_gauge!(
        NODE_ROLE,
        "1 for what the node does, 0 for what it does not, with the store that it has"
    );
    describe_gauge!(
        LOG_TERM,
        "The term of the log, which grows whenever another node begins to schedule there"
    );
    describe_gauge!(DISK_FREE, Unit::Bytes, "Free space on the disk of the data folder, for the node's user");
    describe_gauge!(DISK_SIZE, Unit::Bytes, "Size of the disk of the data folder");
    describe_gauge!(WAITING, Unit::Count, "Requests to schedule something that are not answered yet");
    describe_gauge!(PROCESSES, Unit::Count, "Processes that the node has, counted now and then");
    describe_gauge!(
        MOVES_OPEN,
        Unit::Count,
        "Processes on their way that nothing brings: to this node (in), from it and ended here (out), or only copied (copied)"
    );
    describe_gauge!(STREAM_CLIENTS, Unit::Count, "Clients that follow a process by server-sent events");
}

/// What a check found.
pub(crate) fn checked(check: &'static str, level: CheckLevel) {
    let number = match level {
        CheckLevel::Ok => 0.0,
        CheckLevel::Warn => 1.0,
        CheckLevel::Fail => 2.0,
    };
    gauge!(CHECK_STATUS, CHECK => check).set(number);
}

/// What is on its way and not brought.
pub(crate) fn moves(open: &OpenMovesForm) {
    let ended = open.left.iter().filter(|left| left.ended).count();
    let standing = open.moves.iter().filter(|open| !open.running).count();
    for (what, count) in [("in", standing), ("out", ended), ("copied", open.left.len() - ended)] {
        gauge!(MOVES_OPEN, MOVE => what).set(count as f64);
    }
}

/// How much room there is where the data is.
pub(crate) fn room(free: u64, size: u64) {
    gauge!(DISK_FREE).set(free as f64);
    gauge!(DISK_SIZE).set(size as f64);
}

/// How many processes there are.
pub(crate) fn processes(count: u64) {
    gauge!(PROCESSES).set(count as f64);
}

/// Sets what the node is at this moment.
pub(crate) fn record(node: &ApiNode) {
    let identity = node.parts.log.identity();
    let (own, store) = (node.role(), identity.store.to_string());
    for role in ROLES {
        let is_own = if role == own { 1.0 } else { 0.0 };
        gauge!(NODE_ROLE, ROLE => role, STORE => store.clone()).set(is_own);
    }
    gauge!(BUILD_INFO, VERSION => node.version()).set(1.0);
    gauge!(LOG_TERM).set(identity.term.0 as f64);
    if let Ok(scheduler) = node.writes().scheduler() {
        gauge!(WAITING).set(scheduler.waiting() as f64);
    }
}

/// A client that follows a process, counted for as long as this lives.
pub(crate) struct StreamClient(());

impl StreamClient {
    pub(crate) fn new() -> Self {
        gauge!(STREAM_CLIENTS).increment(1.0);
        Self(())
    }
}

impl Drop for StreamClient {
    fn drop(&mut self) {
        gauge!(STREAM_CLIENTS).decrement(1.0);
    }
}
