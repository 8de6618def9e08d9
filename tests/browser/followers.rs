//! What lags, by how much and whether that gets more, and how what has not arrived is looked for and sent.

use quipu_tests::{Gateway, Launch, User};
use serde_json::json;

use crate::chromium::{Browser, Tab};
use crate::explorer::process;
use crate::node::{DESK, check_page, folder, open, shown};
use crate::verified::{CHANGED, lie};

/// What a node answers that looks at 100 events at a time of 250, of which one is missing.
const SOME_AT_A_TIME: &str = "const asked = JSON.parse(options.body);
    window.asked.push(asked);
    if (window.gate) await window.gate;
    if (asked.from !== undefined && window.failsAt === asked.from) return Response.json({ code: 'internal', error: 'it is gone' }, { status: 500 });
    const from = asked.from ?? 0;
    const missing = from === 100 ? [{ nonce: 180, part: 'item', id: 'the-missing-one', outcome: 'missing', status: null, reason: null }] : [];
    return Response.json({ events: Math.min(100, 250 - from), arrived: 1, missing, next: from + 100, done: from >= 200, ended: null, newest: 249 })";

fn press(tab: &Tab<'_>, label: &str) {
    tab.eval(&format!(
        "(() => {{ const button = [...document.querySelectorAll('#uploads button')].find((one) => one.innerText.startsWith('{label}'));
            button.focus(); button.click(); return true; }})()"
    ));
}

#[tokio::test]
async fn what_is_missing_is_looked_for_to_the_end_and_listed() {
    let (folder, gateway, browser) = (folder(), Gateway::start(), Browser::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let process = process(&node.client(), &User::new(1)).await.id.to_string();
    let tab = open(&browser, &node, "followers", DESK);
    tab.eval("window.asked = []; true");
    lie(&tab, "uploads/reupload", SOME_AT_A_TIME);
    tab.eval(&format!("document.querySelector('#reupload-process').value = '{process}'"));
    // What changes nothing is pressed once.
    press(&tab, "Show what");
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
    press(&tab, "Send what");
    press(&tab, "Send what");
    tab.until("window.asked.length === 1");
    press(&tab, "Stop: Send what");
    tab.eval("window.pass(); true");
    tab.until("document.querySelector('#said').innerText.includes('there is more from nonce 100 on.')");
    assert_eq!(tab.eval("window.asked.length"), 1);
    node.stop();
}

#[tokio::test]
async fn one_looks_for_what_is_missing_at_a_time_and_goes_on_where_it_failed() {
    let (folder, gateway, browser) = (folder(), Gateway::start(), Browser::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let tab = open(&browser, &node, "followers", DESK);
    tab.eval("window.asked = []; window.gate = new Promise((pass) => { window.pass = pass; }); true");
    lie(&tab, "uploads/reupload", SOME_AT_A_TIME);
    tab.eval("document.querySelector('#reupload-process').value = 'one'");
    press(&tab, "Show what");
    tab.until("window.asked.length === 1");
    press(&tab, "Send what");
    let said = tab.text("#said");
    assert!(said.contains("not yet: “Show what is missing” is not done"), "{said}");
    tab.eval("window.pass(); true");
    tab.until("document.querySelector('#said').innerText.includes('250 events looked at, 1 missing.')");
    let kinds = tab.eval("window.asked.map((one) => one.dry_run)");
    assert_eq!(kinds, json!([true, true, true]), "nothing is sent");
    // What fails in the middle says how far it came, and goes on there.
    tab.eval("window.asked = []; window.failsAt = 200; true");
    press(&tab, "Send what");
    press(&tab, "Send what");
    let told = "Send what is missing: no: it is gone. Before that: 200 events looked at, 1 missing; there is more from nonce 200 on.";
    tab.until(&format!("document.querySelector('#said').innerText === '{told}'"));
    tab.eval("window.asked = []; window.failsAt = -1; true");
    press(&tab, "Send what");
    press(&tab, "Send what");
    tab.until("document.querySelector('#said').innerText.includes('250 events looked at, 1 missing.')");
    assert_eq!(tab.eval("window.asked.map((one) => one.from)"), json!([200]));
    assert_eq!(tab.eval("document.querySelectorAll('#missing tbody tr').length"), 1, "no row is there twice");
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
            tab.until(&format!(
                "[...document.querySelectorAll('{section} td, {section} dd')].some((cell) => cell.innerText === '{told}')"
            ));
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
