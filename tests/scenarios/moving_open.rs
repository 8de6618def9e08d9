//! Moves that were cut off: they are told where the process goes to, and ended by going on with them or by leaving it where it is.

use ans104::Id;
use quipu_tests::{Gate, GateSide, Ledger, Node, Program, User, until};
use reqwest::redirect;
use serde_json::Value;

use crate::moving::{Pair, SOURCE, TARGET};
use crate::moving_back::{sealed, store};

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
    let gate = Gate::to(pair.admin(SOURCE)).await;
    gate.stop_at("POST /moves/", GateSide::Request);
    let cut: Program = pair.command(process, Some(&gate)).program();
    gate.stopped().await;
    drop(cut);
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
