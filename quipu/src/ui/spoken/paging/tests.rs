//! Pages of a scheduler whose messages are long, or slow to come, or were spawned without a nonce.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::HashMap;
use std::future::pending;
use std::sync::{Arc, Mutex};

use ans104::Id;
use poem::endpoint::make;
use poem::http::StatusCode;
use poem::{Request, Response};
use tokio::net::TcpListener;
use tokio::time::sleep;
use web::Limits;

use super::*;

/// A scheduler of one process, with a spawn without a nonce and this many messages behind it.
#[derive(Clone, Copy)]
struct Scheduler {
    messages: u64,
    /// How long each message is, and how long it takes to come.
    length: usize,
    delay: Duration,
    /// How many messages a page has at most, and whether the spawn is on one.
    most: usize,
    tells_spawn: bool,
    /// How many nonces nothing has, before its newest two messages.
    gap: u64,
}

fn process() -> ProcessId {
    Id::from_bytes([7; 32]).into()
}

impl Scheduler {
    fn message(self, nonce: Option<u64>) -> Value {
        let id = nonce
            .map_or(process().id(), |nonce| Id::from_bytes([100 + u8::try_from(nonce % 100).unwrap(); 32]));
        let tags = |pairs: Value| json!({ "id": id.to_string(), "owner": { "key": "" }, "tags": pairs, "signature": "" });
        let kind = if nonce.is_none() { "Process" } else { "Message" };
        let mut message = tags(json!([{ "name": "Type", "value": kind }]));
        message["data"] = "x".repeat(self.length).into();
        // It is shown whole, whoever signed it.
        let assignment = nonce.map(|nonce| {
            let mut assignment = tags(json!([{ "name": "Nonce", "value": nonce.to_string() }]));
            assignment["owner"]["key"] = base64url::encode(&[1; 32]).into();
            assignment["signature"] = base64url::encode(&[2; 64]).into();
            (assignment["anchor"], assignment["data"]) = ("0".repeat(32).into(), "".into());
            assignment
        });
        json!({ "message": message, "assignment": assignment })
    }

    /// The nonce of one of its messages.
    fn nonce(self, message: u64) -> u64 {
        if message + 2 < self.messages { message } else { message + self.gap }
    }

    /// What it answers, and how many messages that are.
    fn answer(self, path: &str, given: &HashMap<String, i64>) -> (String, u64) {
        if path.ends_with("/latest") {
            return match self.messages.checked_sub(1) {
                Some(newest) => (self.message(Some(self.nonce(newest))).to_string(), 1),
                None => (String::new(), 0),
            };
        }
        if path.starts_with("/processes/") {
            let mut told = self.message(None)["message"].clone();
            told["process_id"] = told.as_object_mut().unwrap().remove("id").unwrap();
            return (told.to_string(), 1);
        }
        let (from, to) = (given.get("from-nonce").copied(), given.get("to-nonce").copied());
        let messages = (0..self.messages).map(|message| i64::try_from(self.nonce(message)).unwrap());
        let spawn = self.tells_spawn.then_some(-1);
        let all = spawn.into_iter().chain(messages).filter(|nonce| from.is_none_or(|from| *nonce > from));
        let all: Vec<_> = all.filter(|nonce| to.is_none_or(|to| *nonce <= to)).collect();
        let limit = usize::try_from(given["limit"]).unwrap().min(self.most);
        let shown: Vec<_> = all.iter().take(limit).map(|nonce| u64::try_from(*nonce).ok()).collect();
        let edges: Vec<_> =
            shown.iter().map(|nonce| json!({ "node": self.message(*nonce), "cursor": "0" })).collect();
        let page = json!({ "page_info": { "has_next_page": all.len() > shown.len() }, "edges": edges });
        (page.to_string(), edges.len() as u64)
    }

    /// Begins to answer; how many messages each page was asked for.
    async fn start(self, longest: usize) -> (SchedulerClient, Arc<Mutex<Vec<i64>>>) {
        let limits: Arc<Mutex<Vec<i64>>> = Arc::default();
        let asked = limits.clone();
        let endpoint = make(move |request: Request| {
            let asked = asked.clone();
            async move {
                let query = request.uri().query().unwrap_or_default();
                let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
                let given: HashMap<_, _> =
                    pairs.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect();
                asked.lock().unwrap().extend(given.get("limit"));
                let (body, count) = self.answer(request.uri().path(), &given);
                sleep(self.delay * u32::try_from(count.max(1)).unwrap()).await;
                let status = if body.is_empty() { StatusCode::NOT_FOUND } else { StatusCode::OK };
                Response::builder().status(status).body(body)
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(web::serve(listener, None, endpoint, pending(), Limits::default()));
        (SchedulerClient::new(&url).unwrap().within(longest, Duration::from_secs(60)), limits)
    }
}

async fn told(
    scheduler: &SchedulerClient,
    before: Option<u64>,
    limit: u64,
) -> (Vec<Option<u64>>, Option<u64>) {
    let Spoken::Json(told) = rows(scheduler, process(), before, limit).await.unwrap() else {
        panic!("it is JSON")
    };
    let nonces = told["entries"].as_array().unwrap().iter().map(|row| row["nonce"].as_u64()).collect();
    (nonces, told["next"].as_u64())
}

const SMALL: Scheduler =
    Scheduler { messages: 5, length: 1, delay: Duration::ZERO, most: 500, tells_spawn: true, gap: 0 };

#[tokio::test]
async fn a_spawn_without_a_nonce_comes_last_and_is_found() {
    for tells_spawn in [true, false] {
        let (scheduler, _) = Scheduler { tells_spawn, ..SMALL }.start(1 << 20).await;
        let down = |nonces: &[u64]| nonces.iter().copied().map(Some).collect::<Vec<_>>();
        assert_eq!(told(&scheduler, None, 10).await, ([down(&[4, 3, 2, 1, 0]), vec![None]].concat(), None));
        assert_eq!(
            told(&scheduler, None, 5).await,
            (down(&[4, 3, 2, 1, 0]), Some(0)),
            "there is one before them"
        );
        assert_eq!(told(&scheduler, Some(0), 5).await, (vec![None], None));
        assert_eq!(told(&scheduler, Some(2), 1).await, (down(&[1]), Some(1)));
        assert_eq!(told(&scheduler, Some(1), 1).await, (down(&[0]), Some(0)));
        assert_eq!(told(&scheduler, None, 1).await, (down(&[4]), Some(4)));
        let Spoken::Json(first) = links(&scheduler, process(), None, 1).await.unwrap() else {
            panic!("it is JSON")
        };
        assert_eq!(
            (&first["links"][0]["nonce"], &first["next"]),
            (&json!(0), &json!(0)),
            "nonce 0 comes first"
        );
    }
    let (alone, _) = Scheduler { messages: 0, tells_spawn: false, ..SMALL }.start(1 << 20).await;
    assert_eq!(told(&alone, None, 10).await, (vec![None], None), "a process with nothing behind it is here");
}

#[test]
fn what_is_sorted_by_time_or_shown_everywhere_is_put_in_order() {
    let scheduler =
        Scheduler { messages: 9, length: 1, delay: Duration::ZERO, most: 9, tells_spawn: false, gap: 0 };
    let shown = |nonce| serde_json::from_value(scheduler.message(nonce)).unwrap();
    let nodes = [Some(0), Some(5), Some(3), None, Some(3), Some(6)].map(shown).into();
    let found = in_order(nodes, process(), 2, 6);
    let nonces: Vec<_> =
        found.iter().map(|node: &ShownPair| node.assignment.as_ref().and_then(nonce)).collect();
    assert_eq!(nonces, [None, Some(3), Some(3), Some(5)]);
}

#[tokio::test]
async fn pages_that_end_early_hide_nothing() {
    for (most, messages) in [(3, 40), (1, 12)] {
        let (scheduler, _) = Scheduler { most, messages, ..SMALL }.start(1 << 20).await;
        let (nonces, next) = told(&scheduler, None, 100).await;
        let expected: Vec<_> = (0..messages).rev().map(Some).chain([None]).collect();
        assert_eq!((nonces, next), (expected, None), "{most}");
    }
}

#[tokio::test]
async fn the_newest_nonce_takes_one_message() {
    let (scheduler, limits) = SMALL.start(1 << 20).await;
    told(&scheduler, None, 1).await;
    assert_eq!(told(&scheduler, None, 0).await, (Vec::new(), Some(5)));
    assert_eq!(*limits.lock().unwrap(), [0_i64; 0], "no page is asked for");
}

#[tokio::test]
async fn a_page_of_long_messages_is_a_short_one() {
    let long = Scheduler { messages: 30, length: 100_000, ..SMALL };
    let (scheduler, limits) = long.start(350_000).await;
    let (nonces, next) = told(&scheduler, None, 25).await;
    assert_eq!((nonces.len(), nonces[0], next), (25, Some(29), Some(5)));
    let asked = limits.lock().unwrap().clone();
    assert!(asked.starts_with(&[10, 5, 2]) && asked.iter().skip(2).any(|limit| *limit <= 3), "{asked:?}");
    let Spoken::Json(told) = links(&scheduler, process(), None, 20).await.unwrap() else {
        panic!("it is JSON")
    };
    assert_eq!((told["links"].as_array().unwrap().len(), &told["next"]), (20, &json!(19)));
    // One alone that is too long is no answer.
    let (scheduler, _) = long.start(50_000).await;
    assert!(rows(&scheduler, process(), Some(20), 5).await.is_err());
}

#[tokio::test]
async fn a_page_of_slow_messages_ends_early_and_goes_on() {
    let slow = Scheduler { messages: 30, delay: Duration::from_millis(600), ..SMALL };
    let (scheduler, _) = slow.start(1 << 20).await;
    let began = Instant::now();
    let (nonces, next) = told(&scheduler, Some(29), 25).await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(!nonces.is_empty() && nonces.len() < 25 && nonces[0] == Some(28), "{nonces:?}");
    assert_eq!(next, nonces.last().copied().flatten());
}

#[tokio::test]
async fn a_gap_is_looked_through_with_few_questions() {
    for (gap, messages) in [(100, 5), (100_000, 5), (1 << 50, 5), (100_000, 2)] {
        for tells_spawn in [true, false] {
            let (scheduler, limits) = Scheduler { gap, messages, tells_spawn, ..SMALL }.start(1 << 20).await;
            let before = messages - 2;
            let expected = [messages - 1 + gap, messages - 2 + gap].into_iter().chain((0..before).rev());
            let expected: Vec<_> = expected.map(Some).chain([None]).collect();
            assert_eq!(told(&scheduler, None, 20).await, (expected, None), "{gap}");
            // The entry before the gap, as that after it asks for it.
            let one = told(&scheduler, Some(before + gap), 1).await;
            let found = match before.checked_sub(1) {
                Some(nonce) => (vec![Some(nonce)], Some(nonce)),
                None => (vec![None], None),
            };
            assert_eq!(one, found, "{gap}");
            let asked = limits.lock().unwrap().len();
            assert!(asked < 200, "{asked} questions for a gap of {gap}");
        }
    }
}

#[tokio::test]
async fn whoever_shows_nothing_is_not_asked_without_an_end() {
    let nothing = Scheduler { most: 0, gap: 1_000_000_000_000_000, ..SMALL };
    let (scheduler, limits) = nothing.start(1 << 20).await;
    assert_eq!(told(&scheduler, Some(1 << 40), 1).await, (vec![None], None), "its spawn is told by itself");
    assert!(limits.lock().unwrap().len() < 40);
    // Whoever is slow besides is asked again from where that came to.
    let (scheduler, _) = Scheduler { delay: Duration::from_millis(800), ..nothing }.start(1 << 20).await;
    let began = Instant::now();
    let (rows, next) = told(&scheduler, Some(1 << 40), 1).await;
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert!(rows.is_empty() && next.is_some_and(|next| next < 1 << 40), "{rows:?} {next:?}");
}

#[tokio::test]
async fn pages_that_end_early_and_are_slow_are_no_answer_that_never_comes() {
    let slow = Scheduler { messages: 40, most: 1, delay: Duration::from_millis(700), ..SMALL };
    let (scheduler, _) = slow.start(1 << 20).await;
    let began = Instant::now();
    let (rows, next) = told(&scheduler, Some(39), 30).await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!((rows.first(), rows.last().copied().flatten()), (Some(&Some(38)), next), "{rows:?}");
}
