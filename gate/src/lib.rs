//! Gates: an engine that an operator runs already and that replicates remembers the log, and says who may write it.
//!
//! Nothing leaves a node before its gate has it. Start with [`Gate`]: its documentation is the contract that every gate
//! keeps. A node writes through a [`GatePublisher`] and reads through a [`GateReader`], which are the same for all gates.

mod batch;
mod codec;
mod contract;
#[cfg(test)]
extern crate self as gate;
mod jetstream;
mod memory;
mod metrics;
mod numbered;
mod objects;
mod place;
mod postgres;
mod publisher;
mod reader;
mod record;
mod rule;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod suite;

pub use batch::{BATCH_BYTES, BatchDraft, BatchError, EventBatch};
pub use codec::GateRecordError;
pub use contract::{Durability, Gate, GateCause, GateError, Put};
pub use jetstream::{JetStreamAddressError, JetStreamGate, JetStreamGateOptions};
pub use memory::{GateFault, MemoryGate};
pub use metrics::{describe, record_waiting};
pub use objects::{ObjectGate, ObjectGateError, ObjectGateOptions};
pub use place::{ClaimId, GateClaim, GateContents, GatePlace};
pub use postgres::{PostgresGate, PostgresGateOptions};
pub use publisher::{GatePublisher, PublishError};
pub use reader::GateReader;
pub use record::{GateRecord, RecordBody};
