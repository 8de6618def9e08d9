//! Real nodes as processes on loopback: whether they keep what they promise when they are killed, starved, damaged,
//! flooded and stopped. See `quipu_tests` for what the scenarios are made of.

mod bench;
mod bodies;
mod checks;
mod conformance;
mod damage;
mod dev;
mod disk_full;
mod duplicates;
mod failing_fsync;
mod hang_ups;
mod http;
mod kill;
mod namespace;
mod old_way;
mod pages;
mod replay;
mod restarts;
mod rewind;
mod settings;
mod signatures;
mod slow_clients;
mod stop;
mod uploads;
mod vectors;

#[path = "../../log/src/samples.rs"]
#[allow(dead_code, reason = "benches use the rest")]
mod samples;

/// A folder that is gone with its test.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("the folder for temporary files can be written to")
}
