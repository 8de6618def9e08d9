//! The Postgres projection: the log as tables, for questions that the index does not answer.

mod database_url;
mod options;
mod query;
mod tag_key;

mod copy;
mod rows;

mod blocking;
mod session;
mod patience;
mod pooler;
mod connect;
mod lock;
mod pace;
mod cursor;
mod connections;
mod apply;
mod rewind;
mod writer;
mod rebuild;

pub use database_url::{DatabaseUrl, DatabaseUrlError};
pub use options::PostgresOptions;
pub use query::{
    EntryKind, EntryTag, ItemPlace, LIMIT_MAX, LIMIT_USUAL, ListOrder, ListPage, MessageFilter,
    ProcessFilter, Queries, QueryEntry, QueryError, QueryList, SignedEntry, StoreTotals, TagAnyOf, TagIs,
    TransactionFilter,
};
pub use rebuild::PostgresReplay;
pub use tag_key::tag_key;
pub use writer::PostgresWriter;

const NAME: &str = "postgres";

/// An hour, as totals are kept by, in milliseconds.
const HOUR_MS: i64 = 3_600_000;

/// The version of what the rows mean. Rows of an older one have to be rebuilt.
const LAYOUT: i32 = 1;
