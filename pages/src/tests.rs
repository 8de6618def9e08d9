//! What is true of all files: they lead to each other and to nothing else, and hold no code but in modules.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::files::{EXPLORER, FOOT, Files, HEAD, HOME, NODE, ROUTER, SEARCHES, find};

/// How many bytes a page may have with all that it needs at first, compressed.
const PAGE_BYTES_MAX: usize = 40_000;
/// The same of what is fetched when something is verified.
const VERIFIER_BYTES_MAX: usize = 20 << 10;
const VERIFIER: [&str; 5] = ["ui/chain.js", "ui/verify.js", "ui/item.js", "ui/signatures.js", "ui/noble.js"];
/// How many bytes all of it adds to the program.
const EMBEDDED_BYTES_MAX: usize = 250_000;
/// How many files a page has: itself, a style, a script and a picture. The explorer asks two calls beside them, and a browser
/// that is asked for a picture of a page asks for that last.
const FILES_MAX: usize = 4;

/// What a page leads to beside its files.
const CALLS: [&str; 1] = ["../docs"];
/// What a picture that a page draws is named by; nothing is fetched from there.
const SVG: &str = "http://www.w3.org/2000/svg";

const PAGES: [&str; 3] = [NODE, ROUTER, EXPLORER];

/// All files as they are sent: pages are whole.
fn files() -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let is_whole = |name: &str| ![HEAD, FOOT, SEARCHES].contains(&name);
    let files = Files::iter().filter(|name| is_whole(name)).map(|name| {
        let path = if name.ends_with(".html") { HOME.to_owned() } else { format!("/{name}") };
        let page = if name.ends_with(".html") { &name } else { EXPLORER };
        (text(&find(page, &path).unwrap().bytes), name.into_owned())
    });
    let files = files.map(|(text, name)| (name, text));
    files.collect()
}

/// What stands between this beginning and the quotation mark after it, wherever it begins.
fn quoted<'a>(text: &'a str, begin: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(begin).skip(1).map(|rest| rest.split('"').next().unwrap())
}

/// Where a file is.
fn path_of(name: &str) -> String {
    if name.ends_with(".html") { HOME.to_owned() } else { format!("/{name}") }
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

#[test]
fn the_program_grows_little_by_them() {
    let bytes: usize = Files::iter().map(|name| Files::get(&name).unwrap().data.len()).sum();
    assert!(bytes < EMBEDDED_BYTES_MAX, "{bytes} bytes");
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
            let is_there = PAGES.iter().any(|page| find(page, &path).is_some());
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
            let text = text.replace(SVG, "");
            assert!(!text.contains(foreign), "{name} has {foreign}");
        }
        if name.ends_with(".html") {
            assert!(!text.contains("<style") && !text.contains(" on"), "{name} has code or style of its own");
            assert_eq!(text.matches("<script").count(), text.matches("<script type=\"module\" src=").count());
            for once in ["<head>", "</head>", "<body>", "<title>", "</html>"] {
                assert_eq!(text.matches(once).count(), 1, "{name}: {once}");
            }
            for needed in ["<html lang=\"en\"", "name=\"viewport\"", "<title>"] {
                assert!(text.contains(needed), "{name} lacks {needed}");
            }
            let says_what_else = text.contains("<noscript>");
            assert_eq!(text.contains("<script"), says_what_else, "{name}, without scripts");
        }
    }
}

#[test]
fn a_page_is_small() {
    let files = files();
    let file = |sought: &str| files.iter().find(|(name, _)| name == sought).unwrap();
    let text = |path: &str| file(path.trim_start_matches('/'));
    for page in PAGES {
        let mut needed = vec![format!("/{page}")];
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
        assert!(bytes > 5000 && bytes < PAGE_BYTES_MAX, "{page}: {bytes} bytes: {needed:?}");
        assert_eq!(needed.len(), FILES_MAX, "{page}: {needed:?}");
    }
    let verifier: usize = VERIFIER.iter().map(|name| compressed(&text(&format!("/{name}")).1)).sum();
    assert!(verifier < VERIFIER_BYTES_MAX, "{verifier} bytes");
}

#[test]
fn only_files_of_the_page_are_found() {
    for page in PAGES {
        assert_eq!(find(page, HOME).unwrap().kind, "text/html; charset=utf-8");
        for path in [
            "",
            "/",
            "/node.html",
            "/head.html",
            "/ui/head.html",
            "/foot.html",
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
}
