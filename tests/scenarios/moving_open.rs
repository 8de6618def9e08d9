//! Moves that were cut off: they are told where the process goes to and where it went from, and ended by going on with them or by
//! leaving it where it is.

use ans104::Id;
use quipu_tests::{Gate, GateSide, Launch, Ledger, Node, Program, User, until};
use reqwest::{Method, redirect};
use serde_json::Value;

use crate::folder;
use crate::moving::{Pair, SOURCE, TARGET};
use crate::moving_back::{back, sealed, store};

/// Whoever asks a node for a process is led there.
pub async fn leads(node: &Node, process: Id, to: &str) {
    let http = reqwest::Client::builder().no_proxy().redirect(redirect::Policy::none()).build().unwrap();
    let answer = http.get(format!("{}/{process}/latest", node.url())).send().await.unwrap();
    assert_eq!(answer.status(), 307);
    assert_eq!(answer.headers()["location"], format!("{to}/{process}/latest").as_str());
}

/// Waits until a node says this of its moves, and says why.
async fn told(node: &Node, status: &str) -> String {
    until("the check of moves", async || {
        // While one fails, the answer is a refusal.
        let checks: Value = serde_json::from_str(&node.admin().get("/checks").await.text()).ok()?;
        let check = checks["checks"].as_array()?.iter().find(|check| check["name"] == "moves")?;
        (check["status"] == status).then(|| check["reason"].as_str().map(str::to_owned))?
    })
    .await
}

/// A pair, and a process at the source with what was scheduled to it.
async fn begun() -> (Pair, Ledger, User, Id) {
    let (pair, ledger, user) = (Pair::start(), Ledger::default(), User::new(1));
    let source = pair.node(SOURCE).client();
    let process = ledger.spawn(&source, &user, 1).await[0];
    ledger.send(&source, &user, process, 5).await;
    (pair, ledger, user, process)
}

/// A move of which nobody waits for the end, and whose order to end the process has not come to the source.
async fn cut_off(pair: &Pair, process: Id) -> Gate {
    let gate = Gate::to(pair.admin(SOURCE)).await;
    gate.stop_at("POST /moves/", GateSide::Request);
    let cut: Program = pair.command(process, Some(&gate)).program();
    gate.stopped().await;
    drop(cut);
    gate
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_nothing_brings_any_more_is_told_until_it_has_come() {
    let (mut pair, ledger, user, process) = begun().await;
    told(pair.node(TARGET), "ok").await;
    let gate = sealed(&pair, process).await;
    gate.open(pair.admin(SOURCE));
    pair.restart(TARGET);
    // Somebody has to go on with it: the node that it goes to has forgotten whom to ask.
    let reason = told(pair.node(TARGET), "fail").await;
    let from = store(pair.node(SOURCE)).await;
    assert!(reason.contains(&format!("{process} from the store {from} since 20")), "{reason}");
    assert!(reason.contains("quipu move PROCESS --to URL"), "{reason}");
    let open: Value = pair.node(TARGET).admin().get("/moves").await.json();
    let only = &open["moves"][0];
    assert_eq!((&only["process"], &only["running"]), (&process.to_string().into(), &false.into()), "{open}");
    assert!(only["since"].as_u64().unwrap() > 1_700_000_000_000, "{open}");

    // It was ended where it was, and can stay there no more.
    let stays = pair.command(process, None).word("--stay").word(&pair.url(SOURCE)).run();
    assert_eq!(stays.code, Some(1), "{}", stays.stdout);
    assert!(stays.stderr.contains("it was ended there in favour of this store"), "{}", stays.stderr);
    pair.moves(process);
    told(pair.node(TARGET), "ok").await;
    ledger.send(&pair.node(TARGET).client(), &user, process, 5).await;
    assert_eq!(ledger.check(&pair.node(TARGET).client(), 5).await, 11);
    pair.verify();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_was_to_move_can_stay_where_it_is() {
    let (mut pair, ledger, user, process) = begun().await;
    let gate = cut_off(&pair, process).await;
    pair.restart(TARGET);
    drop(gate);
    told(pair.node(TARGET), "fail").await;
    assert_eq!(pair.node(TARGET).client().get(&format!("/{process}/latest")).await.status, 503);

    // Clients are led to no place where it is not.
    let (here, there) = (pair.url(SOURCE), pair.url(TARGET));
    let stay = |url: &str| pair.command(process, None).word("--stay").word(url).run();
    let wrong = stay(&there);
    assert_eq!(wrong.code, Some(1), "{}", wrong.stdout);
    assert!(wrong.stderr.contains("no node with the store"), "{}", wrong.stderr);
    for _ in 0..2 {
        let stays = stay(&here);
        assert_eq!(stays.code, Some(0), "{}", stays.stderr);
        assert!(stays.stdout.contains(&format!("does not move: it is at {here}")), "{}", stays.stdout);
    }
    leads(pair.node(TARGET), process, &here).await;
    told(pair.node(TARGET), "ok").await;
    assert_eq!(pair.state(TARGET, process).await, "off");
    ledger.send(&pair.node(SOURCE).client(), &user, process, 5).await;

    // That is for as long as nobody moves it.
    pair.restart(TARGET);
    leads(pair.node(TARGET), process, &here).await;
    pair.moves(process);
    ledger.send(&pair.node(TARGET).client(), &user, process, 5).await;
    assert_eq!(ledger.check(&pair.node(SOURCE).client(), 5).await, 16);
    pair.verify();
}

/// How many processes are on their way at a node and not brought, as its metrics have it.
async fn counted(node: &Node, way: &str) -> u64 {
    let metrics = node.client().get("/metrics").await.text();
    let name = format!("quipu_moves_open{{move=\"{way}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&name)).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_was_ended_and_did_not_come_is_told_where_it_was() {
    let (mut pair, ledger, user, process) = begun().await;
    pair.launches = pair.launches.clone().map(|launch| launch.set("ENABLE_METRICS", "true"));
    [SOURCE, TARGET].into_iter().for_each(|which| pair.restart(which));
    let (to, url) = (store(pair.node(TARGET)).await, pair.url(TARGET));
    let gate = sealed(&pair, process).await;
    gate.open(pair.admin(SOURCE));
    pair.restart(TARGET);
    let reason = told(pair.node(SOURCE), "fail").await;
    assert!(reason.contains(&format!("{process} to the store {to} at {url}")), "{reason}");
    assert!(reason.contains("not all of it is here yet"), "what the node there says: {reason}");
    let typed = ["quipu move PROCESS --to URL", "quipu move PROCESS --back STORE"];
    let status =
        Launch::command(folder().path(), &["status", "--admin", &pair.node(SOURCE).admin_url()]).run();
    for command in typed {
        assert!(reason.contains(command) && status.stdout.contains(command), "{reason}: {}", status.stdout);
    }
    assert_eq!((counted(pair.node(SOURCE), "out").await, counted(pair.node(TARGET), "out").await), (1, 0));
    // Also to who starts it again, and where nobody answers any more.
    pair.restart(SOURCE);
    told(pair.node(SOURCE), "fail").await;
    pair.nodes[TARGET].take().unwrap().kill();
    let reason = told(pair.node(SOURCE), "warn").await;
    assert!(reason.contains("nobody answers there"), "{reason}");
    let open: Value = pair.node(SOURCE).admin().get("/moves").await.json();
    let only = &open["left"][0];
    assert_eq!((&only["to"], &only["url"]), (&to.clone().into(), &url.into()), "{open}");

    // It is taken back, and moves after all: neither is told any more.
    let done = back(pair.node(SOURCE), process, &to);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    told(pair.node(SOURCE), "ok").await;
    pair.nodes[TARGET] = Some(pair.launches[TARGET].start());
    pair.moves(process);
    told(pair.node(SOURCE), "ok").await;
    told(pair.node(TARGET), "ok").await;
    ledger.send(&pair.node(TARGET).client(), &user, process, 5).await;
    assert_eq!(ledger.check(&pair.node(TARGET).client(), 5).await, 11);
    pair.verify();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_is_on_its_way_ends_nothing_that_was_said_to_stay() {
    let (mut pair, ledger, user, process) = begun().await;
    let gate = cut_off(&pair, process).await;
    let (to, url) = (store(pair.node(TARGET)).await, pair.url(TARGET));
    let ticket = async |pair: &Pair| -> String {
        let there: Value = pair.node(SOURCE).admin().get(&format!("/moves/{process}")).await.json();
        there["ticket"].as_str().unwrap().to_owned()
    };
    let late = async |pair: &Pair, ticket: &str| {
        let admin = pair.node(SOURCE).admin();
        let path = format!("/moves/{process}/out?to={to}&url={url}&ticket={ticket}");
        admin.send(admin.request(Method::POST, &path)).await.unwrap()
    };
    let before = ticket(&pair).await;
    pair.restart(TARGET);
    drop(gate);
    let here = pair.url(SOURCE);
    let stays = pair.command(process, None).word("--stay").word(&here).run();
    assert_eq!(stays.code, Some(0), "{}", stays.stderr);
    // What the other node asked for before that comes now.
    let answer = late(&pair, &before).await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.text().contains("said meanwhile that the process stays here"), "{}", answer.text());
    assert_eq!(pair.state(SOURCE, process).await, "here");
    leads(pair.node(TARGET), process, &here).await;
    ledger.send(&pair.node(SOURCE).client(), &user, process, 5).await;
    // Nor does it end anything once the node was started again.
    let before = ticket(&pair).await;
    pair.restart(SOURCE);
    assert_eq!(late(&pair, &before).await.status, 503);
    assert_eq!(pair.state(SOURCE, process).await, "here");

    pair.moves(process);
    assert_eq!(late(&pair, "any").await.status, 200, "it was ended in favour of that store");
    ledger.send(&pair.node(TARGET).client(), &user, process, 5).await;
    assert_eq!(ledger.check(&pair.node(SOURCE).client(), 5).await, 16);
    pair.verify();
}
