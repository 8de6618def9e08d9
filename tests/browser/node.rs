//! The page of a node: what it shows of real nodes, and what it never does.

use quipu_tests::{Gateway, Launch, Node, ToldServer, User};
use serde_json::Value;

use crate::chromium::{Browser, Tab};

/// As narrow as any phone.
pub const PHONE: u32 = 320;
pub const DESK: u32 = 1200;

pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("the folder for temporary files can be written to")
}

/// Opens the page of a node, and waits until it shows what the node told.
pub fn open<'a>(browser: &'a Browser, node: &Node, width: u32) -> Tab<'a> {
    let tab = browser.open(&format!("{}/", node.admin_url()), width);
    tab.until("document.querySelector('#checks table')");
    tab
}

/// Holds what is true of every page: it fits, asks nobody but who listens here, and neither breaks its policy nor itself.
pub fn check_page(tab: &Tab<'_>, url: &str) {
    let wide = tab.eval(
        "[...document.querySelectorAll('body *')].filter((part) => part.getBoundingClientRect().right > innerWidth + 1)
            .map((part) => part.outerHTML.slice(0, 100))",
    );
    assert_eq!(wide, Value::Array(vec![]), "wider than the window");
    assert_eq!(tab.eval("document.documentElement.scrollWidth <= innerWidth"), true, "it scrolls sideways");
    let asked = tab.events("Network.requestWillBeSent");
    assert!(asked.len() > 5, "hardly anything is asked for: {asked:?}");
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
        let tab = open(&browser, &leader, width);
        tab.until("document.querySelectorAll('#standbys tbody tr').length === 1");
        tab.until("document.querySelector('#standbys tbody').innerText.includes('0 events')");
        let node = tab.text("#node");
        for shown in ["leader", "are taken", "Term", "Store", "Block height"] {
            assert!(node.contains(shown), "{shown} is not shown: {node}");
        }
        let projections = tab.text("#projections");
        for shown in ["index", "uploads", "following", "Not in use\npostgres"] {
            assert!(projections.contains(shown), "{shown} is not shown: {projections}");
        }
        check_page(&tab, &leader.admin_url());
        let tab = open(&browser, &standby, width);
        tab.until("document.querySelector('#leader').innerText.includes('following for')");
        assert!(tab.text("#node").contains("standby"), "{}", tab.text("#node"));
        check_page(&tab, &standby.admin_url());
    }
    standby.stop();
    leader.stop();
}

#[tokio::test]
async fn what_fails_comes_first_and_in_words() {
    let (folder, list) = (folder(), ToldServer::start());
    // What a list holds is somebody else's.
    list.answer(200, &[], r#"["<img src=x onerror=document.title='taken'>"]"#);
    let node = Launch::su(folder.path()).set("IP_WHITELIST_URL", list.url()).serve();
    let browser = Browser::start();
    let tab = open(&browser, &node, PHONE);
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
    let before = tab.text("#checks");
    node.stop();
    tab.until("document.querySelector('#verdict').innerText.startsWith('No answer')");
    assert!(tab.text("#age").starts_with("What is below was told at"), "{}", tab.text("#age"));
    assert_eq!(tab.eval("document.querySelector('#content').classList.contains('stale')"), true);
    assert_eq!(tab.text("#checks").lines().count(), before.lines().count(), "what was told before is gone");
}

#[tokio::test]
async fn a_node_with_a_token_is_shown_to_whoever_has_it() {
    let folder = folder();
    let node = Launch::su(folder.path()).set("ADMIN_TOKEN", "guess me not").serve();
    let browser = Browser::start();
    let tab = browser.open(&format!("{}/", node.admin_url()), PHONE);
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
