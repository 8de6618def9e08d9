//! What is true of all files: they lead to each other and to nothing else, and hold no code but in modules.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use crate::files::{Files, find};

/// How many bytes a page may have with all that it needs, before it is compressed.
const PAGE_BYTES_MAX: usize = 40_000;

/// The calls of a listener that a page leads to.
const CALLS: [&str; 3] = ["status", "checks", "docs"];

fn files() -> Vec<(String, String)> {
    let files = Files::iter().map(|name| {
        let text = Files::get(&name).unwrap().data.into_owned();
        (name.into_owned(), String::from_utf8(text).unwrap())
    });
    files.collect()
}

/// What stands between this beginning and the quotation mark after it, wherever it begins.
fn quoted<'a>(text: &'a str, begin: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(begin).skip(1).map(|rest| rest.split('"').next().unwrap())
}

#[test]
fn every_file_leads_to_files_that_are_there() {
    let files = files();
    assert!(files.len() > 5, "{files:?}");
    for (name, text) in &files {
        let folder = if name.starts_with("ui/") { "/ui/" } else { "/" };
        for begin in ["src=\"", "href=\"", "from \"", "import \""] {
            for led in quoted(text, begin).filter(|led| !CALLS.contains(led)) {
                let path = format!("{folder}{}", led.trim_start_matches("./"));
                assert!(find("node.html", &path).is_some(), "{name} leads to {led}");
            }
        }
    }
}

#[test]
fn nothing_comes_from_elsewhere_and_no_code_stands_in_a_page() {
    for (name, text) in files() {
        for foreign in ["http://", "https://", "src=\"//", "url(", "@import", "innerHTML", "eval(", "style="]
        {
            let allowed = name.ends_with(".svg") && foreign == "http://";
            assert!(!text.contains(foreign) || allowed, "{name} has {foreign}");
        }
        if name.ends_with(".html") {
            assert!(!text.contains("<style") && !text.contains(" on"), "{name} has code or style of its own");
            assert_eq!(text.matches("<script").count(), text.matches("<script type=\"module\" src=").count());
            for needed in ["<html lang=\"en\"", "name=\"viewport\"", "<noscript>", "<title>"] {
                assert!(text.contains(needed), "{name} lacks {needed}");
            }
        }
    }
}

#[test]
fn a_page_is_small() {
    let bytes: usize = files().iter().map(|(_, text)| text.len()).sum();
    assert!(bytes < PAGE_BYTES_MAX, "{bytes} bytes");
}

#[test]
fn only_files_of_the_page_are_found() {
    assert_eq!(find("node.html", "/").unwrap().kind, "text/html; charset=utf-8");
    for path in
        ["", "/node.html", "/ui", "/ui/", "/ui/none.js", "/ui/%2e%2e/node.html", "//ui/el.js", "/status"]
    {
        assert!(find("node.html", path).is_none(), "{path}");
    }
}
