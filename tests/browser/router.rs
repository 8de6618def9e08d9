//! The page of a router: the fleet as real nodes make it up.

use ans104::KeyType;
use quipu_tests::{Gateway, Launch, User};

use crate::chromium::Browser;
use crate::explorer::{open as open_explorer, process};
use crate::hostile::pages;
use crate::node::{DESK, PHONE, check_page, folder, open};

#[tokio::test]
async fn a_fleet_is_shown_with_who_leads_and_what_is_wrong() {
    let (folders, gateway) = ([folder(), folder(), folder()], Gateway::start());
    let router = Launch::router(folders[0].path(), &[]).unset("SCHEDULER_LIST_PATH").serve();
    let leader = Launch::su(folders[1].path())
        .wallet(KeyType::Ed25519)
        .gateway(gateway.url())
        .port(quipu_tests::free_port())
        .registered_at(&router)
        .start();
    quipu_tests::until("it has registered itself", async || {
        (router.client().get("/health").await.status == 200).then_some(())
    })
    .await;
    router.client().schedule(&User::new(1).process()).await;
    let standby = Launch::standby(folders[2].path(), &leader.admin_url())
        .set("REPLICATE_TOKEN", leader.token())
        .port(quipu_tests::free_port())
        .registered_at(&router)
        .serve();
    let browser = Browser::start();
    for width in [PHONE, DESK] {
        let tab = open(&browser, &router, "fleet", width);
        tab.until("document.querySelectorAll('#schedulers tbody tr').length === 2");
        tab.until(
            "document.querySelector('#schedulers tbody tr:nth-child(2)').innerText.includes('is read')",
        );
        for shown in [leader.url(), standby.url(), "leader".into(), "takes messages".into(), "is read".into()]
        {
            tab.until(&format!("document.querySelector('#schedulers').innerText.includes('{shown}')"));
        }
        for shown in [leader.url(), "nothing".into()] {
            tab.until(&format!("document.querySelector('#logs').innerText.includes('{shown}')"));
        }
        tab.until("document.querySelectorAll('#logs tbody tr').length === 1");
        // Whoever is only read is well, and has no trouble.
        let troubles = "[...document.querySelectorAll('#schedulers td[data-of=Trouble]')].every((one) => one.innerText === 'none')";
        tab.until(troubles);
        check_page(&tab, &router.admin_url());
        let tab = open(&browser, &router, "health", width);
        tab.until("document.querySelector('#router').innerText.includes('are placed')");
        check_page(&tab, &router.admin_url());
    }
    let tab = open(&browser, &router, "fleet", PHONE);
    leader.kill();
    tab.until("document.querySelector('#verdict').innerText.startsWith('Act: ')");
    tab.until("document.querySelector('#schedulers').innerText.includes('✕ fail')");
    tab.until("document.querySelector('#logs').innerText.includes('quipu promote')");
    check_page(&tab, &router.admin_url());
    standby.stop();
    router.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_looks_for_schedules_at_a_router_is_told_where_they_are() {
    let (folders, gateway, browser) = ([folder(), folder(), folder()], Gateway::start(), Browser::start());
    let node = Launch::su(folders[0].path()).gateway(gateway.url()).start();
    let launch = Launch::router(folders[1].path(), &[node.url().as_str()]);
    let router = launch.serve();
    quipu_tests::until("it routes", async || {
        (router.client().get("/health").await.status == 200).then_some(())
    })
    .await;
    let user = User::new(1);
    let process = process(&router.client(), &user).await.id;
    router.client().schedule(&user.message(process, b"one")).await;
    for width in [PHONE, DESK] {
        let tab = browser.open(&format!("{}/ui/", router.url()), width);
        tab.until("document.querySelector('main')");
        let said = tab.text("main");
        for told in ["quipu ui --url ROUTER", "/ui/ of its URL", "a single door"] {
            assert!(said.contains(told), "{said}");
        }
        assert_eq!(
            tab.eval("document.documentElement.scrollWidth <= innerWidth"),
            true,
            "it scrolls sideways"
        );
        assert!(tab.events("Log.entryAdded").is_empty(), "{:?}", tab.events("Log.entryAdded"));
    }
    // What it says is so: where it leads has the pages, and so has this machine in front of it.
    let unfollowed = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let led = unfollowed.get(format!("{}/{process}/latest", router.url())).send().await.unwrap();
    let led = led.headers()["location"].to_str().unwrap().to_owned();
    assert!(led.starts_with(&node.url()), "{led}");
    assert_eq!(node.client().get("/ui/").await.status, 200);
    let (mut shown, url) = pages(folders[2].path(), &router.url());
    let tab = open_explorer(&browser, &url, &format!("#/process/{process}"), DESK);
    assert_eq!(
        tab.eval("document.querySelectorAll('#schedule tbody tr').length"),
        2,
        "{}",
        tab.text("#content")
    );
    tab.eval("document.querySelector('[data-verify]').click()");
    tab.until("document.querySelector('#chain-said').innerText.startsWith('yes 2 assignments')");
    shown.kill();
    router.stop();
    // Where there are to be no pages there is none.
    let router = launch.set("UI", "admin").serve();
    assert_ne!(router.client().get("/ui/").await.status, 200);
    router.stop();
    node.stop();
}
