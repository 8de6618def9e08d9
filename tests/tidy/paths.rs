//! A clone alone is enough: no path leads out of it.

use std::path::{Component, Path, PathBuf};
use std::process::Command;

use quipu_tests::workspace;

use crate::assert_none;
use crate::sources;

#[test]
fn no_path_leads_out_of_the_clone() {
    let sources = sources::all();
    let broken = sources.iter().flat_map(|source| {
        let leads_out = |line: &str| climbing(line).any(|path| !is_in_the_clone(&source.path, path));
        let lines = source.lines().filter(move |(_, line)| leads_out(line));
        lines.map(|(number, line)| source.at(number, line))
    });
    assert_none(
        "A path that goes up leads to something of the clone, from its file's folder or from its crate's:",
        broken,
    );
}

#[test]
fn no_link_stands_for_a_file() {
    let mut list = Command::new("git");
    list.args(["ls-files", "--stage"]).current_dir(workspace());
    let listed = list.output().expect("git is there");
    let listed = String::from_utf8(listed.stdout).expect("paths are text");
    let is_link = |line: &&str| line.starts_with("120000");
    assert_none("A symbolic link may lead out of the clone:", listed.lines().filter(is_link));
}

/// The relative paths of a line in which a folder is left upwards.
fn climbing(line: &str) -> impl Iterator<Item = &str> {
    let is_part = |character: char| character.is_alphanumeric() || "-_./".contains(character);
    let words = line.split(move |character| !is_part(character));
    words.filter(|word| word.contains('/') && word.split('/').any(|folder| folder == ".."))
}

/// Whether a path leads to something, be it meant from the folder of its file or from that of its crate.
fn is_in_the_clone(file: &str, path: &str) -> bool {
    let file = Path::new(file);
    let folder = file.parent().unwrap_or(Path::new(""));
    let room = file.iter().next().filter(|_| file.iter().count() > 1);
    let from = |base: &Path| resolved(base, path).is_some_and(|path| workspace().join(path).exists());
    from(folder) || from(Path::new(room.unwrap_or_default()))
}

/// Where a path leads, relative to the workspace; none when it leaves it on the way.
fn resolved(base: &Path, path: &str) -> Option<PathBuf> {
    let mut place = PathBuf::new();
    // What stands before a slash that begins a path is a folder that a shell finds, such as that of its script.
    let path = path.trim_start_matches('/');
    for component in base.join(path).components() {
        match component {
            Component::ParentDir if !place.pop() => return None,
            Component::Normal(name) => place.push(name),
            _ => {}
        }
    }
    Some(place)
}

#[test]
fn the_rule_sees_what_it_should() {
    let up = concat!(".", "./");
    for (file, path, expected) in [
        ("log/src/lib.rs", format!("{up}{up}shared/vectors"), false),
        ("log/src/lib.rs", format!("{up}shared"), false),
        ("Makefile", format!("{up}shared"), false),
        ("log/src/lib.rs", format!("{up}{up}{up}log/src/lib.rs"), false),
        ("log/src/lib.rs", format!("{up}src"), true),
        ("log/src/lib.rs", format!("{up}tests/tidy"), true),
        ("log/src/suite/model.rs", format!("{up}{up}{up}Makefile"), true),
    ] {
        let line = format!("x = \"{path}\";");
        assert_eq!(climbing(&line).collect::<Vec<_>>(), [path.as_str()]);
        assert_eq!(is_in_the_clone(file, &path), expected, "{path} in {file}");
    }
    for line in ["0..5", "..Default::default()", "and so on...", "a../b", "https://example.org/a"] {
        assert_eq!(climbing(line).count(), 0, "{line}");
    }
}
