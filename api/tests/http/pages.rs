//! Pages: whatever the limits and the cursors, a walk sees everything once and in order.

use std::sync::OnceLock;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use protocol::ProcessId;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::node::{TestListener, TestNode};
use crate::samples::SampleHistory;

/// A node with processes of every kind, and what each of them has.
struct World {
    runtime: Runtime,
    node: TestNode,
    /// A listener that ends pages after a few kilobytes.
    cramped: TestListener,
    processes: Vec<(ProcessId, Vec<(u64, u64)>)>,
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let runtime = Runtime::new().unwrap();
        let (node, cramped, processes) = runtime.block_on(async {
            let node = TestNode::start().await;
            let cramped = node.open_with(|parts| parts.options.max_read_memory = 20_000).await;
            let mut processes = vec![];
            for (mut history, nonces) in histories() {
                for (nonce, time) in nonces.iter().filter(|(nonce, time)| (*nonce, *time) != (0, 1_000)) {
                    history.message(
                        *nonce,
                        *time,
                        format!("message {nonce}").as_bytes(),
                        history_is_imported(&nonces),
                    );
                }
                node.append(history.appends).await;
                processes.push((history.process, nonces));
            }
            (node, cramped, processes)
        });
        World { runtime, node, cramped, processes }
    })
}

/// A process with an assignment, one without, and imported ones with gaps, ties and steps back.
fn histories() -> Vec<(SampleHistory, Vec<(u64, u64)>)> {
    let assigned: Vec<_> = (0..150).map(|nonce| (nonce, 1_000 + nonce * 3)).collect();
    let unassigned: Vec<_> = (0..60).map(|nonce| (nonce, 1_001 + nonce * 2)).collect();
    let flawed: Vec<_> = (0..120).map(|nonce| (nonce + nonce / 7 * 5, 1_001 + nonce / 4 * 10)).collect();
    // The clock was set back again and again.
    let back: Vec<_> = (0..300).map(|nonce| (nonce, 1_001 + nonce * 37 % 101 * 4)).collect();
    vec![
        (SampleHistory::spawn(1, Some(1_000)), assigned),
        (SampleHistory::spawn(2, None), unassigned),
        (SampleHistory::spawn(3, None), flawed),
        (SampleHistory::spawn(4, Some(1_000)), vec![(0, 1_000)]),
        (SampleHistory::spawn(5, None), back),
    ]
}

fn history_is_imported(nonces: &[(u64, u64)]) -> bool {
    nonces.first() != Some(&(0, 1_000))
}

#[derive(Clone, Debug)]
struct Walk {
    process: usize,
    by_nonce: bool,
    from: Option<i64>,
    to: Option<i64>,
    limit: u64,
    cramped: bool,
}

fn walks() -> impl Strategy<Value = Walk> {
    let times = 990..1_500_i64;
    let bound = (any::<bool>(), -2..260_i64, times);
    (
        0..5_usize,
        any::<bool>(),
        prop::option::of(bound.clone()),
        prop::option::of(bound),
        1..200_u64,
        any::<bool>(),
    )
        .prop_map(|(process, by_nonce, from, to, limit, cramped)| {
            let pick = |(_, nonce, time): (bool, i64, i64)| if by_nonce { nonce } else { time };
            Walk { process, by_nonce, from: from.map(pick), to: to.map(pick), limit, cramped }
        })
}

/// What the walk has to see.
fn expected(walk: &Walk, nonces: &[(u64, u64)]) -> Vec<u64> {
    let key = |(nonce, time): &(u64, u64)| i64::try_from(if walk.by_nonce { *nonce } else { *time }).unwrap();
    let is_start = walk.from.is_none_or(|from| walk.by_nonce && from == -1);
    let is_itself = |(nonce, time): &(u64, u64)| is_start && (*nonce, *time) == (0, 1_000);
    let mut nonces = nonces.to_vec();
    if !walk.by_nonce {
        nonces.sort_by_key(|(nonce, time)| (*time, *nonce));
    }
    nonces
        .iter()
        .filter(|at| {
            is_itself(at)
                || (walk.from.is_none_or(|from| key(at) > from) && walk.to.is_none_or(|to| key(at) <= to))
        })
        .map(|(nonce, _)| *nonce)
        .collect()
}

async fn walked(world: &World, walk: &Walk) -> Vec<u64> {
    let (process, _) = &world.processes[walk.process];
    let listener = if walk.cramped { &world.cramped } else { &world.node.public };
    let (from_name, to_name) = if walk.by_nonce { ("from-nonce", "to-nonce") } else { ("from", "to") };
    let bound =
        |name: &str, value: Option<i64>| value.map_or(String::new(), |value| format!("&{name}={value}"));
    // Without any nonce parameter pages are counted by time, so a walk by nonce has to name one.
    let mut from = if walk.by_nonce { walk.from.or(Some(-1)) } else { walk.from };
    let mut seen = vec![];
    loop {
        let (from_part, to_part) = (bound(from_name, from), bound(to_name, walk.to));
        let url = format!("{}/{process}?limit={}{from_part}{to_part}", listener.url, walk.limit);
        let page: Value = world.node.http.get(&url).send().await.unwrap().json().await.unwrap();
        let edges = page["edges"].as_array().unwrap_or_else(|| panic!("{url}: {page}"));
        seen.extend(edges.iter().map(nonce));
        if page["page_info"]["has_next_page"] == json!(false) {
            return seen;
        }
        assert!(!edges.is_empty(), "{url} has a next page and nothing on this one");
        from = Some(edges.last().unwrap()["cursor"].as_str().unwrap().parse().unwrap());
    }
}

fn nonce(edge: &Value) -> u64 {
    let tags = edge["node"]["assignment"]["tags"].as_array().unwrap();
    tags.iter().find(|tag| tag["name"] == "Nonce").unwrap()["value"].as_str().unwrap().parse().unwrap()
}

#[test]
fn a_walk_sees_every_nonce_once_and_in_order() {
    let world = world();
    let config = Config { cases: 150, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&walks(), |walk| {
            let seen = world.runtime.block_on(walked(world, &walk));
            prop_assert_eq!(seen, expected(&walk, &world.processes[walk.process].1), "{:?}", walk);
            Ok(())
        })
        .unwrap();
}

fn page(path: &str) -> Value {
    let world = world();
    let (status, page) = world.runtime.block_on(world.node.get(path));
    assert_eq!(status, 200, "{path}: {page}");
    page
}

#[test]
fn a_page_has_a_hundred_when_nobody_says() {
    let process = world().processes[0].0;
    for query in ["", "?limit=undefined", "?limit=", "?from=undefined&to=undefined&limit=100"] {
        let page = page(&format!("/{process}{query}"));
        assert_eq!(page["edges"].as_array().unwrap().len(), 100, "{query}");
        assert_eq!(page["page_info"], json!({ "has_next_page": true }), "{query}");
        assert_eq!(page["edges"][99]["cursor"], "1297", "{query}");
    }
}

#[test]
fn a_nonce_parameter_switches_to_nonces() {
    let process = world().processes[0].0;
    for (query, first, count) in [
        ("from-nonce=-1&limit=3", "0", 3),
        ("to-nonce=4", "0", 5),
        ("to-nonce=4&from=1200", "0", 5),
        ("from-nonce=147&to=1", "148", 2),
        ("from-nonce=undefined&to-nonce=0", "0", 1),
        ("to-nonce=-1", "0", 1),
        ("from-nonce=-1&to-nonce=-5", "0", 1),
    ] {
        let page = page(&format!("/{process}?{query}"));
        assert_eq!(page["edges"][0]["cursor"], first, "{query}");
        assert_eq!(page["edges"].as_array().unwrap().len(), count, "{query}");
    }
}

#[test]
fn the_process_comes_first_whatever_the_end() {
    let (assigned, unassigned) = (world().processes[0].0, world().processes[1].0);
    for query in ["to=1", "to=-5", "to=1000", "to-nonce=-7"] {
        let page = page(&format!("/{assigned}?{query}"));
        assert_eq!(page["edges"].as_array().unwrap().len(), 1, "{query}");
        assert_eq!(page["edges"][0]["node"]["message"]["id"], assigned.to_string(), "{query}");
        assert_eq!(page["page_info"]["has_next_page"], false, "{query}");
    }
    assert_eq!(page(&format!("/{unassigned}?to=1"))["edges"], json!([]));
    assert_eq!(page(&format!("/{assigned}?from=1&to=1"))["edges"], json!([]));
}

#[test]
fn a_page_of_too_many_bytes_ends_early_with_one_at_least() {
    let world = world();
    let process = world.processes[0].0;
    let tiny = world.runtime.block_on(world.node.open_with(|parts| parts.options.max_read_memory = 1));
    let page = world.runtime.block_on(async {
        let answer = world.node.http.get(format!("{}/{process}?limit=50", tiny.url)).send().await.unwrap();
        answer.json::<Value>().await.unwrap()
    });
    assert_eq!(page["edges"].as_array().unwrap().len(), 1);
    assert_eq!(page["page_info"]["has_next_page"], true);
}

#[test]
fn what_is_no_number_is_refused() {
    let world = world();
    let process = world.processes[0].0;
    for query in [
        "from=abc",
        "to=1.5",
        "from-nonce=x",
        "to-nonce=1e3",
        "limit=x",
        "limit=0",
        "limit=-1",
        "limit=99999999999999999999",
    ] {
        let (status, refusal) = world.runtime.block_on(world.node.get(&format!("/{process}?{query}")));
        assert_eq!((status, &refusal["code"]), (400, &json!("invalid_parameter")), "{query}: {refusal}");
        let name = query.split('=').next().unwrap();
        assert!(refusal["error"].as_str().unwrap().contains(name), "{query}: {refusal}");
    }
}
