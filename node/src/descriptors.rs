//! File descriptors: clients must never take those that the log needs.

use std::io;

use rustix::process::{Resource, getrlimit, setrlimit};

/// More connections than this are of no use to anybody.
const CONNECTIONS_MAX: u64 = 8192;

/// Raises the limit of open files as far as the system lets it, and tells how many connections that leaves room for:
/// half of it, for a log without descriptors takes no more messages.
pub(crate) fn connections() -> io::Result<usize> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit)?;
    // No limit at all leaves room for as many as are of use.
    let room = limit.current.map_or(CONNECTIONS_MAX, |files| files / 2);
    Ok(usize::try_from(room.clamp(1, CONNECTIONS_MAX)).unwrap_or(1))
}
