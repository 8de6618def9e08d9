//! HyperBEAM's form of the calls through a router.

use ans104::Id;
use quipu_tests::{Answer, Client, Gateway, Launch, Signed, ToldServer, User, until};
use reqwest::Method;
use serde_json::Value;

use crate::folder;
use crate::router::{has, node};

/// As the MU writes an item for HyperBEAM.
async fn written(client: &Client, process: Id, item: &Signed, kind: &str) -> Answer {
    let request = client.request(Method::POST, &format!("/{process}/~scheduler@1.0/schedule"));
    let request = request.header("content-type", kind).header("accept", "*/*").body(item.bytes.clone());
    client.send(request).await.unwrap()
}

#[tokio::test]
async fn what_is_written_and_read_comes_to_the_scheduler_that_has_the_process() {
    for mode in ["auto", "redirect", "forward"] {
        let (folder, gateway, user) = (folder(), Gateway::start(), User::new(5));
        let (first, second) = (node(&gateway), node(&gateway));
        let router =
            Launch::router(folder.path(), &[&first.1.url(), &second.1.url()]).set("ROUTER_MODE", mode);
        let router = router.serve();
        let client = router.client();
        until("the router knows the address", async || (client.get("/").await.status == 200).then_some(()))
            .await;
        for _ in 0..3 {
            let process = user.process();
            // What is not said to be an item gets no home.
            let refused = written(&client, process.id, &process, "multipart/form-data").await;
            assert_eq!(refused.status, 422, "{mode}: {}", refused.text());
            let spawned = written(&client, process.id, &process, "application/ans104").await;
            assert_eq!(spawned.status, 200, "{mode}: {}", spawned.text());
            let message = user.message(process.id, b"hi");
            for _ in 0..2 {
                let answer = written(&client, process.id, &message, "application/ans104").await;
                let placed: Value = answer.json();
                assert_eq!((answer.status, &placed["slot"]), (200, &Value::from(1)), "{mode}");
            }
            let homes = [has(&first.1, process.id).await, has(&second.1, process.id).await];
            assert!(homes[0] != homes[1], "{mode}: {homes:?}");
            let path = format!(
                "/~scheduler@1.0/schedule?target={}&from=0&to=9&accept=application/aos-2",
                process.id
            );
            let paths = ["/~scheduler@1.0/schedule", "~process@1.0/schedule"]
                .map(|of| format!("/{}{of}?accept=application/aos-2", process.id));
            let bare = format!("/{}/schedule&accept=application/aos-2", process.id);
            for path in [path, bare].into_iter().chain(paths) {
                let page: Value = client.get(&path).await.json();
                assert_eq!(page["edges"].as_array().map(Vec::len), Some(2), "{mode} {path}: {page}");
            }
            for method in [Method::GET, Method::POST] {
                let asked =
                    client.request(method.clone(), &format!("/{}~process@1.0/slot/current", process.id));
                let told = client.send(asked.body(message.bytes.clone())).await.unwrap();
                assert_eq!((told.status, told.text().as_str()), (200, "1"), "{mode} {method}");
            }
            let slot: Value = client.get(&format!("/{}/slot", process.id)).await.json();
            assert_eq!(slot["current"], 1);
        }
        // What only a node of HyperBEAM does is not there, and there is no 5xx of the router's, whatever is asked.
        for path in ["push", "compute", "now", "~process@1.0/push", "~relay@1.0/call"] {
            let path = format!("/{}/{path}", user.process().id);
            let refused = client.send(client.request(Method::POST, &path)).await.unwrap();
            assert_eq!(refused.refusal(404), "not_found", "{mode} {path}");
        }
        let unknown = client.get(&format!("/{}/slot", Id::from_bytes([9; 32]))).await;
        assert_eq!(unknown.status, 404, "{}", unknown.text());
        first.1.stop();
        second.1.stop();
        if mode != "redirect" {
            let away = written(&client, user.process().id, &user.process(), "application/ans104").await;
            assert!([424, 429].contains(&away.status), "{mode}: {} {}", away.status, away.text());
        }
        router.stop();
    }
}

/// Of what only reads it is known that it did nothing, and it is asked again.
#[tokio::test]
async fn what_is_posted_to_read_is_sent_again_as_what_is_got() {
    let (folder, scheduler) = (folder(), ToldServer::start());
    let process = User::new(1).process();
    let found = format!(r#"{{"process_id":"{0}","address":"{0}","current":0}}"#, process.id);
    scheduler.answer(200, &[("content-type", "application/json")], &found);
    let router = Launch::router(folder.path(), &[&scheduler.url()]).set("ROUTER_MODE", "forward").serve();
    let client = router.client();
    let path = format!("/{}/slot", process.id);
    let ask = async |method: Method| client.send(client.request(method, &path)).await.unwrap();
    until("it is found", async || (ask(Method::POST).await.status == 200).then_some(())).await;
    scheduler.answer_nothing();
    let [got, posted] = [ask(Method::GET).await, ask(Method::POST).await];
    assert_eq!((posted.status, posted.text()), (got.status, got.text()));
    assert!(!posted.text().contains("not known whether"), "{}", posted.text());
    router.stop();
}

/// A scheduler of an older kind, or what stands before one.
#[tokio::test]
async fn what_readers_of_this_form_end_with_is_not_passed_on() {
    let (folder, scheduler) = (folder(), ToldServer::start());
    let process = User::new(1).process().id;
    // Known for a scheduler by the address of its wallet.
    let found = format!(r#"{{"process_id":"{process}","address":"{process}"}}"#);
    scheduler.answer(200, &[("content-type", "application/json")], &found);
    let router = Launch::router(folder.path(), &[&scheduler.url()]).serve();
    let client = router.client();
    let path = format!("/{process}/slot");
    until("it is found", async || {
        (client.send(client.request(Method::POST, &path)).await.ok()?.status == 200).then_some(())
    })
    .await;
    for (status, told) in [(201, 424), (101, 424), (500, 424), (502, 424), (503, 429)] {
        scheduler.answer(status, &[("content-type", "text/html")], "<html>");
        for path in [&path, &format!("{path}/current")] {
            let answer = client.send(client.request(Method::POST, path)).await.unwrap();
            assert_eq!(answer.refusal(told), "gateway_error", "{status}: {}", answer.text());
        }
    }
    router.stop();
}
