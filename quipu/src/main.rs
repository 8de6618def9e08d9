//! The binary: parses the command line, runs the command, turns its outcome into an exit code.

use std::io;
use std::process::ExitCode;

use quipu::Cli;

fn main() -> ExitCode {
    // Before the arguments are read: a line of ./.env counts as an environment variable.
    if let Err(failure) = quipu::read_env_file() {
        return failure.report();
    }
    match Cli::read().and_then(|command| command.run(&mut io::stdout())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
