//! What a node does where it is not told.

use std::time::Duration;

pub(super) const PORT: u16 = 9000;
pub(super) const MAX_READ_MEMORY: usize = 1 << 30;
pub(super) const PROCESS_CACHE_SIZE: usize = 20_000;

/// The development gateway's chain grows as fast as Arweave's.
pub(super) const DEV_BLOCK_EVERY: Duration = Duration::from_secs(120);

/// Few: one follows the log, the others serve rebuilds.
pub(super) const DB_WRITE_CONNECTIONS: u32 = 4;
/// Connections for queries.
pub(super) const DB_READ_CONNECTIONS: u32 = 10;
/// Events that a projection takes back without being asked.
pub(super) const REWIND_EVENTS_MAX: u64 = 100_000;
