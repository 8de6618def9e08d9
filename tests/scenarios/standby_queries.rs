//! A database beside a standby: it answers queries from what it follows.

use quipu_tests::{Gateway, Ledger, Postgres, User};

use crate::folder;
use crate::standby::{assert_whole, leader, standby};
use crate::tables::caught_up;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_with_a_database_answers_queries() {
    let (folders, gateway, postgres) = ((folder(), folder()), Gateway::start(), Postgres::start());
    let (ledger, user) = (Ledger::default(), User::new(230));
    let node = leader(folders.0.path(), &gateway).start();
    let process = ledger.spawn(&node.client(), &user, 1).await[0];
    ledger.send(&node.client(), &user, process, 10).await;
    let second = standby(folders.1.path(), &gateway, &node.admin_url()).unset("ADMIN_TOKEN");
    let second = second.set("DATABASE_URL", postgres.url());
    let mut following = second.serve();
    for round in 0..2 {
        following.said("following http");
        ledger.send(&node.client(), &user, process, 5).await;
        let wanted = node.client().newest(process).await;
        quipu_tests::until("it has all of it", async || {
            (following.client().newest(process).await == wanted).then_some(())
        })
        .await;
        caught_up(&following).await;
        for item in ledger.account(process).acknowledged.keys() {
            let found = following.client().get(&format!("/query/v1/items/{item}")).await;
            assert_eq!(found.status, 200, "{}", found.text());
        }
        if round == 0 {
            following.kill();
            following = second.serve();
        }
    }
    following.stop();
    assert_whole(&second);
}
