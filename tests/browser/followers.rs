//! What lags, by how much and whether that gets more, and how what has not arrived is looked for and sent.

use quipu_tests::{Gateway, Launch, User};
use serde_json::json;

use crate::chromium::Browser;
use crate::explorer::process;
use crate::node::{DESK, check_page, folder, open, shown};
use crate::verified::{CHANGED, lie};

/// What a node answers that looks at 100 events at a time of 250, of which one is missing.
const SOME_AT_A_TIME: &str = "const asked = JSON.parse(options.body);
    window.asked.push(asked);
    if (window.gate) await window.gate;
    const from = asked.from ?? 0;
    const missing = from === 100 ? [{ nonce: 180, part: 'item', id: 'the-missing-one', outcome: 'missing', status: null, reason: null }] : [];
    return Response.json({ events: Math.min(100, 250 - from), arrived: 1, missing, next: from + 100, done: from >= 200, ended: null, newest: 249 })";

#[tokio::test]
async fn what_is_missing_is_looked_for_to_the_end_and_listed() {
    let (folder, gateway, browser) = (folder(), Gateway::start(), Browser::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let process = process(&node.client(), &User::new(1)).await.id.to_string();
    let tab = open(&browser, &node, "followers", DESK);
    tab.eval("window.asked = []; true");
    lie(&tab, "uploads/reupload", SOME_AT_A_TIME);
    let press = |label: &str| {
        tab.eval(&format!(
            "(() => {{ const button = [...document.querySelectorAll('#uploads button')].find((one) => one.innerText.startsWith('{label}'));
                button.focus(); button.click(); return true; }})()"
        ))
    };
    tab.eval(&format!("document.querySelector('#reupload-process').value = '{process}'"));
    // What changes nothing is pressed once.
    press("Show what");
    tab.until("document.querySelector('#said').innerText.includes('250 events looked at, 1 missing.')");
    let froms = tab.eval("window.asked.map((one) => [one.process, one.from ?? null, one.dry_run])");
    assert_eq!(froms, json!([[process, null, true], [process, 100, true], [process, 200, true]]));
    assert!(tab.text("#missing").contains("180") && tab.text("#missing").contains("the-missing-one"));
    // What was typed and found is there when all else is shown anew.
    let at = tab.text("#age");
    tab.eval("document.activeElement.blur()");
    tab.until(&format!("document.querySelector('#age').innerText !== {}", json!(at)));
    assert_eq!(tab.eval("document.querySelector('#reupload-process').value"), process);
    assert!(tab.text("#missing").contains("the-missing-one"));
    check_page(&tab, &node.admin_url());
    // It is stopped between two questions by whoever began it.
    tab.eval("window.asked = []; window.gate = new Promise((pass) => { window.pass = pass; }); true");
    press("Send what");
    press("Send what");
    tab.until("window.asked.length === 1");
    press("Stop: Send what");
    tab.eval("window.pass(); true");
    tab.until("document.querySelector('#said').innerText.includes('there is more from nonce 100 on.')");
    assert_eq!(tab.eval("window.asked.length"), 1);
    node.stop();
}

#[tokio::test]
async fn lag_is_told_in_events_bytes_and_time_with_its_trend() {
    let (leads, stands, gateway) = (folder(), folder(), Gateway::start());
    let leader = Launch::su(leads.path()).gateway(gateway.url()).start();
    let user = User::new(1);
    process(&leader.client(), &user).await;
    let standby = Launch::standby(stands.path(), &leader.admin_url())
        .set("REPLICATE_TOKEN_FILE", leads.path().join("data/admin-token"))
        .serve();
    let browser = Browser::start();
    for (node, section) in [(&leader, "#standbys"), (&leader, "#projections"), (&standby, "#leader")] {
        let tab = open(&browser, node, "followers", DESK);
        // A trend is known once it was looked at twice.
        for told in ["0 events", "0 B", "0.0 s", "steady"] {
            tab.until(&format!("document.querySelector('{section}')?.innerText.includes('{told}')"));
        }
        check_page(&tab, &node.admin_url());
    }
    // What is not known is not called none.
    let tab = open(&browser, &leader, "followers", DESK);
    let unknown = "for (const one of [...(told.followers ?? []), ...(Array.isArray(told) ? told : [])]) Object.assign(one, { lag_bytes: null, lag_seconds: null, trend: null })";
    for path in ["/status", "/projections"] {
        lie(&tab, path, &CHANGED.replace("CHANGE", unknown));
        tab.eval("location.hash = '#/members'");
        shown(&tab, "members");
        tab.eval("location.hash = '#/followers'");
        shown(&tab, "followers");
        let section = if path == "/status" { "#standbys" } else { "#projections" };
        let cells = "[...document.querySelectorAll('SECTION tbody tr:first-child td')].filter((cell) => cell.innerText === 'not known').length";
        assert_eq!(tab.eval(&cells.replace("SECTION", section)), 3, "{}", tab.text(section));
    }
    standby.stop();
    leader.stop();
}
