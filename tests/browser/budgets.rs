//! What the pages cost: held where it is a matter of bytes and numbers, and printed where it depends on the machine.

use std::env;
use std::fmt::Write;
use std::path::PathBuf;

use ans104::Id;
use quipu_tests::{Client, Gateway, Launch, Node, User};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::chromium::{Browser, Tab};
use crate::explorer::{open, process};
use crate::node::{DESK, folder};

/// How many rows a browser shows at once.
const ROWS: u64 = 500;
/// A page, its style, its script, and what it asks for.
const REQUESTS_MAX: usize = 5;
/// How many rows are made at once, in a task that is short enough for whoever presses a key meanwhile.
const PIECE_MAX: u64 = 25;
/// Compressed, with all that the first screen needs, without the heads of the answers.
const BYTES_MAX: u64 = 40_000;

fn sum(tab: &Tab<'_>, what: &str) -> u64 {
    let code = format!(
        "performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation')).reduce((sum, one) => sum + one.{what}, 0)"
    );
    tab.eval(&code).as_u64().unwrap()
}

fn first_paint(tab: &Tab<'_>) -> f64 {
    tab.until("performance.getEntriesByName('first-contentful-paint').length > 0");
    tab.eval("performance.getEntriesByName('first-contentful-paint')[0].startTime").as_f64().unwrap()
}

#[tokio::test]
async fn pages_keep_their_budgets() {
    let (folder, gateway, browser) = (folder(), Gateway::start(), Browser::start());
    let (node, process) = node_with_a_past(Launch::su(folder.path()).gateway(gateway.url())).await;
    let mut told = String::new();
    let screens = [
        ("explorer", node.url(), "document.querySelector('#here')"),
        ("node", node.admin_url(), "document.querySelector('#checks')"),
    ];
    for (name, url, ready) in screens {
        let tab = browser.open_once(&format!("{url}/ui/"), DESK);
        tab.until(ready);
        let bytes = sum(&tab, "encodedBodySize");
        // The picture of the tab is asked for when all of the page is there.
        let asked = tab.events("Network.requestWillBeSent").into_iter();
        let asked = asked
            .filter(|asked| !asked["request"]["url"].as_str().unwrap().ends_with("/ui/icon.svg"))
            .count();
        assert!(bytes < BYTES_MAX, "{name}: {bytes} bytes");
        assert!(
            asked <= REQUESTS_MAX,
            "{name}: {asked} requests: {:?}",
            tab.events("Network.requestWillBeSent")
        );
        let paint = first_paint(&tab);
        writeln!(told, "{name}: {bytes} bytes, {asked} requests, first paint after {paint:.0} ms").unwrap();
    }
    // As on a phone at the edge of its network.
    let tab = browser.empty(DESK);
    let network = json!({ "offline": false, "latency": 150, "downloadThroughput": 200_000, "uploadThroughput": 200_000 });
    tab.call("Network.emulateNetworkConditions", &network);
    tab.call("Emulation.setCPUThrottlingRate", &json!({ "rate": 4 }));
    tab.call("Page.navigate", &json!({ "url": format!("{}/ui/", node.url()) }));
    tab.until("document.querySelector('#here')");
    writeln!(
        told,
        "explorer, 1.6 Mbit/s, 150 ms, processor ÷ 4: first paint after {:.0} ms",
        first_paint(&tab)
    )
    .unwrap();

    tab.call("Emulation.setCPUThrottlingRate", &json!({ "rate": 1 }));
    writeln!(told, "{}", rows_come_in_pieces(&browser, &node.url(), process)).unwrap();
    println!("{told}");
    node.stop();
}

/// Holds that as many rows as a page may have are made a few at a time; how long it took until all were there, and the longest
/// of the tasks in which they were made and laid out.
fn rows_come_in_pieces(browser: &Browser, url: &str, process: Id) -> String {
    let tab = open(browser, url, "#/", DESK);
    let code = format!(
        "(async () => {{
            const {{ rows }} = await import('./calls.js');
            const {{ list }} = await import('./process.js');
            const told = await rows('{process}', null, {ROWS});
            const content = document.querySelector('#content');
            const tasks = [];
            new PerformanceObserver((seen) => tasks.push(...seen.getEntries().map((task) => task.duration)))
                .observe({{ type: 'longtask' }});
            const begun = performance.now();
            const table = list(told);
            const pieces = [table.querySelectorAll('tbody tr').length];
            content.replaceChildren(table);
            new MutationObserver((seen) => pieces.push(...seen.flatMap((one) =>
                [...one.addedNodes].map((body) => body.rows.length)))).observe(table, {{ childList: true }});
            await new Promise((resolve) => content.addEventListener('filled', resolve));
            content.getBoundingClientRect();
            const took = performance.now() - begun;
            // What was a long task is told after it has ended.
            await new Promise((resolve) => setTimeout(resolve, 100));
            return {{ told: told.entries.length, pieces, took, longest: Math.max(0, ...tasks) }};
        }})()"
    );
    let found = tab.eval(&code);
    let pieces: Vec<_> =
        found["pieces"].as_array().unwrap().iter().map(|rows| rows.as_u64().unwrap()).collect();
    assert_eq!((&found["told"], pieces.iter().sum::<u64>()), (&ROWS.into(), ROWS), "{pieces:?}");
    assert!(pieces.iter().all(|rows| *rows <= PIECE_MAX), "{pieces:?}");
    let longest = match found["longest"].as_f64().unwrap() {
        0.0 => "none longer than 50 ms".to_owned(),
        long => format!("the longest of {long:.0} ms"),
    };
    format!(
        "{ROWS} rows: made and laid out within {:.0} ms, in tasks, {longest}",
        found["took"].as_f64().unwrap()
    )
}

/// A node with a process of so many entries as are shown at once: with what it has in the folder that `QUIPU_FILLED` names, or
/// with little else.
async fn node_with_a_past(launch: Launch) -> (Node, Id) {
    let launch = launch.unset("UPLOAD_NODE_URL");
    if let Some(filled) = env::var_os("QUIPU_FILLED").map(PathBuf::from) {
        let launch = launch.set("SU_DATA_DIR", &filled).set("SU_WALLET_PATH", filled.join("wallet.json"));
        let node = launch.start();
        let busy: Value = node.admin().get("/processes/busy").await.json();
        let process =
            busy["processes"][0]["process"].as_str().expect("there are some").parse().expect("an id");
        return (node, process);
    }
    let node = launch.start();
    let process = process(&node.client(), &User::new(1)).await;
    // Several at a time, and all are synced together.
    let mut senders = JoinSet::new();
    for first in 1..=SENDERS {
        let client = node.client();
        senders.spawn(async move {
            let user = User::new(1);
            for number in (first..ROWS).step_by(SENDERS as usize) {
                client.schedule(&user.message(process.id, &number.to_be_bytes())).await;
            }
        });
    }
    senders.join_all().await;
    (node, process.id)
}

const SENDERS: u64 = 16;

/// As many as look at once, each as the screen of a process asks while it is seen.
const VIEWERS: usize = 50;
const LOOKS: usize = 40;
/// What all requests and answers may take together: the least that may be set.
const CLIENTS_MIB: usize = 64;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_who_look_take_little_memory() {
    let (folder, gateway) = (folder(), Gateway::start());
    let bytes = (CLIENTS_MIB << 20).to_string();
    let launch = Launch::su(folder.path()).gateway(gateway.url()).set("MAX_CLIENT_MEMORY", bytes);
    let (node, process) = node_with_a_past(launch).await;
    let before = node.peak_memory();
    all_look(&node, process).await;
    let once = node.peak_memory();
    all_look(&node, process).await;
    let more =
        [once.saturating_sub(before), node.peak_memory().saturating_sub(once)].map(|bytes| bytes >> 20);
    // How many answers are made at the same time is chance, within what all answers may take; what is asked for once more
    // takes little more.
    assert!(more[0] < CLIENTS_MIB && more[1] < 32, "{more:?} MiB more");
    node.stop();
}

async fn all_look(node: &Node, process: Id) {
    let looking = (0..VIEWERS).map(|_| {
        let client = Client::new(&node.url());
        tokio::spawn(async move {
            for path in ["/ui/", "/ui/style.css", "/ui/explorer.js", "/", "/timestamp"] {
                assert_eq!(client.get(path).await.status, 200, "{path}");
            }
            assert_eq!(client.get(&format!("/explore/v1/processes/{process}?limit=100")).await.status, 200);
            for _ in 0..LOOKS {
                let answer = client.get(&format!("/explore/v1/processes/{process}?limit=0")).await;
                assert!(
                    answer.status == 200 && answer.body.len() < 1024,
                    "{}: {}",
                    answer.status,
                    answer.text()
                );
            }
        })
    });
    for looked in looking.collect::<Vec<_>>() {
        looked.await.unwrap();
    }
}
