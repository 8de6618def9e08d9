//! The ways through a process: back to where a page began, over gaps, to a spawn that has no nonce, and to where it moved.

use std::path::Path;

use ans104::{Id, KeyType};
use quipu_tests::{Gateway, Launch, Node, User};
use serde_json::{Value, json};

use crate::browsed::BrowsedProcess;
use crate::chromium::{Browser, Tab};
use crate::explorer::{go, open, process};
use crate::node::{DESK, check_page, folder};
use crate::verified::{CHANGED, lie};

/// A page that ends after three rows, as one does that has long messages.
const SHORT: &str =
    "if (told.entries?.length > 3) { told.entries.splice(3); told.next = told.entries[2].nonce; }";

/// The nonces that are listed once it begins with this one.
fn listed(tab: &Tab<'_>, first: u64) -> Value {
    tab.until(&format!(
        "document.querySelector('#schedule [data-row]')?.innerText === '{first}' && !document.querySelector('[aria-busy]')"
    ));
    tab.eval("[...document.querySelectorAll('#schedule [data-row]')].map((link) => Number(link.innerText))")
}

fn step(tab: &Tab<'_>, key: &str) -> bool {
    let link = format!(
        "document.querySelector('#schedule [data-step=\"{key}\"][href], #content > nav [data-step=\"{key}\"][href], #entry [data-step=\"{key}\"][href]')"
    );
    let leads = tab.eval(&format!("Boolean({link})")) == true;
    if leads {
        tab.eval(&format!("{link}.click()"));
    }
    leads
}

#[tokio::test]
async fn newer_leads_to_where_the_page_before_began() {
    let seen = BrowsedProcess::of(9).await;
    let tab = seen.open("#/");
    lie(&tab, "limit=100", &CHANGED.replace("CHANGE", SHORT));
    go(&tab, &seen.schedule());
    assert_eq!(listed(&tab, 9), json!([9, 8, 7]));
    assert!(!step(&tab, "["), "nothing is newer");
    for (key, first, expected) in [
        ("]", 6, json!([6, 5, 4])),
        ("]", 3, json!([3, 2, 1])),
        ("]", 0, json!([0])),
        ("[", 3, json!([3, 2, 1])),
        ("[", 6, json!([6, 5, 4])),
        ("[", 9, json!([9, 8, 7])),
        ("]", 6, json!([6, 5, 4])),
    ] {
        assert!(step(&tab, key), "{key} leads nowhere before {first}");
        assert_eq!(listed(&tab, first), expected);
    }
    // What came meanwhile is in front of what was the newest page.
    seen.client.schedule(&seen.user.message(seen.process, b"ten")).await;
    assert!(step(&tab, "["));
    assert_eq!(listed(&tab, 9), json!([9, 8, 7]));
    assert!(step(&tab, "newest"));
    assert_eq!(listed(&tab, 10), json!([10, 9, 8]));
    check_page(&tab, &seen.node.url());
    seen.node.stop();
}

#[tokio::test]
async fn a_gap_is_told_as_one_and_there_is_a_way_over_it() {
    let seen = BrowsedProcess::of(4).await;
    let tab = seen.open("#/");
    // As in a history that was taken over without nonce 2, by whoever looks through a gap at once, or goes on with it.
    let goes_on = CHANGED.replace("CHANGE", "told.entries = []; told.next = 2");
    for lied in ["return window.told(url.replace('before=3', 'before=2'), options)", &goes_on] {
        lie(&tab, "limit=1&before=3", lied);
        go(&tab, &seen.entry(2));
        let shown = tab.text("#content");
        assert!(
            shown.contains(
                "Not here: nonce 2: there is a gap, and the process goes on from nonce 1 to nonce 3"
            ),
            "{shown}"
        );
    }
    for (key, nonce) in [("[", 1), ("]", 3)] {
        go(&tab, &seen.entry(2));
        assert!(step(&tab, key));
        tab.until(&format!("document.querySelector('#entry-heading')?.innerText === 'Nonce {nonce}'"));
    }
    go(&tab, &seen.entry(9));
    assert!(tab.text("#content").contains("the process ends at nonce 4"), "{}", tab.text("#content"));
    // Nobody waits for a gap without an end, and nothing is said of what was not looked at.
    let endless = "told.entries = []; told.newest = 1000; told.next = Number(new URL(url, location).searchParams.get('before')) - 1";
    lie(&tab, "limit=1&before=", &CHANGED.replace("CHANGE", endless));
    go(&tab, &seen.entry(500));
    let shown = tab.text("#content");
    assert!(shown.contains("there is a gap, and the process goes on somewhere before nonce 490"), "{shown}");
    // Who says that it goes on where it was is no answer.
    lie(&tab, "limit=1&before=", &CHANGED.replace("CHANGE", "told.next = 501"));
    go(&tab, &seen.entry(500));
    assert!(tab.text("#content").starts_with("No answer: "), "{}", tab.text("#content"));
    seen.node.stop();
}

#[tokio::test]
async fn a_spawn_without_a_nonce_comes_before_nonce_0() {
    let unassigned = |launch: Launch| launch.set("ENABLE_PROCESS_ASSIGNMENT", "false");
    let seen = BrowsedProcess::of_launch(1, unassigned).await;
    let tab = seen.open(&seen.entry(0));
    assert!(step(&tab, "["));
    tab.until("document.querySelector('#entry-heading')?.innerText === 'Spawn'");
    assert!(!step(&tab, "["), "nothing comes before it");
    assert!(step(&tab, "]"));
    tab.until("document.querySelector('#entry-heading')?.innerText === 'Nonce 0'");
    seen.node.stop();
}

fn moves(process: Id, from: &Node, to: &Node) {
    let (process, url, there) = (process.to_string(), to.url(), to.admin_url());
    let (admin, token, own) = (from.admin_url(), to.token(), from.token());
    let words = ["move", &process, "--to", &url, "--to-admin", &there, "--to-token", &token];
    let words: Vec<&str> = words.into_iter().chain(["--admin", &admin, "--token", &own]).collect();
    let finished = Launch::command(Path::new("/"), &words).run();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_moved_says_where_it_is() {
    let (folders, gateway, browser) = ([folder(), folder()], Gateway::start(), Browser::start());
    let [from, to] = folders.each_ref().map(|folder| {
        Launch::su(folder.path())
            .gateway(gateway.url())
            .unset("UPLOAD_NODE_URL")
            .wallet(KeyType::Ed25519)
            .start()
    });
    let user = User::new(1);
    let process = process(&from.client(), &user).await.id;
    moves(process, &from, &to);
    to.client().schedule(&user.message(process, b"there")).await;
    let tab = open(&browser, &from.url(), &format!("#/process/{process}"), DESK);
    let shown = tab.text("#moved");
    assert!(shown.contains(&format!("It has moved to {}", to.url())), "{shown}");
    go(&tab, &format!("#/entry/{process}/1"));
    let shown = tab.text("#content");
    assert!(shown.contains(&format!("ends at nonce 0 here, and goes on at {}", to.url())), "{shown}");
    check_page(&tab, &from.url());
    let tab = open(&browser, &to.url(), &format!("#/process/{process}"), DESK);
    assert_eq!(tab.eval("document.querySelectorAll('#schedule tbody tr').length"), 2);
    assert_eq!(tab.eval("document.querySelector('#moved')"), Value::Null);
    from.stop();
    to.stop();
}

#[tokio::test]
async fn rows_that_cannot_be_are_no_answer_and_what_is_cut_says_so() {
    let seen = BrowsedProcess::of(2).await;
    let tab = seen.open("#/");
    for lied in [
        "told.entries[1].nonce = told.entries[0].nonce + 1",
        "told.entries[0].nonce = 9007199254740991",
        "told.entries[0].action = 'x'.repeat(65)",
    ] {
        lie(&tab, "limit=100", &CHANGED.replace("CHANGE", lied));
        go(&tab, &seen.schedule());
        assert!(
            tab.text("#content").starts_with("No answer: what it tells is not"),
            "{}",
            tab.text("#content")
        );
        tab.eval("window.fetch = window.told; true");
    }
    let lied = "told.entries[0].action = 'x'.repeat(64); told.entries[1].action = ''";
    lie(&tab, "limit=100", &CHANGED.replace("CHANGE", lied));
    go(&tab, &seen.schedule());
    let shown = tab.text("#schedule");
    assert!(shown.contains(&format!("{}…", "x".repeat(64))) && shown.contains("an empty action"), "{shown}");
    // Nobody else's scheduler asks for the token of an operator.
    lie(&tab, "limit=100", "return Response.json({ error: 'your token' }, { status: 401 })");
    go(&tab, &seen.schedule());
    assert_eq!(tab.text("#content"), "No answer: it answers 401.");
    seen.node.stop();
}
