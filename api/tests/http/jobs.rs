//! Replays, asked for at the operator's listener.

use reqwest::Method;
use serde_json::{Value, json};

use crate::node::{TOKEN, TestNode, eventually};
use crate::samples::SampleHistory;

async fn ask(node: &TestNode, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
    let request = node.http.request(method, format!("{}{path}", node.admin.url)).bearer_auth(TOKEN);
    let request = if let Some(body) = body { request.json(&body) } else { request };
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_is_started_watched_and_listed() {
    let node = TestNode::start().await;
    let mut history = SampleHistory::spawn(1, Some(1_000));
    for nonce in 1..20 {
        history.message(nonce, 1_000 + nonce, b"data", false);
    }
    node.append(history.appends.clone()).await;
    let (status, followed) = ask(&node, Method::GET, "/projections", None).await;
    assert_eq!(
        (status, &followed[0]["name"], &followed[0]["standing"]),
        (200, &json!("index"), &json!("following"))
    );
    assert_eq!((&followed[0]["can_replay"], &followed[0]["job"]), (&json!(true), &Value::Null));

    let (status, job) = ask(&node, Method::POST, "/jobs", Some(json!({"projection": "index"}))).await;
    assert_eq!((status, &job["id"], &job["projection"]), (200, &json!(1), &json!("index")), "{job}");
    eventually("the replay is done", async || {
        ask(&node, Method::GET, "/jobs/1", None).await.1["state"] == "done"
    })
    .await;
    let part = json!({"projection": "index", "from": 3, "process": history.process.to_string()});
    let (status, job) = ask(&node, Method::POST, "/jobs", Some(part)).await;
    assert_eq!((status, &job["from"]), (200, &json!(3)), "{job}");
    eventually("the part is done", async || {
        ask(&node, Method::GET, "/jobs/2", None).await.1["state"] == "done"
    })
    .await;
    let (_, jobs) = ask(&node, Method::GET, "/jobs", None).await;
    assert_eq!((&jobs[0]["id"], &jobs[1]["id"]), (&json!(2), &json!(1)));
    // What happened says when each began, and when and how it ended.
    let (_, history) = ask(&node, Method::GET, "/history", None).await;
    let happened = history["events"].as_array().unwrap().iter().filter(|event| event["kind"] == "job");
    let happened: Vec<_> =
        happened.map(|event| (event["at_ms"].as_u64().unwrap(), event["text"].as_str().unwrap())).collect();
    let times = |job: &Value| {
        let started = job["started_ms"].as_u64().unwrap();
        (started, started + job["took_ms"].as_u64().unwrap())
    };
    let (first, second) = (times(&jobs[1]), times(&jobs[0]));
    let mut expected = [
        (second.1, format!("replay 2 is done after {0} of {0} events", jobs[0]["total"])),
        (second.0, "replay 2 was started".to_owned()),
        (first.1, format!("replay 1 is done after {0} of {0} events", jobs[1]["total"])),
        (first.0, "replay 1 was started".to_owned()),
    ];
    // Both may be of one moment, the newer one first.
    expected.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    let expected: Vec<_> = expected.iter().map(|(at, text)| (*at, text.as_str())).collect();
    assert_eq!(happened, expected, "{jobs}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_told() {
    let node = TestNode::start().await;
    let no_process = json!({"projection": "index", "process": "A".repeat(43)});
    let wrong_process = json!({"projection": "index", "process": "short"});
    for (path, body, status, code) in [
        ("/jobs", Some(json!({"projection": "nothing"})), 400, "invalid_parameter"),
        ("/jobs", Some(wrong_process), 400, "invalid_parameter"),
        ("/jobs", Some(no_process), 400, "invalid_parameter"),
        ("/jobs", Some(json!({"from": 1})), 400, "invalid_parameter"),
        ("/jobs/7/cancel", None, 404, "not_found"),
        ("/jobs/7/resume", None, 404, "not_found"),
        ("/jobs/x/resume", None, 400, "invalid_parameter"),
    ] {
        let (found, body) = ask(&node, Method::POST, path, body).await;
        assert_eq!((found, &body["code"]), (status, &json!(code)), "{path}: {body}");
    }
    assert_eq!(ask(&node, Method::GET, "/jobs/1", None).await.0, 404);
    ask(&node, Method::POST, "/jobs", Some(json!({"projection": "index"}))).await;
    eventually("the replay is done", async || {
        ask(&node, Method::GET, "/jobs/1", None).await.1["state"] == "done"
    })
    .await;
    for path in ["/jobs/1/cancel", "/jobs/1/resume"] {
        let (status, body) = ask(&node, Method::POST, path, None).await;
        assert_eq!((status, &body["code"]), (409, &json!("unavailable")), "{path}: {body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replays_need_the_token() {
    let node = TestNode::start().await;
    for path in ["/projections", "/jobs", "/jobs/1"] {
        let answer = node.http.get(format!("{}{path}", node.admin.url)).send().await.unwrap();
        assert_eq!(answer.status(), 401, "{path}");
    }
    for path in ["/jobs", "/jobs/1/cancel", "/jobs/1/resume"] {
        let request = node.http.post(format!("{}{path}", node.admin.url));
        let answer = request.json(&json!({"projection": "index"})).send().await.unwrap();
        assert_eq!(answer.status(), 401, "{path}");
    }
}
