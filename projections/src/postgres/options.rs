//! What an operator can set about the Postgres projection.

use std::fmt;

/// Where the database is, and how much of it may be used.
#[derive(Clone)]
pub struct PostgresOptions {
    /// `postgres://user:password@host:port/database`, for writing.
    pub url: String,
    /// The same for queries, where they go to a replica.
    pub read_url: Option<String>,
    /// The most connections for writing: one follows the log, the others serve rebuilds.
    pub write_connections: u32,
    /// The most connections for queries.
    pub read_connections: u32,
    /// How many events may be taken back without being asked when the log turns out to have another history.
    pub rewind_events_max: u64,
}

impl fmt::Debug for PostgresOptions {
    /// Without the URLs, which hold passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("write_connections", &self.write_connections)
            .field("read_connections", &self.read_connections)
            .field("rewind_events_max", &self.rewind_events_max)
            .finish_non_exhaustive()
    }
}
