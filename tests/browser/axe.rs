//! Each screen as people see it: what keeps them from using it, as axe-core 4.14.1 of Deque Systems finds it (MPL-2.0; its file is in
//! `tests/data/axe.min.js.gz` as it was published), and pictures to look at, which are kept where `QUIPU_PICTURES` names a
//! folder.

use std::io::Read;
use std::path::Path;
use std::{env, fs};

use ans104::base64url;
use flate2::read::GzDecoder;
use quipu_tests::{Gateway, Launch, Node, User, workspace};
use serde_json::{Value, json};
use testing::RefusingPort;

use crate::chromium::{Browser, Tab};
use crate::explorer::{go, lines, open, process, settle};
use crate::node::{DESK, PHONE, folder, shown};
use crate::verified::lie;

fn source() -> String {
    let packed = fs::read(workspace().join("tests/data/axe.min.js.gz")).expect("the file is there");
    let mut source = String::new();
    GzDecoder::new(packed.as_slice()).read_to_string(&mut source).expect("it is text");
    source
}

/// Opens a screen for operators that stays as it is: what is shown anew while axe walks over it is gone in the middle.
fn open_operators<'a>(browser: &'a Browser, node: &Node, screen: &str, width: u32) -> Tab<'a> {
    let tab = browser.open_once(&format!("{}/ui/#/{screen}", node.admin_url()), width);
    shown(&tab, screen);
    tab
}

/// Holds that axe finds nothing, in light and dark colours, and takes a picture of either.
fn check(tab: &Tab<'_>, axe: &str, name: &str, width: u32) {
    for colours in ["light", "dark"] {
        let feature = json!({ "name": "prefers-color-scheme", "value": colours });
        tab.call("Emulation.setEmulatedMedia", &json!({ "features": [feature] }));
        tab.eval(&format!("if (!window.axe) {{ {axe} }} true"));
        let found = tab.eval(
            "axe.run().then(({ violations }) => violations.map(({ id, help, nodes }) =>
                `${id}: ${help}: ${nodes.map((node) => node.html.slice(0, 200)).join(' | ')}`))",
        );
        assert_eq!(found, Value::Array(vec![]), "{name}, {colours}, {width}");
        if let Some(folder) = env::var_os("QUIPU_PICTURES") {
            let taken = tab.call("Page.captureScreenshot", &json!({ "captureBeyondViewport": true }));
            let text = taken["data"].as_str().expect("there is one").replace('+', "-").replace('/', "_");
            let picture = base64url::decode(text.trim_end_matches('=')).expect("it is base64");
            let path = Path::new(&folder).join(format!("{name}-{colours}-{width}.png"));
            fs::write(&path, picture).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
    }
}

#[tokio::test]
async fn nobody_is_kept_from_a_screen_of_a_router() {
    let (folders, axe) = ([folder(), folder()], source());
    let gateway = Gateway::start();
    let node = Launch::su(folders[0].path()).gateway(gateway.url()).start();
    let gone = RefusingPort::take();
    let schedulers = [node.url(), format!("http://{}", gone.address())];
    let router = Launch::router(folders[1].path(), &schedulers.each_ref().map(String::as_str)).serve();
    let browser = Browser::start();
    for width in [PHONE, DESK] {
        for screen in ["health", "fleet"] {
            let tab = open_operators(&browser, &router, screen, width);
            check(&tab, &axe, &format!("router-{screen}"), width);
        }
    }
    router.stop();
    node.stop();
}

#[tokio::test]
async fn nobody_is_kept_from_a_screen() {
    let (folder, axe) = (folder(), source());
    let gateway = Gateway::start();
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let (client, user, browser) = (node.client(), User::new(1), Browser::start());
    let process = process(&client, &user).await.id;
    client.schedule(&user.message(process, b"{\"some\":[1,2]}")).await;
    for width in [PHONE, DESK] {
        let tab = open(&browser, &node.url(), "#/", width);
        check(&tab, &axe, "start", width);
        tab.eval("document.querySelector('#help').click()");
        check(&tab, &axe, "help", width);
        tab.eval("document.querySelector('#help').click()");
        for (name, screen) in [
            ("find", format!("#/find/{process}")),
            ("no-id", "#/find/nothing".to_owned()),
            ("search", "#/search?tag=Action:Eval".to_owned()),
            ("process", format!("#/process/{process}")),
            ("entry", format!("#/entry/{process}/1?assignment=x")),
        ] {
            go(&tab, &screen);
            check(&tab, &axe, name, width);
        }
        tab.eval("document.querySelector('[data-verify]').click()");
        assert_eq!(lines(&tab).len(), 8);
        check(&tab, &axe, "verified", width);
        for screen in ["health", "followers", "history", "members"] {
            let tab = open_operators(&browser, &node, screen, width);
            check(&tab, &axe, screen, width);
        }
    }
    node.stop();
}

/// What a node tells of which all kinds of trouble are to be seen at once.
const MUCH: &str = "const told = await answer.json();
    const process = 'A'.repeat(43);
    const behind = { lag_events: 5, lag_bytes: 1000, lag_seconds: 2.5, trend: 'growing' };
    if (url.endsWith('/status')) {
        told.leader = { ...behind, state: 'lost', state_age_seconds: 9, reason: 'refused', from: 'http://a:9001', url: null,
            heartbeat_age_seconds: 3, term: 2, verified: false };
        told.followers = [{ ...behind, node: 'n1', events: 7, connected_seconds: 60 }];
        told.member = { node: 'n0', role: 'leading', term: 2, promised_term: 3, promised_to: 'n1', events: 9, released: 7, acks: 1, waiting_seconds: 3,
            voters: ['leader', 'follower', 'apart'].map((role, n) => ({ node: `n${n}`, role, events: n ? null : 9, lag_events: n ? null : 0,
                heard_seconds: n ? null : 1, url: null })) };
        told.gate = { kind: 'postgres', single_copy: true, reason: 'refused', away_seconds: 5, waiting_seconds: 4 };
    }
    if (/checks|overview/.test(url)) told.checks[0].status = 'fail';
    if (url.includes('/dead-letters')) {
        told.dead_letters = ['item', 'assignment'].map((part, nonce) => ({ process, nonce, part, status: 400, reason: 'too long', refused_ms: 1e12 }));
        told.next = 5;
    }
    if (url.endsWith('/uploads/stuck')) Object.assign(told, { events: 3, processes: [{ process, nonce: 4, sequence: 9 }] });
    if (url.endsWith('/jobs')) return Response.json(['running', 'failed', 'done'].map((state, id) =>
        ({ id, projection: 'index', state, reason: state === 'failed' ? 'gone' : null, done: 5, total: 10, started_ms: 1e12, took_ms: 900 })));
    return Response.json(told, { status: answer.status })";

#[tokio::test]
async fn nobody_is_kept_from_a_screen_that_tells_trouble_or_is_old() {
    let (folder, axe) = (folder(), source());
    let gateway = Gateway::start();
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let (client, user, browser) = (node.client(), User::new(1), Browser::start());
    let process = process(&client, &user).await.id;
    let (url, mut old) = (node.url(), Vec::new());
    for width in [PHONE, DESK] {
        let tab = open_operators(&browser, &node, "history", width);
        lie(&tab, "", MUCH);
        for (screen, sign) in [("followers", "too long"), ("health", "fail"), ("members", "never")] {
            tab.eval(&format!("location.hash = '#/{screen}'"));
            shown(&tab, screen);
            assert!(tab.text("#content").contains(sign), "{}", tab.text("#content"));
            check(&tab, &axe, &format!("{screen}-trouble"), width);
            if screen == "followers" {
                // What is asked of whoever wants to change something.
                let again = "[...document.querySelectorAll('#uploads button')].find((one) => one.innerText.startsWith('Send all'))";
                tab.eval(&format!("{again}.focus(), {again}.click(), {again}.click()"));
                tab.until("document.querySelector('#token form')");
                check(&tab, &axe, "token", width);
            }
        }
        old.extend(
            ["health", "followers", "history", "members"]
                .map(|screen| (screen, width, open_operators(&browser, &node, screen, width))),
        );
        let tab = browser.open_once(&format!("{url}/ui/#/process/{process}"), width);
        settle(&tab);
        old.push(("process", width, tab));
    }
    node.stop();
    for (screen, width, tab) in old {
        // What is seen asks.
        tab.call("Page.bringToFront", &json!({}));
        tab.eval("document.dispatchEvent(new Event('visibilitychange')); true");
        tab.until("document.querySelector('.stale')");
        check(&tab, &axe, &format!("{screen}-old"), width);
    }
}
