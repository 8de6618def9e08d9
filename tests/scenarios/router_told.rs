//! What a router tells its operator of the schedulers behind it.

use quipu_tests::{Launch, Node, ToldServer, until};
use reqwest::Method;
use serde_json::{Value, json};

use crate::folder;
use crate::router_registration::{form, register};

const STORE: &str = "1b4e28ba-2fa1-11d2-883f-0016d3cca427";

/// What `quipu router list` prints.
fn listed(router: &Node) -> String {
    let (admin, token) = (router.admin_url(), router.token());
    let words = ["router", "list", "--admin", &admin, "--token", &token];
    let done = Launch::command(std::path::Path::new("/"), &words).run();
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    done.stdout
}

#[tokio::test]
async fn checks_that_fail_at_a_scheduler_are_told_by_its_router() {
    let kept = folder();
    let router = Launch::router(kept.path(), &[]).unset("SCHEDULER_LIST_PATH").serve();
    let scheduler = ToldServer::start();
    scheduler.answer(200, &[("quipu-store", STORE), ("quipu-term", "1"), ("quipu-role", "leader")], "");
    let name = format!("scheduler {}", scheduler.url());
    for (failing, status) in [(&["members", "replication"][..], "warn"), (&[], "ok")] {
        let mut said = form(&scheduler.url(), STORE, 1, "leader");
        said["failing"] = json!(failing);
        said.as_object_mut().unwrap().remove("admin");
        let reason = until("the check tells", async || {
            // What was said a minute ago counts no more.
            assert_eq!(register(&router, &said).await.status, 200);
            let checks: Value = router.admin().get("/checks").await.json();
            let check = checks["checks"].as_array()?.iter().find(|check| check["name"] == name)?;
            (check["status"] == status).then(|| check["reason"].as_str().map(str::to_owned))?
        })
        .await;
        assert_eq!(reason.contains("its checks fail: members, replication"), status == "warn", "{reason}");
        assert_eq!(listed(&router).contains("checks fail: members, replication"), status == "warn");
    }
    router.stop();
}

#[tokio::test]
async fn a_scheduler_that_was_put_away_alarms_nobody() {
    const URL: &str = "http://127.0.0.1:1";
    let kept = folder();
    let router = Launch::router(kept.path(), &[]).unset("SCHEDULER_LIST_PATH");
    let router = router.set("ENABLE_METRICS", "true").serve();
    let change = async |path: &str| {
        let form = router.admin().request(Method::POST, path).json(&json!({ "url": URL }));
        let answer = router.admin().send(form).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    let measured = async |value: &str| {
        let line = format!("quipu_router_scheduler_reached{{scheduler=\"{URL}\"}} {value}");
        until(&line, async || {
            let metrics = router.client().get("/metrics").await.text();
            metrics.lines().any(|told| told == line).then_some(())
        })
        .await;
    };
    change("/schedulers").await;
    measured("0").await;
    change("/schedulers/retire").await;
    measured("NaN").await;
    change("/schedulers/forget").await;
    measured("NaN").await;
    change("/schedulers").await;
    measured("0").await;
    router.stop();
}
