//! The same thing sent more than once.

use bytes::Bytes;
use quipu_tests::{Answer, Client, Gateway, Launch, Ledger, Scheduled, User};
use tokio::task::JoinSet;

use crate::folder;

const AT_ONCE: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spawn_sent_again_gets_the_same_answer_and_no_nonce() {
    let (folder, gateway) = (folder(), Gateway::start());
    let launch = Launch::su(folder.path()).gateway(gateway.url());
    let node = launch.start();
    let client = node.client();
    for _ in 0..3 {
        let process = User::new(1).process();
        let answers = post_at_once(&client, &process.bytes).await;
        let answers: Vec<Scheduled> = answers.iter().map(Answer::json).collect();
        assert_eq!(answers[0].id, process.id.to_string());
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        assert_eq!(client.schedule(&process).await, answers[0]);
        assert_eq!(client.newest(process.id).await, 0);
    }
    // Also when it knows of it from disk only.
    let process = User::new(1).process();
    let first = client.schedule(&process).await;
    client.schedule(&User::new(1).message(process.id, b"in between")).await;
    node.stop();
    let client = launch.start();
    let client = client.client();
    assert_eq!(client.schedule(&process).await, first);
    assert_eq!(client.newest(process.id).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_scheduled_once_however_often_it_comes() {
    let (folder, gateway) = (folder(), Gateway::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let (client, ledger, user) = (node.client(), Ledger::default(), User::new(1));
    let process = ledger.spawn(&client, &user, 1).await[0];
    for nonce in 1..=5 {
        let message = user.message(process, b"again and again");
        ledger.post(process, &message);
        let answers = post_at_once(&client, &message.bytes).await;
        let (taken, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
        assert_eq!(taken.len(), 1, "{answers:?}");
        assert!(refused.iter().all(|answer| answer.refusal(409) == "duplicate_message"));
        let scheduled: Scheduled = taken[0].json();
        ledger.acknowledge(process, message.id, scheduled.timestamp);
        assert_eq!(client.newest(process).await, nonce);
    }
    ledger.check(&client, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pushed_messages_are_told_apart_by_content() {
    let (folder, gateway) = (folder(), Gateway::start());
    let launch = Launch::su(folder.path()).gateway(gateway.url());
    let user = User::new(1);
    for (checks, expected) in [("true", 409), ("false", 200)] {
        let node = launch.clone().set("ENABLE_DEEP_HASH_CHECKS", checks).start();
        let client = node.client();
        let process = user.process();
        client.schedule(&process).await;
        client.schedule(&user.pushed(process.id, b"content", "first")).await;
        let again = client.post(user.pushed(process.id, b"content", "second").bytes).await;
        assert_eq!(again.status, expected, "{checks}: {}", again.text());
        client.schedule(&user.pushed(process.id, b"other content", "first")).await;
        node.stop();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_to_a_process_that_is_just_being_spawned_find_it_or_not() {
    let (folder, gateway) = (folder(), Gateway::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let (client, ledger, user) = (node.client(), Ledger::default(), User::new(1));
    for _ in 0..5 {
        let process = user.process();
        ledger.post(process.id, &process);
        let message = user.message(process.id, b"early");
        ledger.post(process.id, &message);
        let (spawned, sent) =
            tokio::join!(client.post(process.bytes.clone()), client.post(message.bytes.clone()));
        let spawned: Scheduled = spawned.json();
        ledger.acknowledge(process.id, process.id, spawned.timestamp);
        if sent.status == 200 {
            ledger.acknowledge(process.id, message.id, sent.json::<Scheduled>().timestamp);
        } else {
            assert_eq!(sent.refusal(400), "unknown_process");
        }
    }
    ledger.check(&client, 1).await;
}

/// Posts the same bytes many times at once.
async fn post_at_once(client: &Client, bytes: &Bytes) -> Vec<Answer> {
    let mut posts = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (client, bytes) = (client.clone(), bytes.clone());
        posts.spawn(async move { client.post(bytes).await });
    }
    posts.join_all().await
}
