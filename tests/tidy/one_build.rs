//! RocksDB is compiled once: cargo compiles it again for every set of features that its build script, or what that
//! depends on, is resolved with.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::thread;

use quipu_tests::workspace;
use serde_json::Value;

use crate::assert_none;
use crate::rooms::packages;

/// What takes long to compile.
const SLOW: &str = "librocksdb-sys";

#[test]
fn every_selection_of_crates_resolves_rocksdb_alike() {
    let all = needed_by(&["--workspace"]).expect("somebody stores something");
    assert!(
        all.contains("bindgen") && all.lines().count() > 20,
        "the build script needs more than this:\n{all}"
    );
    let asked: Vec<_> = selections()
        .into_iter()
        .map(|selection| {
            thread::spawn(move || (needed_by(&selection.each_ref().map(String::as_str)), selection))
        })
        .collect();
    let mut broken = Vec::new();
    for asked in asked {
        let (needed, selection) = asked.join().expect("cargo answers");
        if let Some(needed) = needed.filter(|needed| *needed != all) {
            broken.push(format!("{}: {}", selection.join(" "), difference(&all, &needed)));
        }
    }
    assert_none(
        "RocksDB would be compiled again for some selection; ask for the features in features/Cargo.toml:",
        broken,
    );
}

/// Everything and each package, without what only tests need and with it. Several packages need no less than one of
/// them and no more than all.
fn selections() -> Vec<[String; 3]> {
    let name = |package: &Value| package["name"].as_str().map(|name| format!("--package={name}"));
    let packages = packages();
    let packages = packages.iter().filter_map(name).chain(["--workspace".to_owned()]);
    let edges = |package: String| {
        ["normal,build", "normal,build,dev"]
            .map(|edges| [package.clone(), "--edges".to_owned(), edges.to_owned()])
    };
    packages.flat_map(edges).collect()
}

#[test]
fn what_is_tested_is_compiled_as_what_is_run() {
    let foreign = |selection: &[&str]| -> BTreeSet<String> {
        let tree = tree(selection);
        let own = workspace().display().to_string();
        let packages = tree.lines().filter_map(depth).map(|(_, package)| package);
        packages.filter(|package| !package.contains(&own)).map(str::to_owned).collect()
    };
    let run = foreign(&["--workspace", "--edges", "normal,build"]);
    let tested = foreign(&["--workspace", "--edges", "normal,build,dev"]);
    assert!(run.len() > 100, "this is not all: {run:?}");
    assert_none(
        "`make test` would compile what `make run` has compiled; ask for the features in features/Cargo.toml:",
        run.difference(&tested),
    );
}

/// RocksDB and all that it needs, with their features; none when it is not needed.
fn needed_by(selection: &[&str]) -> Option<String> {
    subtree(&tree(selection))
}

/// The packages of a selection, a line for each, with its depth and its features.
fn tree(selection: &[&str]) -> String {
    let mut tree = Command::new(env!("CARGO"));
    tree.args(["tree", "--locked", "--offline", "--no-dedupe", "--prefix", "depth", "--format", "{p} {f}"]);
    // Named, or cargo shows what a build script is resolved with and what the program is as one.
    said(tree.args(["--target", &target()]).args(selection))
}

/// What is compiled for when nothing else is said.
fn target() -> String {
    let version = said(Command::new("rustc").arg("-vV"));
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("the compiler names its host").to_owned()
}

fn said(command: &mut Command) -> String {
    let output = command.current_dir(workspace()).output().expect("it is there");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("names are text")
}

/// The lines of the package that takes long and of those below it, each once, with the depth from there.
fn subtree(tree: &str) -> Option<String> {
    let lines = tree.lines().filter_map(depth);
    let mut lines = lines.skip_while(|(_, package)| package.split(' ').next() != Some(SLOW));
    let (root, first) = lines.next()?;
    let below = lines.take_while(|(depth, _)| *depth > root).map(|(depth, package)| (depth - root, package));
    let needed = [(0, first)].into_iter().chain(below);
    Some(needed.map(|(depth, package)| format!("{depth} {package}\n")).collect())
}

/// The depth that a line of the tree begins with, and the rest.
fn depth(line: &str) -> Option<(usize, &str)> {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    Some((line.get(..digits)?.parse().ok()?, line.get(digits..)?))
}

/// What is in one and not in the other.
fn difference(all: &str, needed: &str) -> String {
    let count = |text: &str| {
        text.lines().fold(BTreeMap::new(), |mut lines: BTreeMap<String, usize>, line| {
            *lines.entry(line.to_owned()).or_default() += 1;
            lines
        })
    };
    let (all, needed) = (count(all), count(needed));
    let missing = all.keys().filter(|line| !needed.contains_key(*line)).map(|line| format!("\n    - {line}"));
    let more = needed.keys().filter(|line| !all.contains_key(*line)).map(|line| format!("\n    + {line}"));
    missing.chain(more).collect()
}

#[test]
fn the_rule_sees_what_rocksdb_needs() {
    let tree =
        "0quipu v1 \n1rocksdb v1 lz4\n2librocksdb-sys v1 lz4\n3cc v1 parallel\n4shlex v1 \n2libc v1 std\n";
    let needed = subtree(tree).expect("it is there");
    assert_eq!(needed, "0 librocksdb-sys v1 lz4\n1 cc v1 parallel\n2 shlex v1 \n");
    assert_eq!(subtree("0ans104 v1 \n1aws-lc-sys v1 \n"), None);
    let other = needed.replace("parallel", "");
    assert_eq!(difference(&needed, &other), "\n    - 1 cc v1 parallel\n    + 1 cc v1 ");
}
