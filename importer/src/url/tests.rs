//! A scheduler that runs and has two entries with one nonce.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use ans104::Ed25519Wallet;
use gateway::{HttpOptions, parse_url};
use log::{Append, LocalLog, Log, Memory, MemoryDisk, Seq};
use protocol::Timestamp;
use serde_json::{Value, json};
use testing::SampleProcess;

use super::*;
use crate::back::BackRow;
use crate::{HiddenParts, ImportOptions, ImportReport, ImportSummary, PartsElsewhere, import};

/// As a scheduler shows it.
fn entry(append: &Append) -> (u64, Value) {
    let log = LocalLog::open(Memory::open(&MemoryDisk::new()), None).unwrap();
    let (process, body, link) = (append.process, append.body.clone(), append.link);
    log.import(vec![log::Import { process, body, link, envelope: None }]).unwrap().wait().unwrap();
    let mut shown = Value::Null;
    let signer = Ed25519Wallet::from_seed([2; 32]);
    log.scan(Seq::ZERO, &mut |event| {
        shown = BackRow::of(&event, Some(&signer)).unwrap().unwrap().json;
        ControlFlow::Continue(())
    })
    .unwrap();
    (link.unwrap().nonce.get(), shown)
}

/// The same of a process as well, which is stored in another form than it is listed in.
fn shown_entry(append: &Append) -> (u64, Value) {
    let (nonce, mut shown) = entry(append);
    if let Some(process) = shown.get_mut("process").map(Value::take) {
        shown["message"] = process;
    }
    (nonce, shown)
}

/// Serves these entries by nonce until the test ends; it knows of no spawn.
fn serve(entries: Vec<(u64, Value)>) -> String {
    serve_as(entries, true, |_, _| None)
}

/// The same, or all of them whatever it is asked for; it fails where `fails` says so of a call and its number.
fn serve_as(entries: Vec<(u64, Value)>, is_by_nonce: bool, fails: fn(usize, &str) -> Option<u16>) -> String {
    serve_with(move |turn, asked| {
        if let Some(status) = fails(turn, asked) {
            return (status, json!({ "error": "not now" }));
        }
        if asked.contains("/processes/") {
            return (400, json!({ "error": NEVER_SPAWNED }));
        }
        page(entries.iter().filter(|(nonce, _)| !is_by_nonce || is_asked_for(asked, *nonce)))
    })
}

fn page<'a>(entries: impl Iterator<Item = &'a (u64, Value)>) -> (u16, Value) {
    let edges: Vec<_> = entries.map(|(nonce, node)| json!({ "node": node, "cursor": nonce })).collect();
    (200, json!({ "page_info": { "has_next_page": false }, "edges": edges }))
}

/// The number that is asked for under a name.
fn number(asked: &str, name: &str) -> Option<i64> {
    let (_, rest) = asked.split_once(name)?;
    rest.split(['&', ' ']).next()?.parse().ok()
}

/// Whether a nonce is among those that are asked for.
fn is_asked_for(asked: &str, nonce: u64) -> bool {
    let (after, to) = (number(asked, "from-nonce="), number(asked, "to-nonce=").unwrap_or(i64::MAX));
    after.is_some_and(|after| after < nonce as i64) && nonce as i64 <= to
}

/// Answers each call so until the test ends; calls are counted.
fn serve_with(answer: impl Fn(usize, &str) -> (u16, Value) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for (turn, socket) in listener.incoming().enumerate() {
            let (mut socket, mut asked) = (socket.unwrap(), String::new());
            let mut lines = BufReader::new(socket.try_clone().unwrap()).lines();
            while let Some(line) = lines.next().and_then(Result::ok).filter(|line| !line.is_empty()) {
                asked.push_str(&line);
            }
            let (status, body) = answer(turn, &asked);
            let body = body.to_string();
            let _ = write!(
                socket,
                "HTTP/1.1 {status} X\r\nconnection: close\r\nretry-after: 1\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
        }
    });
    url
}

#[test]
fn what_another_entry_keeps_out_is_told_by_each_import() {
    let mut sample = SampleProcess::new(1);
    let first = sample.message();
    let before = sample.last;
    let other = sample.message();
    sample.last = before;
    let kept = [first, sample.message(), sample.message()];
    let log = LocalLog::open(Memory::open(&MemoryDisk::new()), None).unwrap();
    let import_of = |append: &Append| {
        let (process, body, link) = (append.process, append.body.clone(), append.link);
        log::Import { process, body, link, envelope: None }
    };
    log.import(kept.iter().map(import_of).collect()).unwrap().wait().unwrap();
    let url = serve(kept.iter().chain([&other]).map(entry).collect());
    let http = Http::new(HttpOptions::default()).unwrap();
    let mut source = UrlSource::new(parse_url("--url", &url).unwrap(), http, |_| ()).unwrap();
    let scope = ImportScope { processes: vec![sample.process], rows: None };
    let threads = NonZeroUsize::new(1).unwrap();
    let options = ImportOptions { scope, verify: true, threads, elsewhere: None, pass_missing: false };
    let mut import = || -> ImportSummary {
        import(&mut source, Some(&log), &options, ImportReport::new(None), &mut |_| ()).unwrap()
    };
    for _ in 0..2 {
        let told = import();
        assert_eq!((told.imported, told.already_there, told.left_out), (0, 3, 1), "{told:?}");
    }
}

/// A gateway that gets one item later than the others.
#[derive(Debug)]
struct Lagging {
    items: Vec<Vec<u8>>,
    late: Id,
    has: AtomicBool,
}

impl Lagging {
    /// One for these messages, which has one of them or will have it.
    fn of(appends: &[Append], late: Id, has: bool) -> Arc<Self> {
        let items = appends.iter().flat_map(|append| match &append.body {
            log::Body::Scheduled { item, assignment, .. } => [item.clone(), assignment.clone()],
            _ => panic!("all are messages"),
        });
        Arc::new(Self { items: items.collect(), late, has: AtomicBool::new(has) })
    }
}

impl PartsElsewhere for Lagging {
    fn parts(&self, id: Id) -> Result<HiddenParts, GatewayError> {
        let has = self.has.load(Ordering::Relaxed);
        let items = self.items.iter().map(|bytes| ans104::Item::split(bytes).unwrap());
        let found = items.into_iter().find(|item| item.id() == id && (has || id != self.late));
        let anchor = found.as_ref().map(|item| item.anchor().map_or(Vec::new(), |anchor| anchor.to_vec()));
        Ok(HiddenParts { anchor, data: found.map(|item| item.data().to_vec()) })
    }
}

#[test]
fn what_the_gateway_has_later_is_waited_for_and_nothing_comes_before_it() {
    let mut sample = SampleProcess::new(1);
    let binary = sample.user.message(sample.process, &[], [0xFF, 0, 1]);
    let appends = [sample.message(), sample.scheduled(&binary), sample.message(), sample.message()];
    let url = serve(appends.iter().map(entry).collect());
    let log = LocalLog::open(Memory::open(&MemoryDisk::new()), None).unwrap();
    let late = ans104::Item::split(&binary).unwrap().id();
    let gateway = Lagging::of(&appends, late, false);
    let import = |elsewhere: Option<Arc<dyn PartsElsewhere>>, pass_missing, log: &LocalLog<Memory>| {
        let http = Http::new(HttpOptions::default()).unwrap();
        let mut source = UrlSource::new(parse_url("--url", &url).unwrap(), http, |_| ()).unwrap();
        let scope = ImportScope { processes: vec![sample.process], rows: None };
        let threads = NonZeroUsize::new(2).unwrap();
        let options = ImportOptions { scope, verify: true, threads, elsewhere, pass_missing };
        let told = import(&mut source, Some(log), &options, ImportReport::new(None), &mut |_| ()).unwrap();
        [told.imported, told.already_there, told.left_out, told.awaited]
    };
    assert_eq!(import(None, false, &log), [0, 0, 4, 4]);
    assert_eq!(import(Some(gateway.clone()), false, &log), [1, 0, 3, 3]);
    let other = LocalLog::open(Memory::open(&MemoryDisk::new()), None).unwrap();
    assert_eq!(import(Some(gateway.clone()), true, &other), [3, 0, 1, 0]);
    gateway.has.store(true, Ordering::Relaxed);
    assert_eq!(import(Some(gateway.clone()), false, &log), [3, 1, 0, 0]);
    // What was passed once is not waited for any more.
    gateway.has.store(false, Ordering::Relaxed);
    assert_eq!(import(Some(gateway), false, &other), [0, 3, 1, 0]);
}

/// What becomes of three messages of such a scheduler: imported, left out, and of these awaited.
fn imported_of(fails: fn(usize, &str) -> Option<u16>) -> [u64; 3] {
    let mut sample = SampleProcess::new(1);
    let messages = sample.messages(3);
    let url = serve_as(messages.iter().map(entry).collect(), true, fails);
    let log = LocalLog::open(Memory::open(&MemoryDisk::new()), None).unwrap();
    let http = Http::new(HttpOptions::default()).unwrap();
    let mut source = UrlSource::new(parse_url("--url", &url).unwrap(), http, |_| ()).unwrap();
    let scope = ImportScope { processes: vec![sample.process], rows: None };
    let threads = NonZeroUsize::new(1).unwrap();
    let elsewhere: Option<Arc<dyn PartsElsewhere>> = Some(Lagging::of(&messages, sample.process.id(), true));
    let options = ImportOptions { scope, verify: true, threads, elsewhere, pass_missing: false };
    let told = import(&mut source, Some(&log), &options, ImportReport::new(None), &mut |_| ()).unwrap();
    [told.imported, told.left_out, told.awaited]
}

#[test]
fn a_scheduler_that_is_too_busy_is_waited_for() {
    assert_eq!(imported_of(|call, _| (1..=3).contains(&call).then_some(429)), [3, 0, 0]);
}

/// A node would give the nonces of what was not served.
#[test]
fn what_is_refused_in_the_middle_of_a_process_is_waited_for() {
    for refused in [
        |_, asked: &str| asked.contains("from-nonce=99").then_some(400),
        |_, asked: &str| asked.contains("from-nonce=99").then_some(404),
    ] {
        assert_eq!(imported_of(refused), [3, 1, 1]);
    }
    assert_eq!(imported_of(|_, _| Some(404)), [0, 1, 0], "nobody says that there is such a process");
}

#[test]
fn a_scheduler_that_serves_what_it_was_not_asked_for_is_not_asked_without_end() {
    let mut sample = SampleProcess::new(1);
    let messages: Vec<_> = sample.messages(3).iter().map(entry).collect();
    let far: Vec<_> = messages.iter().map(|(_, shown)| (i64::MAX as u64, shown.clone())).collect();
    for (url, reason) in [
        (serve_as(messages, false, |_, _| None), "asked for the nonces from the one behind 99 to 199"),
        (serve(far), "it says that more comes, and serves nothing"),
    ] {
        let http = Http::new(HttpOptions::default()).unwrap();
        let mut source = UrlSource::new(parse_url("--url", &url).unwrap(), http, |_| ()).unwrap();
        let scope = ImportScope { processes: vec![sample.process], rows: None };
        let mut told = String::new();
        let mut visit = |row| {
            if let SourceRow::Unserved { reason, .. } = row {
                told = reason;
            }
            ControlFlow::Continue(())
        };
        source.read(&scope, &crate::target::NoLog, &mut visit).unwrap();
        assert!(told.contains(reason), "{told}");
    }
}

/// What such a scheduler has of a process, in the order in which it is handed over: nonces of messages, and of the process.
fn rows_of(url: &str, process: ProcessId) -> Vec<(bool, Option<u64>)> {
    let http = Http::new(HttpOptions::default()).unwrap();
    let mut source = UrlSource::new(parse_url("--url", url).unwrap(), http, |_| ()).unwrap();
    let scope = ImportScope { processes: vec![process], rows: None };
    let mut rows = Vec::new();
    let mut visit = |row| {
        let SourceRow::Shown(row) = row else { panic!("{row:?}") };
        let ShownPair { message, assignment } = row.pair;
        let nonce = assignment.and_then(|shown| shown.tag("Nonce")?.parse().ok());
        rows.push((message.is_some_and(|message| message.id == process.to_string()), nonce));
        ControlFlow::Continue(())
    };
    source.read(&scope, &crate::target::NoLog, &mut visit).unwrap();
    rows
}

/// As local stores have one to which messages came before it; it is shown by itself, by its nonce or its time, or in every list.
#[test]
fn a_process_that_was_spawned_behind_its_first_messages_comes_at_its_nonce() {
    let mut sample = SampleProcess::new(1);
    let mut appends = sample.messages(150);
    appends.push(sample.spawn());
    appends.extend(sample.messages(2));
    let entries: Vec<_> = appends.iter().map(shown_entry).collect();
    let expected: Vec<_> = (0..153).map(|nonce| (nonce == 150, Some(nonce))).collect();
    for is_in_every_list in [false, true] {
        let entries = entries.clone();
        let url = serve_with(move |_, asked| {
            let (_, spawn) = &entries[150];
            let said = |name: &str| {
                let tags = spawn["assignment"]["tags"].as_array().unwrap();
                tags.iter().find(|tag| tag["name"] == name).unwrap()["value"].clone()
            };
            if asked.contains("/processes/") {
                let mut alone = spawn["message"].clone();
                alone["timestamp"] = said("Timestamp");
                return (200, alone);
            }
            if asked.contains("/latest") {
                return (200, entries[152].1.clone());
            }
            if let Some(to) = number(asked, "&to=") {
                assert!(
                    said("Timestamp").as_str().unwrap().parse() == Ok(to)
                        && number(asked, "from=") == Some(to - 1),
                    "{asked}"
                );
                return page(entries[149..152].iter());
            }
            let of = |nonce: u64| is_asked_for(asked, nonce) || (is_in_every_list && nonce == 150);
            page(entries.iter().filter(|(nonce, _)| of(*nonce)))
        });
        assert_eq!(rows_of(&url, sample.process), expected, "{is_in_every_list}");
    }
}

/// It is in no list, or is in every one: then nothing behind a gap is missed, and the history has an end.
#[test]
fn a_process_in_every_list_hides_nothing_behind_a_gap_and_has_an_end() {
    let mut sample = SampleProcess::new(1);
    let mut appends = vec![sample.spawn()];
    sample.place_at(Nonce::new(250), Timestamp::new(2_000_000_000_000));
    appends.push(sample.message());
    let entries: Vec<_> = appends.iter().map(shown_entry).collect();
    for has_late in [true, false] {
        let entries = entries.clone();
        let url = serve_with(move |_, asked| {
            let of = |nonce: u64| nonce == 0 || (has_late && is_asked_for(asked, nonce));
            let limit = number(asked, "limit=").unwrap() as usize;
            page(entries.iter().filter(|(nonce, _)| of(*nonce)).take(limit))
        });
        let expected = [(true, Some(0)), (false, Some(250))];
        assert_eq!(rows_of(&url, sample.process), expected[..1 + usize::from(has_late)], "{has_late}");
    }
}
