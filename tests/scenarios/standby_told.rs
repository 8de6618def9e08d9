//! What operators are told when nodes that follow one are not what they should be.

use quipu_tests::{Client, Gateway, Ledger, User};

use crate::folder;
use crate::standby::{TOKEN, copy_folder, leader, level, level_or_empty, standby};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_a_standby_and_a_later_term_are_told() {
    const ASKER: &str = "5b8a4a3e-0000-4000-8000-000000000001";
    let (folders, gateway) = ((folder(), folder(), folder()), Gateway::start());
    let node = leader(folders.0.path(), &gateway).start();
    let process = Ledger::default().spawn(&node.client(), &User::new(1), 1).await[0];
    let second = standby(folders.1.path(), &gateway, &node.admin_url());
    let following = second.serve();
    level(&following, &node).await;
    following.stop();
    let copy = folders.2.path().join("copy");
    copy_folder(&second.data(), &copy.join("data"));
    let following = second.serve();
    level_or_empty(&following).await;
    let copied = standby(&copy, &gateway, &node.admin_url()).serve();
    let said = following.said("a node with the same id");
    assert!(said.contains("two copies of one data folder"), "{said}");
    copied.stop();
    // Who is in a later term gets nothing, and the leader says so once.
    let path = format!("/replication/v1/stream?from=0&term=9&digest={process}&node={ASKER}");
    let operator = Client::operator(&node.admin_url(), TOKEN);
    assert_eq!(operator.get(&path).await.refusal(412), "unavailable");
    node.said("another node may lead by now");
    following.stop();
    node.stop();
}
