//! The screen of nodes that keep a log together: who leads, in which term, and what is waited for.

use std::path::Path;

use ans104::KeyType;
use quipu_tests::{Gateway, Launch, Node, User};

use crate::chromium::{Browser, Tab};
use crate::node::{DESK, PHONE, check_page, folder, shown};

const TOKEN: &str = "a-token-of-the-test";

fn keeping(launch: Launch, gateway: &Gateway) -> Launch {
    let launch = launch.gateway(gateway.url()).unset("UPLOAD_NODE_URL").wallet(KeyType::Ed25519);
    launch.set("REPLICATION_ACKS", "1").set("REPLICATE_TOKEN", TOKEN).set("ADMIN_TOKEN", TOKEN)
}

fn voter(folder: &Path, gateway: &Gateway, from: &str) -> Launch {
    keeping(Launch::standby(folder, from), gateway).set("REPLICATION_VOTER", "true")
}

/// Opens the screen with the token.
fn open<'a>(browser: &'a Browser, node: &Node, width: u32) -> Tab<'a> {
    let tab = browser.open(&format!("{}/ui/#/members", node.admin_url()), width);
    tab.until("document.querySelector('#token form')");
    tab.eval(&format!("document.querySelector('#token-field').value = '{TOKEN}'"));
    tab.eval("document.querySelector('#token form').requestSubmit()");
    shown(&tab, "members");
    tab
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_show_who_leads_and_what_is_waited_for() {
    let (folders, gateway, browser) = ([folder(), folder()], Gateway::start(), Browser::start());
    let leader = keeping(Launch::su(folders[0].path()), &gateway).start();
    let follower = voter(folders[1].path(), &gateway, &leader.admin_url()).start();
    quipu_tests::until("it takes messages", async || {
        let request = leader.client().post(User::new(1).process().bytes).await;
        (request.status < 300).then_some(())
    })
    .await;
    for width in [PHONE, DESK] {
        let tab = open(&browser, &leader, width);
        tab.until("document.querySelectorAll('#voters tbody tr').length === 2");
        tab.until("document.querySelector('#voters').innerText.includes('has all')");
        for shown in ["leads", "1 of the others"] {
            tab.until(&format!("document.querySelector('#members').innerText.includes('{shown}')"));
        }
        check_page(&tab, &leader.admin_url());
        let tab = open(&browser, &follower, width);
        tab.until("document.querySelector('#members').innerText.includes('follows a leader')");
        check_page(&tab, &follower.admin_url());
    }
    // What is written waits for the other one, and the screen says for how long.
    let tab = open(&browser, &leader, DESK);
    follower.kill();
    let client = leader.client();
    let waiting = tokio::spawn(async move { client.post(User::new(2).process().bytes).await.status });
    tab.until("document.querySelector('#members').innerText.includes('1 other to have 1 event, for ')");
    let verdict = "/^(Look|Act): /.test(document.querySelector('#verdict').innerText)";
    tab.until(verdict);
    tab.until("document.querySelector('#voters').innerText.includes('is behind')");
    leader.kill();
    let _ = waiting.await;
}
