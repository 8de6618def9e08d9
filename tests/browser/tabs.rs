//! Many tabs at once, and a node that goes and comes again while somebody looks.

use std::time::Instant;

use quipu_tests::{Gateway, Launch, PATIENCE, User, free_port};
use serde_json::Value;

use crate::chromium::{Browser, Tab};
use crate::explorer::{go, open, process};
use crate::node::{DESK, check_page, folder, open as open_operators};

/// Has the page take itself for one that nobody sees.
pub const HIDE: &str =
    "Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true });
    document.dispatchEvent(new Event('visibilitychange')); true";

fn asked(tab: &Tab<'_>) -> usize {
    // What is told meanwhile comes with the next answer.
    tab.eval("true");
    tab.events("Network.requestWillBeSent").len()
}

/// How many requests have begun and not ended.
fn under_way(tab: &Tab<'_>) -> usize {
    let asked = asked(tab);
    let ended = ["Network.loadingFinished", "Network.loadingFailed"].map(|end| tab.events(end).len());
    asked.saturating_sub(ended.iter().sum())
}

#[tokio::test]
async fn ten_tabs_are_answered_and_hidden_ones_ask_nothing() {
    let (folder, gateway) = (folder(), Gateway::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let (client, user, browser) = (node.client(), User::new(1), Browser::start());
    let process = process(&client, &user).await;
    let address = format!("#/process/{}", process.id);
    let mut tabs: Vec<_> = (0..8).map(|_| open(&browser, &node.url(), &address, DESK)).collect();
    for screen in ["health", "followers"] {
        tabs.push(open_operators(&browser, &node, screen, DESK));
    }
    client.schedule(&user.message(process.id, b"one")).await;
    // One of them is in front.
    let seen_next = |tab: &Tab<'_>| tab.call("Page.bringToFront", &serde_json::json!({}));
    for tab in &tabs[..8] {
        seen_next(tab);
        tab.until("document.querySelector('#new')?.innerText === '1 new'");
    }
    for tab in &tabs[8..] {
        let at = tab.text("#age");
        seen_next(tab);
        tab.until(&format!("document.querySelector('#age').innerText !== {}", Value::from(at)));
    }
    let (seen, hidden) = tabs.split_first().unwrap();
    seen_next(seen);
    for tab in hidden {
        tab.eval(HIDE);
    }
    // What was under way when they were hidden has ended once the one that is seen has asked again.
    let twice = |tab: &Tab<'_>| {
        let (before, deadline) = (asked(tab), Instant::now() + PATIENCE);
        while asked(tab) < before + 2 {
            assert!(Instant::now() < deadline, "the tab that is seen does not ask again");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    };
    twice(seen);
    let before: Vec<_> = hidden.iter().map(asked).collect();
    twice(seen);
    twice(seen);
    for (tab, before) in hidden.iter().zip(before) {
        assert_eq!((asked(tab), under_way(tab)), (before, 0), "a hidden tab asks");
    }
    check_page(seen, &node.url());
    node.stop();
}

#[tokio::test]
async fn a_node_that_is_killed_and_comes_again_is_told_and_no_row_is_missing() {
    let (folder, gateway) = (folder(), Gateway::start());
    let launch = Launch::su(folder.path()).gateway(gateway.url()).port(free_port());
    let node = launch.start();
    let (user, browser, url) = (User::new(1), Browser::start(), node.url());
    let process = process(&node.client(), &user).await;
    node.client().schedule(&user.message(process.id, b"one")).await;
    let tab = open(&browser, &url, &format!("#/process/{}", process.id), DESK);
    // In a window of its own: whatever is hidden asks nothing.
    let elsewhere = Browser::start();
    let other = open(&elsewhere, &url, "#/", DESK);
    node.kill();
    tab.until("document.querySelector('#offer').innerText.startsWith('No answer')");
    assert!(tab.text("#offer").contains("What is below was told at"), "{}", tab.text("#offer"));
    assert_eq!(tab.eval("document.querySelectorAll('#schedule table.stale').length"), 1);
    other.eval(&format!("location.hash = '#/find/{}'", process.id));
    other.until("document.querySelector('#content').innerText.startsWith('No answer')");
    assert_eq!(tab.eval("document.querySelectorAll('#schedule tbody tr').length"), 2, "what was shown stays");
    let node = launch.start();
    tab.until("!document.querySelector('#offer').innerText.startsWith('No answer')");
    // Whoever looked for something meanwhile need not look again.
    other.until("document.querySelector('#found tbody')");
    for number in 0..3 {
        node.client().schedule(&user.message(process.id, &[number])).await;
    }
    tab.until("document.querySelector('#new')?.innerText === '3 new'");
    tab.eval("document.querySelector('#new').click()");
    tab.until("document.querySelectorAll('#schedule tbody tr').length === 5");
    let nonces =
        tab.eval("[...document.querySelectorAll('#schedule [data-row]')].map((link) => link.innerText)");
    assert_eq!(nonces, serde_json::json!(["4", "3", "2", "1", "0"]));
    node.stop();
}

/// Has no bytes of an item come, and tells when they are given up.
const NO_ITEMS: &str = "const real = window.fetch; window.fetch = (at, options) => String(at).includes('part=item')
    ? new Promise((_, fail) => options.signal.addEventListener('abort', () => { window.givenUp = true; fail(options.signal.reason); }))
    : real(at, options); true";
/// Counts the timers of a screen of a process, how many of them wait at most at a time, and how many have fired.
const TIMED: &str = "const [set, clear] = [window.setTimeout, window.clearTimeout];
    [window.waiting, window.most, window.fired] = [new Set(), 0, 0];
    window.setTimeout = (act, ms, ...given) => {
        const id = set(() => { if (window.waiting.delete(id)) window.fired += 1; act(...given); }, ms);
        if (ms === 3000) window.most = Math.max(window.most, window.waiting.add(id).size);
        return id;
    };
    window.clearTimeout = (id) => { window.waiting.delete(id); clear(id); }; true";
/// Says that the page is hidden and seen again, several times.
const LOOKED_AWAY: &str =
    "for (let times = 0; times < 6; times += 1) document.dispatchEvent(new Event('visibilitychange')); true";

#[tokio::test]
async fn an_entry_is_shown_before_its_item_has_come_and_what_is_left_is_given_up() {
    let (folder, gateway) = (folder(), Gateway::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let (client, user, browser) = (node.client(), User::new(1), Browser::start());
    let process = process(&client, &user).await;
    let tab = open(&browser, &node.url(), "#/", DESK);
    tab.eval(NO_ITEMS);
    tab.eval(&format!("location.hash = '#/entry/{}/0'", process.id));
    tab.until("document.querySelector('#assignment [data-id]')");
    assert!(tab.text("#item").contains("Asking for its bytes"), "{}", tab.text("#item"));
    assert_eq!(tab.eval("document.querySelector('[data-verify]')"), Value::Null);
    go(&tab, "#/");
    tab.until("window.givenUp");
    // However often it is looked away, one timer waits to ask again.
    tab.eval(TIMED);
    go(&tab, &format!("#/process/{}", process.id));
    tab.eval(LOOKED_AWAY);
    tab.until("window.fired >= 2");
    assert_eq!(tab.eval("window.most"), 1);
    node.stop();
}

#[tokio::test]
async fn a_list_whose_history_is_rewritten_meanwhile_says_so() {
    let (first, second, gateway) = (folder(), folder(), Gateway::start());
    let port = free_port();
    let launch =
        |folder: &tempfile::TempDir| Launch::su(folder.path()).gateway(gateway.url()).port(port).start();
    let node = launch(&first);
    let (user, browser, url) = (User::new(1), Browser::start(), node.url());
    let process = process(&node.client(), &user).await;
    node.client().schedule(&user.message(process.id, b"one")).await;
    let at = format!("#/process/{}", process.id);
    let tab = open(&browser, &url, &at, DESK);
    let found = open(&browser, &url, &format!("#/find/{}", process.id), DESK);
    for (tab, row) in [(&tab, "#schedule [data-row]"), (&found, "#found td.number a")] {
        let link = tab.eval(&format!("document.querySelector('{row}').getAttribute('href')"));
        let link = link.as_str().unwrap();
        assert!(link.contains("assignment=") && link.contains("chain="), "{link}");
    }
    tab.call("Page.bringToFront", &serde_json::json!({}));
    // Something else comes at the same nonce.
    let elsewhere = Launch::su(second.path()).gateway(gateway.url()).start();
    elsewhere.client().schedule(&process).await;
    elsewhere.client().schedule(&user.message(process.id, b"another")).await;
    elsewhere.stop();
    node.kill();
    let node = launch(&second);
    tab.until("document.querySelector('#offer .alarm')?.innerText.startsWith('Nonce 1 is another one now')");
    assert_eq!(tab.eval("document.querySelectorAll('#schedule table.stale').length"), 1);
    let colour = tab.eval("getComputedStyle(document.querySelector('#offer .alarm')).color");
    assert_eq!(colour, "rgb(164, 0, 0)", "it is red");
    // Whoever opens the row that is shown is told so as well.
    tab.eval("document.querySelector('#schedule [data-row]').click()");
    tab.until("document.querySelector('#rewritten')?.innerText.startsWith('This is not what the link saw')");
    check_page(&tab, &node.url());
    // What was only told to be new is gone as well.
    go(&tab, &at);
    node.client().schedule(&user.message(process.id, b"two")).await;
    tab.until("document.querySelector('#new')?.innerText === '1 new'");
    node.kill();
    let node = launch(&first);
    tab.until("document.querySelector('#offer .alarm')?.innerText.startsWith('The newest nonce was 2 and is 1 now')");
    node.stop();
}
