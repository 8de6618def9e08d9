//! `make fuzz` runs each fuzz target, and each begins with seeds that are small enough to be kept here.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use quipu_tests::{Program, workspace};

use crate::assert_none;

/// How long all seeds of a target and one of them may be, in bytes.
const SEEDS_MAX: u64 = 64 << 10;
const SEED_MAX: u64 = 16 << 10;

/// Names of what is in a folder, without their ends.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.expect("it can be read").path());
    paths.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect()
}

#[test]
fn each_fuzz_target_is_run_and_has_seeds() {
    let fuzz = workspace().join("fuzz");
    let targets = names(&fuzz.join("targets"));
    assert!(targets.len() > 5, "{targets:?}");
    assert_eq!(names(&fuzz.join("seeds")), targets, "each has a folder of seeds");

    let mut make = Command::new("make");
    make.args(["--dry-run", "fuzz"]).current_dir(workspace());
    let planned = Program::run(make).stdout;
    let run = planned.lines().find_map(|line| line.trim().strip_prefix("for target in ")?.split(';').next());
    let run: BTreeSet<_> = run.expect("it runs them").split_whitespace().map(str::to_owned).collect();
    assert_eq!(run, targets, "each is run by `make fuzz`");

    let broken = targets.iter().filter_map(|target| {
        let folder = fuzz.join("seeds").join(target);
        let seeds = fs::read_dir(&folder).expect("it is there");
        let lengths: Vec<_> =
            seeds.map(|seed| seed.and_then(|seed| seed.metadata()).expect("it is a file").len()).collect();
        let (all, longest) = (lengths.iter().sum::<u64>(), lengths.iter().max().copied());
        let is_small = all <= SEEDS_MAX && longest.is_some_and(|longest| longest <= SEED_MAX);
        (!is_small).then(|| format!("{}: {all} bytes, the longest {longest:?}", folder.display()))
    });
    assert_none("Seeds are some, and small:", broken);
}
