//! What nodes that follow one are told, and operators when these are not what they should be.

use std::time::Instant;

use log::LogDigest;
use quipu_tests::{Client, Gateway, Ledger, User};

use crate::standby::{TOKEN, leader, level, level_or_empty, standby};
use crate::{copy_folder, folder};

const ASKER: &str = "5b8a4a3e-0000-4000-8000-000000000001";

/// How many frames with events, and how many events, these bytes of a stream have.
fn counted(mut bytes: &[u8]) -> (u32, u32) {
    const HEAD: usize = 9;
    const EVENTS: u8 = 2;
    const COUNT: usize = HEAD + 8 + 16 + 8 + 32 + 8;
    let (mut frames, mut events) = (0, 0);
    let number = |bytes: &[u8], at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    while bytes.len() >= HEAD && bytes.len() >= HEAD + number(bytes, 0) as usize {
        if bytes[4] == EVENTS {
            (frames, events) = (frames + 1, events + number(bytes, COUNT));
        }
        bytes = &bytes[HEAD + number(bytes, 0) as usize..];
    }
    (frames, events)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_is_gathered_for_those_whom_nobody_waits_for() {
    const MESSAGES: u32 = 100;
    let (folder, gateway) = (folder(), Gateway::start());
    let node = leader(folder.path(), &gateway).start();
    let (user, client) = (User::new(1), node.client());
    let process = Ledger::default().spawn(&client, &user, 1).await[0];
    let (url, digest) = (node.admin_url(), LogDigest::EMPTY);
    let url = format!("{url}/replication/v1/stream?from=0&term=0&digest={digest}&node={ASKER}");
    let began = Instant::now();
    let asked = reqwest::Client::new().get(url).bearer_auth(TOKEN).send().await;
    let mut stream = asked.unwrap().error_for_status().unwrap();
    for number in 0..MESSAGES {
        client.schedule(&user.message(process, format!("message {number}").as_bytes())).await;
    }
    let mut came = Vec::new();
    // The wallet and the process are there as well.
    while counted(&came).1 < MESSAGES + 2 {
        came.extend_from_slice(&stream.chunk().await.unwrap().expect("the stream goes on"));
    }
    let most = 2 + began.elapsed().as_millis() / 25;
    let (frames, events) = counted(&came);
    assert!(u128::from(frames) <= most, "{frames} frames for {events} events, and {most} are enough");
    node.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_a_standby_and_a_later_term_are_told() {
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
