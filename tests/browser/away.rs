//! Who is away, and who has come back as another run.

use quipu_tests::{Gateway, Launch, User};
use serde_json::Value;

use crate::chromium::Browser;
use crate::explorer::{go, open, process};
use crate::hostile::pages;
use crate::node::{DESK, folder, open as open_operators};
use crate::verified::{CHANGED, lie};

#[tokio::test]
async fn a_page_goes_on_once_a_proxy_reaches_the_node_again() {
    let (folder, gateway, browser) = (folder(), Gateway::start(), Browser::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let process = process(&node.client(), &User::new(1)).await.id;
    let tab = open(&browser, &node.url(), "#/", DESK);
    for status in [502, 503, 504] {
        lie(&tab, "/explore/", &format!("return new Response('<html>', {{ status: {status} }})"));
        for screen in
            [format!("#/find/{process}"), format!("#/process/{process}"), format!("#/entry/{process}/0")]
        {
            lie(&tab, "/explore/", &format!("return new Response('<html>', {{ status: {status} }})"));
            go(&tab, &screen);
            assert!(tab.text("#content").starts_with("No answer: "), "{}", tab.text("#content"));
            lie(&tab, "/explore/", "return answer");
            tab.until("document.querySelector('#found tbody, #schedule tbody, #entry')");
        }
    }
    // Who answers what no scheduler does is there, and is asked by a person.
    lie(
        &tab,
        "/explore/",
        "window.asked = (window.asked ?? 0) + 1; return Response.json({ code: 'gateway_error', error: 'odd' }, { status: 502 })",
    );
    tab.eval(
        "const timeout = window.setTimeout; window.timers = 0;
        window.setTimeout = (act, ms, ...given) => { if (ms === 5000) window.timers += 1; return timeout(act, ms, ...given); }; true",
    );
    go(&tab, &format!("#/find/{process}"));
    assert_eq!(tab.eval("[window.timers, window.asked]"), serde_json::json!([0, 1]));
    node.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_this_machine_go_on_once_the_scheduler_is_back() {
    let (folder, gateway, browser) = (folder(), Gateway::start(), Browser::start());
    let launch = Launch::su(folder.path()).gateway(gateway.url()).port(quipu_tests::free_port());
    let node = launch.start();
    let process = process(&node.client(), &User::new(1)).await.id;
    let (mut shown, url) = pages(folder.path(), &node.url());
    node.stop();
    let tab = open(&browser, &url, &format!("#/find/{process}"), DESK);
    assert!(tab.text("#content").starts_with("No answer: "), "{}", tab.text("#content"));
    let node = launch.start();
    tab.until("document.querySelector('#found tbody')");
    shown.kill();
    node.stop();
}

/// As many minutes as are not asked for again with each look.
const MINUTES: &str = "for (const list of Object.values(told.minutes ?? {}).filter(Array.isArray)) while (list.length > 0 && list.length < 6) list.push(list[0])";

#[tokio::test]
async fn charts_say_how_old_they_are_and_are_of_the_run_that_answers() {
    let (folder, gateway, browser) = (folder(), Gateway::start(), Browser::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let tab = open_operators(&browser, &node, "health", DESK);
    lie(&tab, "/overview", &CHANGED.replace("CHANGE", MINUTES));
    tab.until("document.querySelector('[data-chart=Calls] polyline')?.getAttribute('points').split(' ').length === 6");
    let said = tab.text("[data-chart=Calls] figcaption");
    assert!(
        !said.contains("now")
            && tab.eval("document.querySelectorAll('[data-chart=Calls] time').length").as_u64() >= Some(2),
        "{said}"
    );
    let asked = || {
        let events = tab.events("Network.requestWillBeSent");
        let urls = events.iter().filter_map(|event| event["request"]["url"].as_str().map(str::to_owned));
        urls.filter(|url| url.ends_with("minutes=true")).count()
    };
    let at = tab.text("#age");
    tab.until(&format!("document.querySelector('#age').innerText !== {}", Value::from(at)));
    // After a minute they are asked for anyway: the page's clock hardly goes on.
    tab.eval("(() => { let now = Date.now(); Date.now = () => (now += 1); return true; })()");
    let before = asked();
    // Another run answers.
    lie(
        &tab,
        "/overview",
        &CHANGED.replace("CHANGE", &format!("{MINUTES}; told.status.uptime_seconds = 0.01")),
    );
    let at = tab.text("#age");
    tab.until(&format!("document.querySelector('#age').innerText !== {}", Value::from(at)));
    assert!(asked() > before, "the minutes of the run before are shown");
    node.stop();
}
