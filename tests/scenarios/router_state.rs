//! What a router knows is in its folder or in one database, and is never begun anew without a word; and its own disk may hang.

use quipu_tests::{Finished, Gateway, Launch, Postgres, User, until};

use crate::failing_fsync::compile_shim;
use crate::folder;
use crate::router::{home, node};

fn refused(finished: &Finished, words: &str) {
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    assert!(finished.stderr.contains(words), "{}", finished.stderr);
}

#[tokio::test]
async fn what_is_known_is_begun_anew_in_no_other_place() {
    let (folders, gateway, postgres) = ([folder(), folder()], Gateway::start(), Postgres::start());
    let (_kept, node) = node(&gateway);
    let [own, shared] = [&folders[0], &folders[1]].map(|kept| Launch::router(kept.path(), &[&node.url()]));
    let with = |launch: &Launch, url: String| launch.clone().set("DATABASE_URL", url);
    let process = User::new(1).process();
    let router = own.serve();
    router.client().schedule(&process).await;
    router.stop();
    refused(&with(&own, postgres.url()).run(), "unset DATABASE_URL");
    let router = own.serve();
    assert_eq!(home(&router, process.id).await, node.url());
    router.stop();

    with(&shared, postgres.url()).serve().stop();
    refused(&shared.run(), "DATABASE_URL is not set");
    refused(&with(&shared, postgres.create_database("elsewhere")).run(), "no router has kept anything");
    with(&shared, postgres.url()).serve().stop();
}

#[tokio::test]
async fn a_disk_that_hangs_is_told_and_keeps_nobody_waiting() {
    let (kept, gateway, user) = (folder(), Gateway::start(), User::new(1));
    let (_kept, node) = node(&gateway);
    let hangs = kept.path().join("hangs");
    let launch = Launch::router(kept.path(), &[&node.url()]);
    let launch = launch.set("LD_PRELOAD", compile_shim(kept.path())).set("HANG_SYNC_WHILE", &hangs);
    let router = launch.serve();
    let (client, process, new) = (router.client(), user.process(), user.process());
    client.schedule(&process).await;
    std::fs::write(&hangs, "").unwrap();
    assert_eq!(client.post(new.bytes.clone()).await.refusal(503), "unavailable");
    until("it says so", async || {
        let health = client.get("/health").await;
        (health.status == 503 && health.text().contains("the disk of the router")).then_some(())
    })
    .await;
    let checks = router.admin().get("/checks").await;
    assert!(checks.status == 503 && checks.text().contains("a write has not ended"), "{}", checks.text());
    // What is known goes on.
    client.schedule(&user.message(process.id, b"meanwhile")).await;
    std::fs::remove_file(&hangs).unwrap();
    until("it is placed", async || (client.post(new.bytes.clone()).await.status == 200).then_some(())).await;
    until("all is well again", async || (client.get("/health").await.status == 200).then_some(())).await;
    router.stop();
}
