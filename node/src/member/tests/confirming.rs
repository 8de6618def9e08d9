//! To whom a member confirms what it has.

use replicator::Events;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::elections::answers;
use super::*;
use crate::member::confirming::confirm;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_leads_now_does_not_wait_for_one_that_does_not_answer() {
    let Tried { node, .. } = &spawn_blocking(member).await.unwrap();
    let from = LogPlace { events: 0, digest: LogDigest::EMPTY };
    let nothing = Events { term: Term(2), owner: other(), from, events: vec![], released: 0 };
    node.take(&nothing).unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    node.follow(Url::parse(&format!("http://{}/", silent.local_addr().unwrap())).ok());
    let (stop, stopping) = watch::channel(false);
    let task = tokio::spawn(confirm(node.clone(), stopping));
    let (_connection, _) = silent.accept().await.unwrap();
    let (asked, mut told) = mpsc::unbounded_channel();
    let url = answers(move |line| asked.send(line.to_owned()).map(|()| json!({})).unwrap()).await;
    node.follow(Url::parse(&url).ok());
    let line = timeout(Duration::from_millis(1500), told.recv()).await.expect("it waits for the other one");
    assert!(line.unwrap().contains("/acks"));
    stop.send_replace(true);
    task.await.unwrap();
}
