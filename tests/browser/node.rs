//! The page of a node: what it shows of real nodes, and what it never does.

use std::collections::BTreeSet;

use quipu_tests::{Gateway, Launch, Node, ToldServer, User};
use serde_json::Value;

use crate::chromium::{Browser, Tab};
use crate::explorer;
use crate::verified::{CHANGED, lie};

/// As narrow as any phone.
pub const PHONE: u32 = 320;
pub const DESK: u32 = 1200;

pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("the folder for temporary files can be written to")
}

/// Opens a screen of a node or router, and waits until it shows what was told.
pub fn open<'a>(browser: &'a Browser, node: &Node, screen: &str, width: u32) -> Tab<'a> {
    let tab = browser.open(&format!("{}/ui/#/{screen}", node.admin_url()), width);
    shown(&tab, screen);
    tab
}

/// Waits until a screen is shown.
pub fn shown(tab: &Tab<'_>, screen: &str) {
    // Long tables come piece by piece.
    tab.until(&format!(
        "document.querySelector('#content')?.dataset.screen === '{screen}' && !document.querySelector('#content table[aria-busy]')"
    ));
}

/// Holds what is true of every page: it fits, asks nobody but who listens here, and neither breaks its policy nor itself.
pub fn check_page(tab: &Tab<'_>, url: &str) {
    let wide = tab.eval(
        "[...document.querySelectorAll('body *')].filter((part) => part.getBoundingClientRect().right > innerWidth + 1)
            .map((part) => part.outerHTML.slice(0, 100))",
    );
    assert_eq!(wide, Value::Array(vec![]), "wider than the window");
    assert_eq!(tab.eval("document.documentElement.scrollWidth <= innerWidth"), true, "it scrolls sideways");
    // As large as a finger, on a phone.
    let small = tab.eval(
        "innerWidth >= 600 ? [] : [...document.querySelectorAll('a[href], button, input, summary')]
            .filter((one) => one.checkVisibility() && !one.matches('.skip'))
            .map((one) => [one, one.getBoundingClientRect()])
            .filter(([, { width, height }]) => width < 43.5 || height < 43.5)
            .map(([one, { width, height }]) => `${width} × ${height}: ${one.outerHTML.slice(0, 200)}`)",
    );
    assert_eq!(small, Value::Array(vec![]), "too small to be pressed");
    let asked = tab.events("Network.requestWillBeSent");
    assert!(asked.len() > 3, "hardly anything is asked for: {asked:?}");
    for asked in asked {
        let asked_for = asked["request"]["url"].as_str().unwrap().to_owned();
        assert!(asked_for.starts_with(&format!("{url}/")), "{asked_for} is asked for");
    }
    // A call that answers 503 is an error of the network to a browser, and no fault of the page.
    let told = tab.events("Log.entryAdded").into_iter().map(|event| event["entry"].clone());
    let faults: Vec<_> = told.filter(|entry| entry["source"] != "network").collect();
    assert!(faults.is_empty(), "{faults:?}");
    assert!(tab.events("Runtime.exceptionThrown").is_empty(), "{:?}", tab.events("Runtime.exceptionThrown"));
    let unlabelled = "document.querySelectorAll('input:not([id]), th:not([scope]), section:not([aria-labelledby])').length";
    assert_eq!(tab.eval(unlabelled), 0);
    assert_eq!(tab.eval("document.querySelectorAll('h1').length"), 1);
}

#[tokio::test]
async fn a_leader_and_its_standby_show_what_they_are() {
    let (leads, stands, gateway) = (folder(), folder(), Gateway::start());
    let leader = Launch::su(leads.path()).gateway(gateway.url()).start();
    let user = User::new(1);
    let process = user.process();
    leader.client().schedule(&process).await;
    leader.client().schedule(&user.message(process.id, b"one")).await;
    let standby = Launch::standby(stands.path(), &leader.admin_url())
        .set("REPLICATE_TOKEN_FILE", leads.path().join("data/admin-token"))
        .serve();
    let browser = Browser::start();
    for width in [PHONE, DESK] {
        let tab = open(&browser, &leader, "followers", width);
        tab.until("document.querySelectorAll('#standbys tbody tr').length === 1");
        tab.until("document.querySelector('#standbys tbody').innerText.includes('0 events')");
        let projections = tab.text("#projections");
        for shown in ["index", "uploads", "following", "Not in use\npostgres"] {
            assert!(projections.contains(shown), "{shown} is not shown: {projections}");
        }
        check_page(&tab, &leader.admin_url());
        let tab = open(&browser, &leader, "health", width);
        for shown in ["leader", "are taken", "Term", "Store", "Block height"] {
            tab.until(&format!("document.querySelector('#node').innerText.includes('{shown}')"));
        }
        check_page(&tab, &leader.admin_url());
        let tab = open(&browser, &standby, "followers", width);
        tab.until("document.querySelector('#leader').innerText.includes('following for')");
        check_page(&tab, &standby.admin_url());
        let tab = open(&browser, &standby, "health", width);
        assert!(tab.text("#node").contains("standby"), "{}", tab.text("#node"));
        check_page(&tab, &standby.admin_url());
    }
    standby.stop();
    leader.stop();
}

#[tokio::test]
async fn the_listener_for_operators_has_the_explorer_too() {
    let (folder, gateway) = (folder(), Gateway::start());
    let token = "guess me not";
    let node =
        Launch::su(folder.path()).gateway(gateway.url()).set("UI", "admin").set("ADMIN_TOKEN", token).start();
    let (user, browser) = (User::new(1), Browser::start());
    let process = explorer::process(&node.client(), &user).await.id;
    node.client().schedule(&user.message(process, b"one")).await;
    let tab = browser.open(&format!("{}/ui/", node.admin_url()), PHONE);
    tab.until("document.querySelector('#token form')");
    // One way to the node is enough for all of its pages.
    tab.eval(
        "[...document.querySelectorAll('#screens a')].find((link) => link.innerText === 'Schedules').click()",
    );
    tab.until("location.pathname.endsWith('/public/ui/') && document.querySelector('#token-field')");
    tab.eval(&format!("document.querySelector('#token-field').value = '{token}'"));
    tab.eval("document.querySelector('main form').requestSubmit()");
    tab.until("document.querySelector('#here')?.innerText.includes('Address')");
    explorer::go(&tab, &format!("#/process/{process}"));
    assert_eq!(tab.eval("document.querySelectorAll('#schedule tbody tr').length"), 2);
    explorer::go(&tab, &format!("#/entry/{process}/1"));
    tab.eval("document.querySelector('[data-verify]').click()");
    assert!(explorer::lines(&tab).iter().all(|line| line.contains("yes")), "{:?}", explorer::lines(&tab));
    // What is saved is what was verified: no link has the token.
    let saved = tab.eval("fetch(document.querySelector('#item a[download]').href).then((bytes) => bytes.status, () => 'apart')");
    assert_eq!(saved, "apart", "the policy lets a page ask its listener alone");
    assert_eq!(tab.eval("document.querySelector('#item a[download]').protocol"), "blob:");
    assert_eq!(node.client().get("/ui/").await.status, 400, "it is not public");
    node.stop();
}

#[tokio::test]
async fn what_fails_comes_first_and_in_words() {
    let (folder, list) = (folder(), ToldServer::start());
    // What a list holds is somebody else's.
    list.answer(200, &[], r#"["<img src=x onerror=document.title='taken'>"]"#);
    let node = Launch::su(folder.path()).set("IP_WHITELIST_URL", list.url()).serve();
    let browser = Browser::start();
    let tab = open(&browser, &node, "health", PHONE);
    tab.until("document.querySelector('#checks').innerText.includes('onerror')");
    assert!(tab.text("#verdict").starts_with("Act: "), "{}", tab.text("#verdict"));
    let words =
        tab.eval("[...document.querySelectorAll('#checks .level')].map((level) => level.textContent)");
    let words: Vec<&str> = words.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    let places: Vec<_> = words
        .iter()
        .map(|word| ["✕ fail", "! warn", "✓ ok"].iter().position(|known| known == word))
        .collect();
    assert!(places.is_sorted() && places[0] == Some(0) && places.last() == Some(&Some(2)), "{words:?}");
    assert_eq!(tab.eval("document.querySelectorAll('img').length"), 0);
    assert_ne!(tab.eval("document.title"), "taken");
    check_page(&tab, &node.admin_url());

    // Without colours, and without a node.
    let features = serde_json::json!({ "features": [{ "name": "forced-colors", "value": "active" }] });
    tab.call("Emulation.setEmulatedMedia", &features);
    assert!(tab.text("#checks").contains("fail"));
    // A reason may have numbers that are others with each look.
    let checks = "[...document.querySelectorAll('#checks tbody tr')].map((row) => row.cells[1].innerText)";
    let before = tab.eval(checks);
    node.stop();
    tab.until("document.querySelector('#verdict').innerText.startsWith('No answer')");
    assert!(tab.text("#age").starts_with("What is below was told at"), "{}", tab.text("#age"));
    assert_eq!(tab.eval("document.querySelector('#content').classList.contains('stale')"), true);
    let still = tab.eval(checks);
    let named = |told: &Value| {
        let names = told.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned());
        names.collect::<BTreeSet<_>>()
    };
    assert!(named(&before).len() > 1, "{before}");
    assert!(named(&still).is_superset(&named(&before)), "what was told before is gone: {before} {still}");
}

#[tokio::test]
async fn a_node_with_a_token_is_shown_to_whoever_has_it() {
    let folder = folder();
    let node = Launch::su(folder.path()).set("ADMIN_TOKEN", "guess me not").serve();
    let browser = Browser::start();
    let tab = browser.open(&format!("{}/ui/", node.admin_url()), PHONE);
    tab.until("document.querySelector('#token form')");
    let give = |token: &str| {
        tab.eval(&format!("document.querySelector('#token-field').value = '{token}'"));
        tab.eval("document.querySelector('#token form').requestSubmit()");
    };
    give("another");
    tab.until("document.querySelector('#token form') && document.querySelector('#token-field').value === ''");
    assert_eq!(tab.eval("document.querySelector('#checks')"), Value::Null);
    give("guess me not");
    tab.until("document.querySelector('#checks table') && !document.querySelector('#token form')");
    check_page(&tab, &node.admin_url());
    let kept = tab
        .eval("document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage) + location");
    assert!(!kept.as_str().unwrap().contains("guess"), "{kept}");
}

#[tokio::test]
async fn health_shows_how_fast_it_is_and_history_what_happened() {
    let (folder, gateway) = (folder(), Gateway::start());
    let launch = || Launch::su(folder.path()).gateway(gateway.url());
    let node = launch().start();
    let (user, browser) = (User::new(1), Browser::start());
    let process = user.process();
    node.client().schedule(&process).await;
    // What is killed before it has noted its start was never there.
    quipu_tests::until("it has noted its start", async || {
        folder.path().join("data/history.json").exists().then_some(())
    })
    .await;
    node.kill();
    let node = launch().start();
    node.client().schedule(&user.message(process.id, b"one")).await;
    for width in [PHONE, DESK] {
        let tab = open(&browser, &node, "health", width);
        tab.until(
            "document.querySelector('#now dl') && document.querySelector('[data-chart=Scheduled] polyline')",
        );
        let now = tab.text("#now");
        assert!(now.contains("Synced writes") && now.contains("a second"), "{now}");
        // What a chart draws is there as a table, too, and stays open.
        tab.eval("document.querySelector('[data-chart=Scheduled] summary').click()");
        tab.until("document.querySelector('[data-chart=Scheduled] tbody tr')");
        tab.eval("document.activeElement.blur()");
        let at = tab.text("#age");
        tab.until(&format!("document.querySelector('#age').innerText !== {}", Value::from(at)));
        tab.until("document.querySelector('[data-chart=Scheduled] tbody tr')");
        check_page(&tab, &node.admin_url());
        tab.eval("location.hash = '#/history'");
        shown(&tab, "history");
        let history = tab.text("#history");
        let told =
            ["Node started", "the run before did not end in order", "leader in term", "Recorded in the log"];
        assert!(told.iter().all(|told| history.contains(told)), "{history}");
        check_page(&tab, &node.admin_url());
    }
    node.stop();
    let node = launch().start();
    let tab = open(&browser, &node, "history", DESK);
    assert!(tab.text("#history").contains("Node ended"), "{}", tab.text("#history"));
    node.stop();
}

#[tokio::test]
async fn what_an_operator_does_takes_two_presses_and_the_token() {
    let (folder, gateway) = (folder(), Gateway::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let browser = Browser::start();
    let tab = open(&browser, &node, "followers", DESK);
    let press = "[...document.querySelectorAll('#projections button')].find((one) => one.innerText.startsWith('Replay index')).click()";
    let button = "[...document.querySelectorAll('#projections button')].find((one) => one.innerText.startsWith('Replay index'))";
    tab.eval(&format!("{button}.focus()"));
    tab.eval(press);
    assert_eq!(tab.eval(&format!("{button}.innerText")), "Replay index: sure?");
    let jobs: Value = node.admin().get("/jobs").await.json();
    assert_eq!(jobs, serde_json::json!([]), "one press changes nothing");
    tab.eval(press);
    tab.until("document.querySelector('#token form')");
    tab.eval(&format!("document.querySelector('#token-field').value = '{}'", node.token()));
    tab.eval("document.querySelector('#token form').requestSubmit()");
    tab.until("!document.querySelector('#token form')");
    tab.eval(&format!("{button}.focus()"));
    tab.eval(press);
    tab.eval(press);
    tab.until("document.querySelector('#said').innerText.includes('has begun')");
    tab.eval("document.activeElement.blur()");
    tab.until("document.querySelector('#jobs tbody')?.innerText.includes('index')");
    check_page(&tab, &node.admin_url());
    node.stop();
}

#[tokio::test]
async fn what_cannot_be_shown_is_told_and_asked_for_again() {
    let (folder, gateway) = (folder(), Gateway::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let browser = Browser::start();
    let tab = open(&browser, &node, "followers", DESK);
    for (path, change, reason) in [
        ("/status", "told.followers = undefined", "No answer: this page has a fault"),
        ("/checks", "delete told.checks", "No answer: it tells no checks"),
    ] {
        lie(&tab, path, &CHANGED.replace("CHANGE", change));
        tab.until(&format!("document.querySelector('#verdict').innerText.startsWith('{reason}')"));
        assert!(tab.text("#age").starts_with("What is below was told at"), "{}", tab.text("#age"));
        assert_eq!(tab.eval("document.querySelector('#content').classList.contains('stale')"), true);
        lie(&tab, path, "return answer");
        tab.until("!document.querySelector('#verdict').innerText.startsWith('No answer')");
    }
    // What sends and looks for long is waited for.
    tab.eval(
        "window.waited = []; const timeout = AbortSignal.timeout.bind(AbortSignal);
        AbortSignal.timeout = (ms) => { window.waited.push(ms); return timeout(ms); }; true",
    );
    tab.eval(
        "const show = [...document.querySelectorAll('#uploads button')].find((one) => one.innerText.startsWith('Show what'));
        show.focus(); show.click(); true",
    );
    tab.until("window.waited.includes(30000)");
    node.stop();
}
