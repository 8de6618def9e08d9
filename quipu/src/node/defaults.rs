//! What a node does where it is not told.

use std::time::Duration;

pub(super) const PORT: u16 = 9000;
pub(super) const MAX_READ_MEMORY: usize = 1 << 30;
pub(super) const PROCESS_CACHE_SIZE: usize = 20_000;

/// Bodies of the wire protocol: 10 MiB.
pub(super) const MAX_BODY: usize = 10 << 20;

/// How long a stopping node waits for what it accepted.
pub(super) const SHUTDOWN: Duration = Duration::from_secs(30);

/// The development gateway's chain grows as fast as Arweave's.
pub(super) const DEV_BLOCK_EVERY: Duration = Duration::from_secs(120);

/// How long a start waits for the gateway's first block height, when none is known from before.
pub(super) const FIRST_HEIGHT: Duration = Duration::from_secs(2);

/// Operators are few.
pub(super) const ADMIN_CONNECTIONS: usize = 64;

/// Few: one follows the log, the others serve rebuilds.
pub(super) const DB_WRITE_CONNECTIONS: u32 = 4;
/// Connections for queries.
pub(super) const DB_READ_CONNECTIONS: u32 = 10;
/// Events that a projection takes back without being asked.
pub(super) const REWIND_EVENTS_MAX: u64 = 100_000;
/// A database that hangs must not keep the node from stopping.
pub(super) const POSTGRES_SHUTDOWN: Duration = Duration::from_secs(5);
