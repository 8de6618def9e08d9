//! What operators are given beside the binary: packages, units, alerts, dashboard and runbook. Each is installed and run, and
//! held against real nodes and against the code, so that none speaks of what is not there or leaves out what is.

mod deb;
mod image;
mod observability;
mod root;
mod runbook;
mod served;
mod units;

use std::fs;
use std::path::Path;
use std::process::Command;

use quipu_tests::{Finished, Program, workspace};

/// A file of the project, as text.
fn read(path: &str) -> String {
    let path = workspace().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Runs a program in this folder; it has to be there, and to end well.
fn run(folder: &Path, words: &[&str]) -> Finished {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).current_dir(folder);
    let finished = Program::run(command);
    assert_eq!(finished.code, Some(0), "{words:?}:\n{}\n{}", finished.stdout, finished.stderr);
    finished
}

/// A folder that is gone with its test.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("the folder for temporary files can be written to")
}
