//! The binary: parses the command line, runs the command, turns its outcome into an exit code.

use std::io::Write;
use std::process::ExitCode;

use quipu::{Cli, StandardOutput};
use tikv_jemallocator::Jemalloc;

/// Also what RocksDB and the other libraries of C and C++ allocate with. The system's keeps an arena for each thread, of
/// which none gives back what a part of is in use: with many threads a node grew by half as much again.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    let _flushed = quipu::FlushedStderr;
    // Before the arguments are read: a line of ./.env counts as an environment variable.
    if let Err(failure) = quipu::read_env_file() {
        return failure.report();
    }
    let mut out = StandardOutput::open();
    let done = Cli::read().and_then(|command| command.run(&mut out)).and_then(|()| Ok(out.flush()?));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
