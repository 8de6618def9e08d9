//! How files are laid out.

use crate::assert_none;
use crate::sources::{self, Source};

const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 70;

#[test]
fn no_file_is_too_long() {
    let long = sources::rust().into_iter().filter_map(|source| {
        let lines = source.text.lines().count();
        (lines > FILE_LINES_MAX).then(|| source.at(lines, &format!("{lines} lines")))
    });
    assert_none("A file has one subject and at most 400 lines; split it, or move its tests beside it:", long);
}

#[test]
fn nothing_that_was_built_is_checked_in() {
    let built =
        sources::all().into_iter().filter(|source| source.path.split('/').any(|folder| folder == "target"));
    assert_none("What is built stays out of the repository:", built.map(|source| source.path));
}

#[test]
fn no_function_is_too_long() {
    let long = sources::rust().into_iter().flat_map(|source| {
        let functions = functions(&source);
        let long = functions.into_iter().filter(|(_, _, lines)| *lines > FUNCTION_LINES_MAX);
        long.map(|(line, head, lines)| source.at(line, &format!("{lines} lines: {head}"))).collect::<Vec<_>>()
    });
    assert_none("A function fits a screen; 70 lines are the end:", long);
}

#[test]
fn a_crate_begins_with_a_table_of_contents() {
    let items =
        sources::rust().into_iter().filter(|source| source.path.ends_with("src/lib.rs")).flat_map(|source| {
            let items = items(&source);
            items.into_iter().map(|(line, text)| source.at(line, &text)).collect::<Vec<_>>()
        });
    assert_none("lib.rs holds documentation, modules and uses, and nothing else:", items);
}

#[test]
fn a_file_says_first_what_it_promises() {
    let silent = sources::rust()
        .into_iter()
        .filter(|source| source.tests_from != Some(1) || source.path.starts_with("tests/"));
    let silent = silent.filter(|source| !source.text.starts_with("//! "));
    assert_none(
        "A file opens with `//!` on what the part promises:",
        silent.map(|source| source.at(1, "no `//!`")),
    );
}

/// First line, head and length of each function. The formatter has put the closing brace under the head.
fn functions(source: &Source) -> Vec<(usize, String, usize)> {
    let lines: Vec<&str> = source.text.lines().collect();
    let mut functions = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let head = line.trim_start();
        if !is_function(head) {
            continue;
        }
        let closing = format!("{}}}", &line[..line.len() - head.len()]);
        let length = lines[index..].iter().position(|line| *line == closing);
        functions.push((index + 1, head.to_owned(), length.map_or(1, |last| last + 1)));
    }
    functions
}

fn is_function(head: &str) -> bool {
    let words = head.split_whitespace().take_while(|word| !word.contains('"'));
    let qualifiers = ["pub", "pub(crate)", "pub(super)", "const", "async", "unsafe"];
    let mut rest = words.skip_while(|word| qualifiers.contains(word));
    rest.next() == Some("fn") && !head.trim_end().ends_with(';') && !head.trim_end().ends_with('}')
}

/// Whatever is neither documentation, attribute, module nor use.
fn items(source: &Source) -> Vec<(usize, String)> {
    let mut items = Vec::new();
    let mut in_use = false;
    for (number, line) in source.lines() {
        let text = line.trim();
        let public = text.trim_start_matches("pub(crate) ").trim_start_matches("pub ");
        let begins_use = public.starts_with("use ") || public.starts_with("extern crate self as ");
        let module = public.starts_with("mod ") && text.ends_with(';');
        let quiet =
            text.is_empty() || text.starts_with("//") || text.starts_with("#[") || text.starts_with("#![");
        if !(in_use || begins_use || module || quiet) {
            items.push((number, text.to_owned()));
        }
        if in_use || begins_use {
            in_use = !text.ends_with(';');
        }
    }
    items
}
