//! `quipu reupload`: what has not arrived is found and sent, from the node's own bytes and in order.

use std::collections::HashSet;

use ans104::Id;
use quipu_tests::{Act, Gateway, Launch, Ledger, UploadNode, User, until};
use serde_json::Value;

use crate::folder;
use crate::upload_faults::{ids_of, launch, operate, settled};

fn ids(uploads: &UploadNode, from: usize) -> Vec<Id> {
    uploads.taken().iter().skip(from).map(|taken| taken.id).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_never_arrived_is_found_and_sent() {
    let (folder, gateway, uploads) = (folder(), Gateway::start(), UploadNode::start().await);
    let (ledger, user) = (Ledger::default(), User::new(1));
    let node = launch(&folder, &gateway, &uploads).start();
    let processes = ledger.spawn(&node.client(), &user, 2).await;
    // JSON cannot show these bytes.
    let binary = user.message(processes[0], &[0xff, 0x00, 0xfe]);
    ledger.schedule(&node.client(), processes[0], &binary).await;
    // More than one step looks at.
    ledger.send(&node.client(), &user, processes[0], 120).await;
    ledger.send(&node.client(), &user, processes[1], 3).await;
    settled(&node).await;
    let (first, second) =
        (ids_of(&node.client(), processes[0]).await, ids_of(&node.client(), processes[1]).await);
    // The process, the item that is no text, an assignment, both of the 110th message, and one of another process.
    let lost = [first[0], first[2], first[7], first[220], first[221], second[4]];
    uploads.lose(&lost);
    let before = uploads.taken().len();
    let both = format!("{},{}", processes[0], processes[1]);

    let dry = operate(&folder, &node, &["reupload", "--process", &both, "--since", "0", "--dry-run"]);
    assert_eq!(dry.code, Some(0), "{}", dry.stderr);
    assert!(lost.iter().all(|id| dry.stdout.contains(&id.to_string())), "{}", dry.stdout);
    assert!(dry.stdout.contains(": 122 events, 239 arrived, 5 missing"), "{}", dry.stdout);
    assert_eq!(uploads.uploads(), before, "a dry run sent something");

    let part = operate(&folder, &node, &["reupload", "--process", &both, "--since", "110"]);
    assert!(part.stdout.contains(": 12 events, 22 arrived, 2 sent, 0 refused"), "{}", part.stdout);
    assert_eq!(ids(&uploads, before), lost[3..5]);

    let rest = operate(&folder, &node, &["reupload", "--process", &both, "--since", "1h", "--json"]);
    assert_eq!(rest.code, Some(0), "{}", rest.stderr);
    let lines: Vec<Value> = rest.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[0]["outcome"], &lines[0]["nonce"]), (6, &"sent".into(), &0.into()));
    assert_eq!((&lines[3]["sent"], &lines[3]["process"]), (&3.into(), &processes[0].to_string().into()));
    assert_eq!((&lines[5]["sent"], &lines[5]["error"]), (&1.into(), &Value::Null));
    let sent = uploads.taken().split_off(before + 2);
    assert_eq!(sent.iter().map(|taken| taken.id).collect::<Vec<_>>(), [lost[0], lost[1], lost[2], lost[5]]);
    assert_eq!(sent[1].bytes, binary.bytes);

    let again = operate(&folder, &node, &["reupload", "--process", &both, "--since", "2001-09-10"]);
    assert!(again.stdout.contains(": 122 events, 244 arrived, 0 sent, 0 refused"), "{}", again.stdout);
    assert_eq!(uploads.taken().len(), before + lost.len());
    // In the words of the existing scheduler's tool.
    uploads.lose(&lost[5..]);
    let old = operate(&folder, &node, &["reupload_bundles", &both, "1000000000000", "10"]);
    assert!(old.stdout.contains(": 4 events, 7 arrived, 1 sent, 0 refused"), "{}", old.stdout);
    node.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_sent_is_tried_again_and_told() {
    let (folder, gateway, uploads) = (folder(), Gateway::start(), UploadNode::start().await);
    let (ledger, user) = (Ledger::default(), User::new(1));
    let node = launch(&folder, &gateway, &uploads).start();
    let process = ledger.spawn(&node.client(), &user, 1).await[0];
    ledger.send(&node.client(), &user, process, 10).await;
    settled(&node).await;
    let all = ids_of(&node.client(), process).await;
    uploads.lose(&all[4..8]);
    let words = ["reupload", "--process", &process.to_string(), "--since", "0"];

    // It fails for a while, and then takes what comes.
    uploads.decide(|_| Act::Answer(503));
    let before = uploads.uploads();
    let admin = node.admin_url();
    let program = Launch::command(folder.path(), &[&words[..], &["--admin", &admin]].concat()).program();
    until("it is tried again", async || (uploads.uploads() > before + 1).then_some(())).await;
    let before = uploads.taken().len();
    uploads.decide(|_| Act::Take);
    let finished = program.finish();
    assert_eq!(finished.code, Some(0), "{}{}", finished.stdout, finished.stderr);
    assert_eq!(ids(&uploads, before), all[4..8]);

    // It refuses one.
    uploads.lose(&all[4..8]);
    let bad = all[5];
    uploads.decide(move |item| if item.id() == bad { Act::Answer(400) } else { Act::Take });
    let refused = operate(&folder, &node, &words);
    assert_eq!(refused.code, Some(1), "{}", refused.stdout);
    assert!(refused.stdout.contains("refused with 400: not this one"), "{}", refused.stdout);
    assert!(refused.stdout.contains("3 sent, 1 refused"), "{}", refused.stdout);
    assert!(operate(&folder, &node, &["dead-letters"]).stdout.contains(&bad.to_string()));
    uploads.decide(|_| Act::Take);
    assert_eq!(operate(&folder, &node, &words).code, Some(0));
    assert!(operate(&folder, &node, &["dead-letters"]).stdout.contains("no dead letters"));

    let nowhere = "A".repeat(43);
    let unknown = operate(&folder, &node, &["reupload", "--process", &nowhere, "--since", "0"]);
    assert!(
        unknown.code == Some(1) && unknown.stderr.contains("is not scheduled here"),
        "{}",
        unknown.stderr
    );
    node.stop();
}

#[tokio::test]
async fn a_node_that_uploads_nothing_says_so() {
    let (folder, gateway) = (folder(), Gateway::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).unset("UPLOAD_NODE_URL").start();
    let process = "A".repeat(43);
    for words in [&["dead-letters"][..], &["reupload", "--process", &process, "--since", "0"]] {
        let refused = operate(&folder, &node, words);
        assert_eq!(refused.code, Some(1));
        assert!(refused.stderr.contains("started without UPLOAD_NODE_URL"), "{}", refused.stderr);
    }
    node.stop();
}

#[tokio::test]
async fn everything_is_uploaded_without_a_node() {
    let (folder, gateway, uploads) = (folder(), Gateway::start(), UploadNode::start().await);
    let start = Launch::su(folder.path()).gateway(gateway.url()).unset("UPLOAD_NODE_URL");
    let node = start.start();
    let (ledger, user) = (Ledger::default(), User::new(1));
    let process = ledger.spawn(&node.client(), &user, 1).await[0];
    ledger.send(&node.client(), &user, process, 30).await;
    let all = ids_of(&node.client(), process).await;
    node.stop();

    let data = start.data();
    let data = data.to_str().expect("it is text");
    let offline = |words: &[&str]| {
        let command = ["replay", "uploads", "--offline", "--su-data-dir", data];
        Launch::command(folder.path(), &[&command[..], words].concat()).unset("UPLOAD_NODE_URL").run()
    };
    let refused = offline(&[]);
    assert_eq!(refused.code, Some(1), "{}", refused.stdout);
    assert!(refused.stderr.contains("uploads need UPLOAD_NODE_URL"), "{}", refused.stderr);
    let sent = offline(&["--upload-node-url", &uploads.url(), "--process", &process.to_string()]);
    assert_eq!(sent.code, Some(0), "{}{}", sent.stdout, sent.stderr);
    assert!(sent.stdout.contains("uploads: 31 events in"), "{}", sent.stdout);
    let there: HashSet<_> = uploads.taken().iter().map(|taken| taken.id).collect();
    assert_eq!(there, all.into_iter().collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_without_a_nonce_is_looked_for_by_its_time() {
    let (folder, gateway, uploads) = (folder(), Gateway::start(), UploadNode::start().await);
    let node = launch(&folder, &gateway, &uploads).set("ENABLE_PROCESS_ASSIGNMENT", "false").start();
    let (client, user) = (node.client(), User::new(1));
    let (alone, process) = (user.process(), User::new(2).process());
    client.schedule(&alone).await;
    client.schedule(&process).await;
    client.schedule(&user.message(process.id, b"after it")).await;
    settled(&node).await;
    for (lost, events) in [(alone.id, 1), (process.id, 2)] {
        uploads.lose(&[lost]);
        let words = ["reupload", "--process", &lost.to_string(), "--since", "1h"];
        let found = operate(&folder, &node, &words);
        assert_eq!(found.code, Some(0), "{}", found.stderr);
        assert!(found.stdout.contains(&format!(": {events} events")), "{}", found.stdout);
        assert!(found.stdout.contains("1 sent, 0 refused"), "{}", found.stdout);
    }
    node.stop();
}
