//! The explorer in front of what not every scheduler has: a database to search in, and calls of its own.

use quipu_tests::{Gateway, Launch, Postgres, User};

use crate::chromium::Browser;
use crate::explorer::{go, lines, open, process};
use crate::hostile::pages;
use crate::node::{DESK, PHONE, check_page, folder};
use crate::proxied::proxy;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tags_and_signers_are_searched_where_there_is_a_database() {
    let (folder, gateway, postgres) = (folder(), Gateway::start(), Postgres::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).set("DATABASE_URL", postgres.url()).start();
    let (client, user, browser) = (node.client(), User::new(1), Browser::start());
    let process = process(&client, &user).await.id;
    for action in ["Transfer", "Mint", "Transfer"] {
        let tags = [("Type", "Message"), ("Action", action)];
        client.schedule(&user.item(Some(process), &tags, b"x")).await;
    }
    // The database is asked until it has the last one.
    quipu_tests::until("the database has all", async || {
        let told = client.get("/query/v1/messages?tag=Action:Transfer").await;
        (told.text().matches("\"sequence\"").count() == 2).then_some(())
    })
    .await;
    for width in [PHONE, DESK] {
        let tab = open(&browser, &node.url(), "#/", width);
        tab.eval("[...document.querySelectorAll('#here a')].find((link) => link.innerText.startsWith('Search')).click()");
        tab.until("document.querySelectorAll('#searched tbody tr').length === 4");
        tab.eval("document.querySelector('#search-tag').value = 'Action:Transfer'");
        tab.eval("document.querySelector('#search').requestSubmit()");
        tab.until("document.querySelectorAll('#searched tbody tr').length === 2");
        assert!(tab.eval("location.hash").as_str().unwrap().contains("tag=Action%3ATransfer"));
        check_page(&tab, &node.url());
        go(&tab, "#/search?tag=nothing");
        assert!(tab.text("#searched").contains("Name:Value"), "{}", tab.text("#searched"));
    }
    node.stop();
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let tab = open(&browser, &node.url(), "#/", DESK);
    assert!(!tab.text("#here").contains("Search"), "{}", tab.text("#here"));
    go(&tab, "#/search");
    assert!(tab.text("#searched").contains("No answer: queries need Postgres"), "{}", tab.text("#searched"));
    node.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scheduler_without_these_calls_is_shown_by_the_protocol() {
    let (folder, gateway) = (folder(), Gateway::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let (client, user, browser) = (node.client(), User::new(1), Browser::start());
    let process = process(&client, &user).await.id;
    let message = user.message(process, b"one");
    client.schedule(&message).await;
    for data in [&b"two"[..], &[0xff, 0xfe]] {
        client.schedule(&user.message(process, data)).await;
    }
    let (mut shown, url) = pages(folder.path(), &proxy(node.public().port(), "explore/").await);
    let tab = open(&browser, &url, &format!("#/find/{}", message.id), DESK);
    assert!(
        tab.text("#found").contains("Message") && tab.text("#found").contains("nonce 1"),
        "{}",
        tab.text("#found")
    );
    go(&tab, &format!("#/find/{process}"));
    assert!(tab.text("#found").contains("Process"), "{}", tab.text("#found"));
    go(&tab, &format!("#/process/{process}"));
    let nonces =
        tab.eval("[...document.querySelectorAll('#schedule [data-row]')].map((link) => link.innerText)");
    assert_eq!(nonces, serde_json::json!(["3", "2", "1", "0"]));
    tab.eval("document.querySelector('[data-verify]').click()");
    tab.until("document.querySelector('#chain-said').innerText.startsWith('yes')");
    assert!(tab.text("#chain-said").contains("4 assignments"), "{}", tab.text("#chain-said"));
    go(&tab, &format!("#/entry/{process}/2"));
    tab.eval("document.querySelector('[data-verify]').click()");
    assert!(lines(&tab).iter().all(|line| line.contains("yes")), "{:?}", lines(&tab));
    // What is no text is not here: nobody says that it is wrong.
    go(&tab, &format!("#/entry/{process}/3"));
    assert!(tab.text("#item").contains("not here"), "{}", tab.text("#item"));
    tab.eval("document.querySelector('[data-verify]').click()");
    let found = lines(&tab);
    assert!(
        found.iter().any(|line| line.contains("not checked") && line.contains("Sender's signature")),
        "{found:?}"
    );
    assert!(found.iter().all(|line| !line.starts_with("no ")), "{found:?}");
    go(&tab, "#/find/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    assert!(tab.text("#not-here").contains("as far as this scheduler tells"), "{}", tab.text("#content"));
    go(&tab, "#/process/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    assert!(tab.text("#content").starts_with("Not here: "), "{}", tab.text("#content"));
    check_page(&tab, &url);
    shown.kill();
    node.stop();
}
