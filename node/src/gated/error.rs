//! Why a node does not work with its gate.

use gate::{BatchError, GateError, PublishError};
use log::{AppendError, NodeId, RecordError, StoreId, Term};
use projections::Behind;
use replicator::ReceiveError;
use thiserror::Error;

/// Why a node does not work with its gate, or not without one.
#[derive(Debug, Error)]
pub enum GatedError {
    /// The gate cannot be used.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// Nothing can be claimed there.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// Other nodes keep the log.
    #[error(
        "this log is kept by several nodes (REPLICATION_ACKS), and GATE is set: one or the other decides who leads. Take the \
         other nodes away first, with `quipu members remove`, or start without GATE"
    )]
    Members,
    /// It cannot go on without its gate.
    #[error(
        "this log is remembered by a gate ({0}), and another node may be writing there: set GATE and GATE_URL as they were. A \
         log of its own is made of it by `quipu backup restore`"
    )]
    WithoutGate(String),
    /// The gate is that of another store.
    #[error("the gate has the store {there}, and {here} is here: every store has a gate of its own")]
    OtherStore {
        /// What the gate has.
        there: StoreId,
        /// What is here.
        here: StoreId,
    },
    /// It had more.
    #[error(
        "the gate has {there} events, and this node knows that it had {known}: the engine was restored to an earlier time, or \
         has lost some. Nothing is written there. Give the engine back what it had; the log here has all of it"
    )]
    Forgot {
        /// How many it has.
        there: u64,
        /// How many it had.
        known: u64,
    },
    /// It had something else.
    #[error(
        "the gate has other events than it had: among the first {0} are some that differ from those which this node knows to \
         have been there. The engine was restored to an earlier time, and something else was written there since; nothing is \
         written there by this node"
    )]
    Changed(u64),
    /// Something else was written at the place of what is here and never left this node.
    #[error(
        "{beyond} events are here that nobody was ever told of, and the gate has others in their place: {reason}. Start with \
         an empty data folder (SU_DATA_DIR), which gets all from the gate; this one may be kept to look at"
    )]
    Beyond {
        /// How many may be affected.
        beyond: u64,
        /// What differs.
        reason: String,
    },
    /// What is here was written without the gate.
    #[error(
        "the log here was written without a gate, and the gate has another life of the same store: {0}. Both may have told \
         clients what they have; nothing is written by this node. Decide which one counts: that of the gate goes on with an \
         empty data folder (SU_DATA_DIR), the one here with an empty gate or without one"
    )]
    TwoLives(String),
    /// Another node has claimed the gate since this one did.
    #[error(
        "another node, {by}, has claimed the gate in term {term}, after this one did: it has taken the place of this one. If \
         this one is to take over again, say so once with GATE_TAKE_OVER={term}"
    )]
    Replaced {
        /// Who has.
        by: NodeId,
        /// In which term.
        term: Term,
    },
    /// What the gate has cannot be taken in.
    #[error("what the gate has cannot be taken into the log: {0}")]
    Receive(#[from] ReceiveError),
    /// What the gate has is damaged.
    #[error("what the gate has is damaged: {0}")]
    Batch(#[from] BatchError),
    /// What the gate has is damaged.
    #[error("what the gate has is damaged: {0}")]
    Record(#[from] RecordError),
    /// The log takes nothing.
    #[error("the log does not take what the gate allows: {0}")]
    Append(#[from] AppendError),
    /// The index does not follow.
    #[error(transparent)]
    Behind(#[from] Behind),
    /// This node was fenced before it served.
    #[error("{0}")]
    Lost(String),
}
