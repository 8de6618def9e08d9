//! What the pages cost: held where it is a matter of bytes and numbers, and printed where it depends on the machine.

use std::fmt::Write;

use quipu_tests::{Gateway, Launch, User};
use serde_json::{Value, json};

use crate::chromium::{Browser, Tab};
use crate::explorer::{open, process};
use crate::node::{DESK, folder};

/// How many rows a browser shows at once.
const ROWS: u64 = 500;
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
    let (folder, gateway) = (folder(), Gateway::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let (client, user, browser) = (node.client(), User::new(1), Browser::start());
    let process = process(&client, &user).await;
    for number in 1..ROWS {
        client.schedule(&user.message(process.id, &number.to_be_bytes())).await;
    }
    let mut told = String::new();
    let screens = [
        ("explorer", node.url(), "document.querySelector('#here')"),
        ("node", node.admin_url(), "document.querySelector('#checks')"),
    ];
    for (name, url, ready) in screens {
        let tab = browser.open(&format!("{url}/ui/"), DESK);
        tab.until(ready);
        let (bytes, asked) = (sum(&tab, "encodedBodySize"), tab.events("Network.requestWillBeSent").len());
        assert!(bytes < BYTES_MAX, "{name}: {bytes} bytes");
        let paint = first_paint(&tab);
        writeln!(told, "{name}: {bytes} bytes, {asked} requests, first paint after {paint:.0} ms").unwrap();
    }
    // As on a phone at the edge of its network.
    let tab = browser.open("about:blank", DESK);
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

    // Rows: as many as a page may have, in pieces short enough for whoever presses a key meanwhile.
    let tab = open(&browser, &node.url(), "#/", DESK);
    let code = format!(
        "(async () => {{
            const {{ rows }} = await import('./calls.js');
            const {{ list }} = await import('./process.js');
            const told = await rows('{}', null, {ROWS});
            const begun = performance.now();
            document.querySelector('#content').replaceChildren(list(told));
            document.querySelector('#content').getBoundingClientRect();
            return [told.entries.length, performance.now() - begun];
        }})()",
        process.id
    );
    let Value::Array(found) = tab.eval(&code) else { panic!("rows and a time") };
    assert_eq!(found[0], ROWS);
    writeln!(told, "{ROWS} rows: made and laid out in {:.0} ms", found[1].as_f64().unwrap()).unwrap();
    println!("{told}");
    node.stop();
}
