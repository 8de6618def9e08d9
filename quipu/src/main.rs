//! The binary: parses the command line, runs the command, turns its outcome into an exit code.

use std::io;
use std::process::ExitCode;

use clap::Parser;

use quipu::Cli;

fn main() -> ExitCode {
    match Cli::parse().run(&mut io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
