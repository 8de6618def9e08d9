//! The page of a router: the fleet as real nodes make it up.

use ans104::KeyType;
use quipu_tests::{Gateway, Launch, User};

use crate::chromium::Browser;
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
        let schedulers = tab.text("#schedulers");
        for shown in [leader.url(), standby.url(), "leader".into(), "takes messages".into(), "is read".into()]
        {
            assert!(schedulers.contains(&shown), "{shown} is not shown: {schedulers}");
        }
        let logs = tab.text("#logs");
        for shown in [leader.url(), "nothing".into()] {
            assert!(logs.contains(&shown), "{shown} is not shown: {logs}");
        }
        assert_eq!(tab.eval("document.querySelectorAll('#logs tbody tr').length"), 1, "{logs}");
        check_page(&tab, &router.admin_url());
        let tab = open(&browser, &router, "health", width);
        assert!(tab.text("#router").contains("are placed"), "{}", tab.text("#router"));
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
