//! What an operator can set about the Postgres projection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use uuid::Uuid;

use super::database_url::DatabaseUrl;

/// Where the database is, and how much of it may be used. Clones belong to the same node.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// The database, for writing.
    pub url: DatabaseUrl,
    /// The same for queries, where they go to a replica.
    pub read_url: Option<DatabaseUrl>,
    /// The most connections for writing: one follows the log, the others serve rebuilds. One more is opened for a moment
    /// when it is found out whether a pooler is in the way, and again and again while something takes long.
    pub write_connections: u32,
    /// The most connections for queries.
    pub read_connections: u32,
    /// How many events may be taken back without being asked when the log turns out to have another history.
    pub rewind_events_max: u64,
    /// A database that says nothing for so long is as good as gone.
    pub answer_within: Duration,
    writer: Arc<WriterIdentity>,
}

/// Who writes: this node, for as long as it runs.
#[derive(Debug)]
struct WriterIdentity {
    /// By this name its connections are told from those of all others.
    name: String,
    /// Whether it was found that its connections are its own, and no pooler's.
    unpooled: AtomicBool,
}

impl PostgresOptions {
    /// This database, and all else as usual.
    pub fn new(url: DatabaseUrl) -> Self {
        let name = format!("quipu {}", Uuid::new_v4().simple());
        Self {
            url,
            read_url: None,
            write_connections: 4,
            read_connections: 8,
            rewind_events_max: 100_000,
            answer_within: Duration::from_secs(30),
            writer: Arc::new(WriterIdentity { name, unpooled: AtomicBool::new(false) }),
        }
    }

    /// The name of the connections for writing, which no other node has.
    pub(super) fn writer_name(&self) -> &str {
        &self.writer.name
    }

    /// Whether connections are known to be no pooler's.
    pub(super) fn is_unpooled(&self) -> bool {
        self.writer.unpooled.load(Ordering::Relaxed)
    }

    pub(super) fn found_unpooled(&self) {
        self.writer.unpooled.store(true, Ordering::Relaxed);
    }
}
