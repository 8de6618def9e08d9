//! The rooms of the house: one crate each, and each knows only those before it.

use std::fs;
use std::path::Path;
use std::process::Command;

use quipu_tests::workspace;
use serde_json::Value;

use crate::assert_none;

#[test]
fn the_rooms_are_there_as_the_table_says() {
    let rooms = rooms();
    let missing = rooms.iter().filter(|room| !workspace().join(room).is_dir());
    assert_none("ARCHITECTURE.md has a room that is not there:", missing);
    let unlisted = crates().into_iter().filter(|(room, _)| !rooms.contains(room));
    assert_none("A crate is not in the table of ARCHITECTURE.md:", unlisted.map(|(room, _)| room));
}

#[test]
fn a_room_knows_only_those_before_it() {
    let rooms = rooms();
    let place = |room: &str| rooms.iter().position(|other| other == room);
    let mut broken = Vec::new();
    for (room, known) in crates() {
        let after = known.into_iter().filter(|other| place(other) >= place(&room));
        broken
            .extend(after.map(|other| format!("{room}/Cargo.toml: {other} comes later in ARCHITECTURE.md")));
    }
    assert_none("A room knows only those before it:", broken);
}

#[test]
fn the_oracle_is_in_no_shipped_binary() {
    let oracle = |dependency: &&Value| dependency["name"] == "arweave-rs";
    let mut broken = Vec::new();
    let mut used = 0;
    for package in packages() {
        let dependencies = package["dependencies"].as_array().expect("dependencies are a list");
        for dependency in dependencies.iter().filter(oracle) {
            used += 1;
            if package["name"] != "quipu-tests" || dependency["kind"] != "dev" {
                broken.push(package["manifest_path"].clone());
            }
        }
    }
    assert_eq!(used, 1, "tests/ needs arweave-rs");
    assert_none("arweave-rs is for the tests of tests/ alone:", broken);
}

/// The folders in the first column of the table, in its order.
fn rooms() -> Vec<String> {
    let path = workspace().join("ARCHITECTURE.md");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let first_cell =
        |line: &str| line.strip_prefix("| `")?.split_once("/` |").map(|(room, _)| room.to_owned());
    let rooms: Vec<_> = text.lines().filter_map(first_cell).collect();
    assert!(
        rooms.len() > 5,
        "ARCHITECTURE.md has no table of rooms, with rows that begin with a folder as | `log/` |"
    );
    rooms
}

/// Each crate's folder, and the folders of the crates that it depends on.
fn crates() -> Vec<(String, Vec<String>)> {
    let folder = |path: &Value| {
        let path = Path::new(path.as_str()?).strip_prefix(workspace()).ok()?;
        Some(path.components().next()?.as_os_str().to_string_lossy().into_owned())
    };
    let known = |package: &Value| {
        let dependencies = package["dependencies"].as_array().expect("dependencies are a list");
        dependencies.iter().filter_map(|dependency| folder(&dependency["path"])).collect()
    };
    let packages = packages();
    let crates =
        packages.iter().filter_map(|package| Some((folder(&package["manifest_path"])?, known(package))));
    crates.collect()
}

/// What cargo says of each package of the workspace.
pub fn packages() -> Vec<Value> {
    let mut metadata = Command::new(env!("CARGO"));
    metadata.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]).current_dir(workspace());
    let metadata = metadata.output().expect("cargo is there");
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    let mut metadata: Value = serde_json::from_slice(&metadata.stdout).expect("cargo writes JSON");
    let packages = metadata["packages"].as_array_mut().expect("packages are a list");
    std::mem::take(packages)
}
