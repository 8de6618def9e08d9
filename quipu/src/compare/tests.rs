//! Schedulers whose answers about one process are odd: the others are compared all the same.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread;

use clap::Parser;
use serde_json::{Value, json};

use super::*;
use crate::cli::Cli;

/// An id that begins with this letter.
fn id(first: char) -> String {
    first.to_string() + &"A".repeat(41) + "E"
}

/// Answers each path so until the test ends.
fn serve(answer: fn(&str) -> (u16, Value)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let mut lines = BufReader::new(socket.try_clone().unwrap()).lines().map_while(Result::ok);
            let asked = lines.next().unwrap_or_default();
            lines.find(String::is_empty);
            let (status, body) = answer(asked.split(' ').nth(1).unwrap_or_default());
            let body = body.to_string();
            let head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}", body.len());
            let _ = write!(socket, "{head}\r\n\r\n{body}");
        }
    });
    url
}

/// The number that a path gives under a name.
fn number(path: &str, name: &str) -> Option<u64> {
    let (_, rest) = path.split_once(name)?;
    rest.split('&').next()?.parse().ok()
}

/// A page with these entries: nonce and message.
fn page(entries: &[(u64, String)]) -> (u16, Value) {
    let node = |(nonce, message): &(u64, String)| {
        let tags = json!([{ "name": "Nonce", "value": nonce.to_string() }]);
        json!({ "node": { "message": { "id": message }, "assignment": { "id": format!("a{nonce}"), "tags": tags } } })
    };
    let edges: Vec<_> = entries.iter().map(node).collect();
    (200, json!({ "page_info": { "has_next_page": false }, "edges": edges }))
}

/// The lines of a comparison of a scheduler with itself, the last of which is that of all.
fn compared(url: &str, processes: &[char]) -> (Result<(), Failure>, Vec<Value>) {
    let named: Vec<_> = processes.iter().map(|first| format!("--process={}", id(*first))).collect();
    let words = ["quipu", "compare", url, url, "--json"].into_iter().chain(named.iter().map(String::as_str));
    let mut out = Vec::new();
    let done = Cli::try_parse_from(words).unwrap().run(&mut out);
    let lines = String::from_utf8(out).unwrap();
    (done, lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// One has a history that never ends, one is not answered, and one is as it should be.
#[test]
fn what_has_no_end_or_no_answer_is_told_and_the_others_are_compared() {
    let url = serve(|path| match path {
        path if path.contains("/latest") => (404, Value::Null),
        path if path.contains(&id('E')) && path.starts_with("/processes/") => (404, Value::Null),
        path if path.contains(&id('E')) && path.contains("to-nonce=") => page(&[]),
        path if path.contains(&id('E')) => page(&[(u64::MAX, id('m'))]),
        path if path.contains(&id('F')) => (500, json!({ "error": "out of order" })),
        path if path.starts_with("/processes/") => (200, json!({ "process_id": id('G') })),
        _ => page(&[]),
    });
    let (done, lines) = compared(&url, &['E', 'F', 'G']);
    assert!(matches!(done, Err(Failure::Compare(CompareError::Differ(2)))), "{done:?}");
    let [endless, unanswered, all] = lines.as_slice() else { panic!("{lines:?}") };
    for (told, first, reason) in [
        (endless, 'E', "serves nothing up to nonce 21"),
        (unanswered, 'F', "the node answered 500: out of order"),
    ] {
        assert_eq!(told["path"], format!("/processes/{}", id(first)));
        assert!(told["unended"].as_str().unwrap().contains(reason), "{told}");
    }
    assert_eq!((&all["processes"], &all["differences"]), (&3.into(), &2.into()), "{all}");
}

/// It is no entry behind a nonce, and hides none.
#[test]
fn a_process_that_is_in_every_list_ends_and_hides_nothing_behind_a_gap() {
    fn answer(path: &str, has_late: bool) -> (u16, Value) {
        let late = has_late.then(|| (150, id('m')));
        let of = |(nonce, _): &(u64, String)| {
            let after = number(path, "from-nonce=").is_none_or(|after| after < *nonce);
            after && number(path, "to-nonce=").is_none_or(|to| *nonce <= to)
        };
        let shown = std::iter::once((0, id('P'))).chain(late.filter(of));
        let limit = number(path, "limit=").unwrap_or(u64::MAX) as usize;
        match path {
            path if path.contains("/latest") => (200, page(&[(0, id('P'))]).1["edges"][0]["node"].clone()),
            path if path.starts_with("/processes/") => (200, json!({ "process_id": id('P') })),
            path if !path.contains("limit=") => (200, json!({})),
            _ => page(&shown.take(limit).collect::<Vec<_>>()),
        }
    }
    let answers = |url: String| {
        let (done, lines) = compared(&url, &['P']);
        let all = lines.last().unwrap();
        assert!(lines.iter().all(|line| line["unended"].is_null()), "{done:?} {lines:?}");
        all["answers"].as_u64().unwrap()
    };
    let (short, long) =
        (answers(serve(|path| answer(path, false))), answers(serve(|path| answer(path, true))));
    assert!(long > short + 2, "what is behind the gap was not asked for: {short}, {long}");
}
