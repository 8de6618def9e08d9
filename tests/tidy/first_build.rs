//! The first build is long and silent, and whoever starts it is told so before.

use std::fs;
use std::process::Command;
use std::thread;

use quipu_tests::{Program, workspace};

/// How long RocksDB takes to compile, in minutes of processor time.
const MINUTES: usize = 28;

#[test]
fn a_first_build_is_announced_and_no_other() {
    let target = tempfile::tempdir().expect("the folder for temporary files can be written to");
    let said = || {
        let mut script = Command::new("sh");
        script.arg(".ci/first_build").arg(target.path()).current_dir(workspace());
        let finished = Program::run(script);
        assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""), "{}", finished.stdout);
        finished.stdout
    };
    let cores = thread::available_parallelism().expect("the system tells").get();
    let first = said();
    for part in [
        "RocksDB".to_owned(),
        format!("about {} minutes on this machine's {cores} cores", MINUTES.div_ceil(cores)),
        format!("ls {}/release/build/librocksdb-sys-*/out", target.path().display()),
    ] {
        assert!(first.contains(&part), "no {part:?} in {first}");
    }
    // As long as it is being compiled it is not there.
    let out = target.path().join("release/build/librocksdb-sys-0123456789abcdef/out");
    fs::create_dir_all(&out).expect("it can be made");
    assert_eq!(said(), first);
    fs::write(out.join("librocksdb.a"), "").expect("it can be written");
    assert_eq!(said(), "");
}

#[test]
fn whatever_compiles_says_so_first() {
    for goal in ["run", "test", "build", "lint", "openapi"] {
        let mut make = Command::new("make");
        make.args(["--dry-run", goal]).current_dir(workspace());
        let planned = Program::run(make);
        let lines: Vec<_> = planned.stdout.lines().filter(|line| !line.starts_with("make")).collect();
        assert!(lines.len() > 1 && lines[0].starts_with("sh .ci/first_build"), "{goal}: {}", planned.stdout);
    }
}
