//! File descriptors: clients must never take those that the log needs.

use std::io;

use rustix::process::{Resource, getrlimit, setrlimit};

/// More connections than this are of no use to anybody.
const CONNECTIONS_MAX: u64 = 8192;

/// How many stores a node has open at most: log, index, uploads, and an index that is being made.
const STORES: u64 = 4;

/// Raises the limit of open files as far as the system lets it, and tells how many connections that leaves room for
/// beside so many sockets of the node's own.
pub(crate) fn connections(sockets: usize) -> io::Result<usize> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit)?;
    Ok(room(limit.current, sockets))
}

/// For how many files of each store there are descriptors beside so many sockets and those connections.
pub(crate) fn files_of_each_store(sockets: usize) -> usize {
    files_of_each(getrlimit(Resource::Nofile).current, sockets)
}

fn files_of_each(files: Option<u64>, sockets: usize) -> usize {
    let taken = sockets.saturating_add(room(files, sockets));
    let left = files.unwrap_or(u64::MAX).saturating_sub(u64::try_from(taken).unwrap_or(u64::MAX));
    usize::try_from(left / STORES).unwrap_or(usize::MAX)
}

/// Half of what the node's own sockets leave: a log without descriptors takes no more messages. No limit at all leaves
/// room for as many as are of use.
fn room(files: Option<u64>, sockets: usize) -> usize {
    let sockets = u64::try_from(sockets).unwrap_or(u64::MAX);
    let room = files.map_or(CONNECTIONS_MAX, |files| files.saturating_sub(sockets) / 2);
    usize::try_from(room.clamp(1, CONNECTIONS_MAX)).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_get_half_of_what_the_node_does_not_need_itself() {
        for (files, sockets, connections) in [
            (Some(1024), 0, 512),
            (Some(1024), 200, 412),
            (Some(1024), 1000, 12),
            (Some(100), 200, 1),
            (Some(1_048_576), 200, 8192),
            (None, 200, 8192),
        ] {
            assert_eq!(room(files, sockets), connections, "{files:?} files, {sockets} sockets");
        }
    }

    #[test]
    fn clients_and_the_files_of_all_stores_fit_together() {
        for (files, sockets) in [(1024, 0), (1024, 480), (4096, 480), (1_048_576, 480)] {
            let all = room(Some(files), sockets) + files_of_each(Some(files), sockets) * 4 + sockets;
            assert!(all as u64 <= files, "{all} of {files}");
            assert!(files_of_each(Some(files), sockets) >= 64);
        }
        assert!(files_of_each(None, 480) > 1_000_000);
    }
}
