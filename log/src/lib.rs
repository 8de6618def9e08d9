//! The append-only event log: the one truth of a scheduler, of which everything else is a projection.
//!
//! Start with [`Log`]: its documentation is the contract that every engine keeps. [`LocalLog`] keeps it over an
//! [`Engine`], of which there are two: [`Rocks`] on disk and [`Memory`].

mod appender;
#[cfg(test)]
mod arbitrary;
mod check;
mod codec;
mod contract;
mod digest;
mod digest_chain;
mod engine;
mod error;
mod event;
mod fact;
mod folder;
mod fresh;
#[cfg(test)]
extern crate self as log;
mod head;
mod identity;
mod ids;
mod keys;
mod local;
mod memory;
mod metrics;
mod moves;
mod newest;
mod opening;
mod owners;
mod placing;
mod queue;
mod reader;
mod released;
mod record;
mod repair;
mod request;
mod rocks;
#[cfg(test)]
#[path = "../../testing/src/samples/mod.rs"]
#[expect(dead_code, reason = "other crates use the rest")]
mod samples;
mod sizes;
mod staging;
mod state;
mod stored;
#[cfg(test)]
mod suite;
mod verify;
mod view;

pub use contract::{Append, Import, Log, Receipt, Tail, TailPublisher};
pub use digest::LogDigest;
pub use engine::{Engine, StoreBatch, StorePut, StoreVisit, StoreWalk};
pub use error::{AppendError, Cause, EngineError, LogFailure, ReadError};
pub use event::{Body, BodyRef, DeepHash, Event, EventRef, Kind};
pub use fact::{Fact, Members, Promotion, Publication};
pub use folder::{
    FolderContents, FolderError, FolderLock, FolderOwner, folder_owner, make_folder, mark_folder, mark_in,
};
pub use fresh::{fresh_file, replace_file};
pub use head::{ChainLink, Head};
pub use identity::{Identity, NodeId, StoreId, Term, TermStart};
pub use ids::Seq;
pub use keys::{EventKey, OwnerNumber, StoreKey, StoreTable};
pub use local::{LocalLog, Stepper};
pub use memory::{FailHow, Memory, MemoryDisk};
pub use metrics::describe;
pub use moves::{MoveEnd, MoveStep, ProcessMove};
pub use newest::newest;
pub use opening::OpenError;
pub use record::RecordError;
pub use repair::{RepairError, TornEnd, TornStore, examine_store};
pub use rocks::{CheckpointError, Rocks, RocksError, StoreContents, StoreLock, StoreMemory};
pub use verify::{
    ArrivingCheck, Fault, FaultPlace, Notice, ReceivedCheck, ReceivedError, VerifySummary,
    first_wrong_signature,
};
pub use view::StoreView;
