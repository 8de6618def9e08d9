//! Real answers about processes that move, held against the description that a node gives of itself.

use ans104::Id;
use quipu_tests::ToldServer;
use serde_json::json;

use crate::described::Listener;

const NOBODY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const STORE: &str = "00000000-0000-4000-8000-000000000007";

/// What routers ask.
pub async fn told_to_routers(public: &mut Listener) {
    public.get("/fleet/v1/moves", "/fleet/v1/moves", 200).await;
    public.get("/fleet/v1/moves?from=x", "/fleet/v1/moves", 400).await;
}

/// The calls of a move, by which this process goes elsewhere; and what is answered of it then.
pub async fn moved(admin: &mut Listener, public: &mut Listener, process: Id) {
    let (now, events) = ("/moves/{process}", "/moves/{process}/events");
    admin.get(&format!("/moves/{process}"), now, 200).await;
    admin.get("/moves/abc", now, 400).await;
    admin.get("/moves", "/moves", 200).await;
    admin.get(&format!("/moves/{process}/events?from=0&unassigned"), events, 200).await;
    admin.get(&format!("/moves/{process}/events?from=1000000"), events, 200).await;
    admin.get(&format!("/moves/{process}/events"), events, 400).await;
    let order = |url: &str| json!({ "process": NOBODY, "from": "http://127.0.0.1:1", "url": url });
    admin.ask("POST /moves", "/moves", Some(order("http://127.0.0.1:2")), 200).await;
    admin.ask("POST /moves", "/moves", Some(order("http://127.0.0.1:2/path")), 400).await;
    let out = "POST /moves/{process}/out";
    let other = ToldServer::start();
    other.answer(200, &[("quipu-store", STORE)], "");
    let stay = "POST /moves/{process}/stay";
    admin.ask(stay, "/moves/abc/stay", None, 400).await;
    let now: serde_json::Value = admin.ask(stay, &format!("/moves/{process}/stay"), None, 200).await.json();
    let ticket = now["ticket"].as_str().unwrap().to_owned();
    let path = |to: &str| format!("/moves/{process}/out?to={to}&url={}&ticket={ticket}", other.url());
    admin.ask(out, &path("x"), None, 400).await;
    admin.ask(out, &path("00000000-0000-4000-8000-000000000008"), None, 409).await;
    let outdated = path(STORE).replace(&ticket, "other");
    admin.ask(out, &outdated, None, 503).await;
    let told: serde_json::Value = admin.ask(out, &path(STORE), None, 200).await.json();
    assert_eq!((&told["state"], &told["version"]), (&json!("moved"), &json!(1)));
    let again: serde_json::Value = admin.ask(out, &path(STORE), None, 200).await.json();
    assert_eq!(told, again);
    for (path, of) in [
        (format!("/{process}"), "/{id}"),
        (format!("/?process-id={process}"), "/"),
        (format!("/{process}/latest"), "/{process}/latest"),
        (format!("/{process}/stream"), "/{process}/stream"),
        (format!("/processes/{process}"), "/processes/{process}"),
        (format!("/{process}/schedule?accept=application/aos-2"), "/{process}/schedule"),
        (format!("/{process}/slot"), "/{process}/slot"),
    ] {
        public.get(&path, of, 307).await;
    }
    public.ask("POST /", &format!("/?process-id={process}&assign={NOBODY}"), None, 307).await;
    // Who looks at schedules sees what was kept here.
    let explored = format!("/explore/v1/processes/{process}");
    public.get(&explored, "/explore/v1/processes/{process}", 200).await;
    // Nobody is there any more where it went.
    drop(other);
    let back = "POST /moves/{process}/back";
    let path = |lost: &str| format!("/moves/{process}/back?lost={lost}&by=somebody");
    admin.ask(back, &path("x"), None, 400).await;
    let told: serde_json::Value = admin.ask(back, &path(STORE), None, 200).await.json();
    assert_eq!(told["version"], 2, "{told}");
}
