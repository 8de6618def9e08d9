//! Projections: what is derived from the log, follows it by itself and can be rebuilt from it at any time.
//!
//! A [`Projection`] is a place to write to and a cursor that is committed together with what it covers. A
//! [`Follower`] drives each of them along the log. Uploads, which settle in no order, have a loop of their own. All of
//! them tell how far they have come through a [`Publisher`], and everybody else reads it from a [`Position`].

mod projection;
mod fingerprint;
mod rocks;
mod position;
mod publisher;
mod trouble;
mod follower;
mod replay;
mod jobs;
mod index;
mod postgres;
mod uploads;
mod metrics;

pub use follower::Follower;
pub use index::{Index, IndexError, IndexPlace, IndexReplay, IndexWriter, ProcessWatch};
pub use jobs::{JobError, JobState, Jobs, ReplayJob};
pub use metrics::describe;
pub use position::{Behind, Position, ProjectionStatus, Standing};
pub use postgres::{
    DatabaseUrl, DatabaseUrlError, EntryKind, EntryTag, ItemPlace, LIMIT_MAX, LIMIT_USUAL, ListOrder,
    ListPage, MessageFilter, PostgresOptions, PostgresReplay, PostgresWriter, ProcessFilter, Queries,
    QueryEntry, QueryError, QueryList, SignedEntry, StoreTotals, TagAnyOf, TagIs, TransactionFilter, tag_key,
};
pub use projection::{BatchLimit, Projection, ProjectionError};
pub use publisher::Publisher;
pub use replay::{Advance, NoSuchScope, Progress, Replay, ReplayScope};
pub use uploads::{
    Arrivals, DeadLetter, MissingUpload, RetryReport, Search, SearchOutcome, Searched, UploadPart,
    UploadRunner, UploadTarget, UploadTargets, UploadsHandle,
};
