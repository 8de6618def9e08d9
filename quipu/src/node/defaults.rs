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
