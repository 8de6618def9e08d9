//! What must not stand in any file.

use crate::assert_none;
use crate::sources::{self, Source};

#[test]
fn nothing_is_left_for_later() {
    // Put together, lest this file break its own rule.
    let whole = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];
    let parts = [concat!("todo", "!("), concat!("unimple", "mented!("), concat!("db", "g!(")];
    let later = sources::all().into_iter().filter(|source| source.path != "Cargo.lock").flat_map(|source| {
        let is_later = |line: &str| {
            whole.iter().any(|word| has_word(line, word)) || parts.iter().any(|part| line.contains(part))
        };
        places(&source, source.lines(), is_later)
    });
    assert_none("What is not done is not marked in a file:", later);
}

#[test]
fn no_test_is_switched_off() {
    let marks = [concat!("#[ig", "nore"), concat!("cfg_attr(", "ignore")];
    let ignored = sources::rust().into_iter().flat_map(|source| {
        places(&source, source.lines(), |line| marks.iter().any(|mark| line.contains(mark)))
    });
    assert_none("A test runs, or is not there:", ignored);
}

#[test]
fn lints_are_expected_with_a_reason() {
    let broken = sources::rust().into_iter().flat_map(|source| {
        let allows = |line: &str| line.trim_start().starts_with('#') && line.contains("allow(");
        let mut broken = places(&source, source.product_lines(), allows);
        let lines: Vec<&str> = source.text.lines().collect();
        for (number, line) in source.lines() {
            let begins = ["#[expect(", "#![expect("].iter().any(|head| line.trim_start().starts_with(head));
            // The formatter breaks a long one over some lines.
            let attribute = lines[number - 1..].iter().scan(false, |ended, line| {
                let before = *ended;
                *ended |= line.contains(")]");
                (!before).then_some(*line)
            });
            if begins && !attribute.collect::<String>().contains("reason =") {
                broken.push(source.at(number, line));
            }
        }
        broken
    });
    assert_none("Outside of tests a lint is switched off by `expect`, with a reason:", broken);
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    let folders = ["home", "root", "work", "tmp", "Users"].map(|folder| format!("/{folder}/"));
    let found = sources::all().into_iter().flat_map(|source| {
        places(&source, source.product_lines(), |line| folders.iter().any(|folder| is_absolute(line, folder)))
    });
    assert_none("Absolute paths are those of one machine:", found);
}

#[test]
fn documents_that_are_named_are_there() {
    let sources = sources::all();
    let is_there = |named: &str| sources.iter().any(|source| source.path.ends_with(named));
    let broken = sources.iter().flat_map(|source| {
        places(source, source.lines(), |line| documents(line).any(|name| !is_there(name)))
    });
    assert_none("A document that a file speaks of is part of the project:", broken);
}

#[test]
fn metrics_are_named_in_one_file_of_each_crate() {
    let marks = [concat!("\"qui", "pu_"), "counter!(", "gauge!(", "histogram!("];
    let found = sources::rust().into_iter().filter(|source| !source.path.ends_with("/metrics.rs")).flat_map(
        |source| places(&source, source.product_lines(), |line| marks.iter().any(|mark| line.contains(mark))),
    );
    assert_none("The names of a crate's metrics are in its metrics.rs:", found);
}

fn places<'a>(
    source: &Source,
    lines: impl Iterator<Item = (usize, &'a str)>,
    is_one: impl Fn(&str) -> bool,
) -> Vec<String> {
    lines.filter(|(_, line)| is_one(line)).map(|(number, line)| source.at(number, line)).collect()
}

/// Whether a word is there that is not part of a longer one.
fn has_word(line: &str, word: &str) -> bool {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    line.split(|character| !is_part(character)).any(|found| found == word)
}

/// Whether a path begins with this folder: not a route, a URL or the middle of another path.
fn is_absolute(line: &str, folder: &str) -> bool {
    let begins = |before: &str| before.chars().last().is_none_or(|last| " \"'`=(:,<>".contains(last));
    line.match_indices(folder).any(|(at, _)| line.get(..at).is_some_and(begins))
}

/// The Markdown files that a line names.
fn documents(line: &str) -> impl Iterator<Item = &str> {
    let is_part = |character: char| character.is_alphanumeric() || "-_./".contains(character);
    let words = line.split(move |character| !is_part(character)).filter(|word| !word.starts_with("//"));
    let names = words.map(|word| word.trim_end_matches('.').trim_start_matches("./"));
    names.filter(|name| name.ends_with(".md") && name.len() > 3)
}

#[test]
fn the_rules_see_what_they_should() {
    let later = concat!("TO", "DO");
    assert!(has_word(&format!("// {later}: more"), later) && !has_word("autoTODOS", later));
    for (line, expected) in [
        ("cd /home/me", true),
        ("\"/tmp/x\"", true),
        ("https://example.org/home/me", false),
        ("./tmp/x", false),
        ("target/work/x", false),
    ] {
        assert_eq!(
            ["/home/", "/tmp/", "/work/"].iter().any(|folder| is_absolute(line, folder)),
            expected,
            "{line}"
        );
    }
    let (known, other) = (concat!("docs/a-b", ".md"), concat!("Not ", ".md"));
    assert_eq!(documents(&format!("see `{known}`. {other}")).collect::<Vec<_>>(), [known]);
}
