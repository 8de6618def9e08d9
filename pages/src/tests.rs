//! What is true of all files: they lead to each other and to nothing else, and hold no code but in modules.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::files::{EXPLORER, Files, NODE, PageHome, ROUTER, find};

/// How many bytes a page may have with all that it needs at first, compressed.
const PAGE_BYTES_MAX: usize = 40_000;
/// The same of what is fetched when something is verified.
const VERIFIER_BYTES_MAX: usize = 20_000;
const VERIFIER: [&str; 3] = ["ui/verify.js", "ui/signatures.js", "ui/noble.js"];

/// The calls of a listener that a page leads to.
const CALLS: [&str; 4] = ["status", "checks", "docs", "../docs"];

const PAGES: [PageHome; 3] = [NODE, ROUTER, EXPLORER];

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

/// Where a file is.
fn path_of(name: &str) -> String {
    PAGES
        .iter()
        .find(|page| page.file == name)
        .map_or_else(|| format!("/{name}"), |page| page.path.to_owned())
}

/// The files that one leads to, by where they are.
fn led_to(name: &str, text: &str) -> Vec<String> {
    let path = path_of(name);
    let folder = &path[..=path.rfind('/').unwrap()];
    let begins = ["src=\"", "href=\"", "from \"", "import \"", "import(\""];
    let led = begins.iter().flat_map(|begin| quoted(text, begin));
    let led = led.filter(|led| !CALLS.contains(led) && !led.starts_with('#'));
    led.map(|led| format!("{folder}{}", led.trim_start_matches("./"))).collect()
}

fn compressed(text: &str) -> usize {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap().len()
}

#[test]
fn every_file_leads_to_files_that_are_there() {
    let files = files();
    assert!(files.len() > 5, "{files:?}");
    for (name, text) in &files {
        for path in led_to(name, text) {
            let is_there = PAGES.iter().any(|page| find(*page, &path).is_some());
            assert!(is_there, "{name} leads to {path}");
        }
    }
}

#[test]
fn nothing_comes_from_elsewhere_and_no_code_stands_in_a_page() {
    for (name, text) in files() {
        for foreign in
            ["http://", "https://", "src=\"//", ": url(", "@import", "innerHTML", "eval(", "style="]
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
    let files = files();
    let text = |path: &str| files.iter().find(|(name, _)| path_of(name) == path).unwrap();
    for page in PAGES {
        let mut needed = vec![page.path.to_owned()];
        let mut next = 0;
        while let Some(path) = needed.get(next).cloned() {
            let (name, text) = text(&path);
            for led in led_to(name, text) {
                if !needed.contains(&led) && !VERIFIER.contains(&led.trim_start_matches('/')) {
                    needed.push(led);
                }
            }
            next += 1;
        }
        let bytes: usize = needed.iter().map(|path| compressed(&text(path).1)).sum();
        assert!(needed.len() > 5 && bytes < PAGE_BYTES_MAX, "{}: {bytes} bytes: {needed:?}", page.file);
    }
    let verifier: usize = VERIFIER.iter().map(|name| compressed(&text(&format!("/{name}")).1)).sum();
    assert!(verifier < VERIFIER_BYTES_MAX, "{verifier} bytes");
}

#[test]
fn only_files_of_the_page_are_found() {
    for page in PAGES {
        assert_eq!(find(page, page.path).unwrap().kind, "text/html; charset=utf-8");
        for path in [
            "",
            "/node.html",
            "/router.html",
            "/explorer.html",
            "/ui",
            "/ui/none.js",
            "/ui/%2e%2e/node.html",
            "//ui/el.js",
            "/status",
        ] {
            assert!(find(page, path).is_none(), "{path}");
        }
    }
    assert!(find(NODE, "/ui/").is_none() && find(EXPLORER, "/").is_none());
}
