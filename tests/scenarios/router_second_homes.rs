//! Processes that a router has not on disk, and that somebody has: none of them gets a second home, whoever sends its spawn
//! again, however busy or slow schedulers are, and wherever it has moved.

use ans104::Id;
use quipu_tests::{Gate, Gateway, Launch, Ledger, Node, User, free_port, until};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::folder;
use crate::moving::{Pair, SOURCE, TARGET};
use crate::router::{has, home, member, node};
use crate::router_newcomers::{asked, change};

/// More than are asked for at a time.
const MANY: u8 = 200;

/// Two schedulers behind a router: one that would get the next process, by way of a gate, and one that is fuller.
struct Fleet {
    gate: Gate,
    emptier: Node,
    fuller: Node,
    router: Node,
    _gateway: Gateway,
    _folders: [TempDir; 3],
}

impl Fleet {
    async fn start() -> Self {
        let (kept, gateway) = (folder(), Gateway::start());
        let [(one, emptier), (two, fuller)] = [node(&gateway), node(&gateway)];
        let gate = Gate::to(emptier.public()).await;
        let router = Launch::router(kept.path(), &[&gate.url(), &fuller.url()]).serve();
        Self { gate, emptier, fuller, router, _gateway: gateway, _folders: [kept, one, two] }
    }

    /// The fuller one has it and nobody else, and the router says so.
    async fn is_at_the_fuller(&self, process: Id) {
        assert!(has(&self.fuller, process).await && !has(&self.emptier, process).await);
        assert_eq!(home(&self.router, process).await, self.fuller.url());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_that_somebody_makes_up_take_no_places_of_spawns() {
    let fleet = Fleet::start().await;
    let process = User::new(1).process();
    fleet.fuller.client().schedule(&process).await;
    fleet.gate.hang_at("?limit=1");
    let mut asking = JoinSet::new();
    for number in 0..MANY {
        let (client, path) = (fleet.router.client(), format!("/{}", Id::from_bytes([number; 32])));
        asking.spawn(async move { client.get(&path).await.status });
    }
    until("all places for such questions are taken", async || (fleet.gate.hung() > 15).then_some(())).await;
    fleet.router.client().schedule(&process).await;
    fleet.is_at_the_fuller(process.id).await;
    asking.shutdown().await;
    fleet.router.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_placed_while_one_does_not_say_whether_it_has_it() {
    let fleet = Fleet::start().await;
    let (user, client) = (User::new(1), fleet.router.client());
    let [had, new, other] = [user.process(), user.process(), user.process()];
    fleet.fuller.client().schedule(&had).await;
    fleet.gate.hang_at("/processes/");
    // Whoever says that it has it is enough.
    client.schedule(&had).await;
    fleet.is_at_the_fuller(had.id).await;
    let refused = client.post(new.bytes.clone()).await;
    assert_eq!(refused.refusal(503), "unavailable");
    assert!(refused.header("retry-after").is_some());
    assert!(refused.text().contains(&fleet.gate.url()), "{}", refused.text());
    assert!(!has(&fleet.fuller, new.id).await && !has(&fleet.emptier, new.id).await);
    fleet.gate.hang_no_more();
    until("it is placed", async || (client.post(new.bytes.clone()).await.status == 200).then_some(())).await;
    assert_eq!(home(&fleet.router, new.id).await, fleet.gate.url());
    // An operator may say that nobody is to wait for it.
    fleet.gate.hang_at("/processes/");
    change(&fleet.router, "/schedulers/retire", &fleet.gate.url()).await;
    client.schedule(&other).await;
    fleet.is_at_the_fuller(other.id).await;
    fleet.router.stop();
}

#[tokio::test]
async fn a_spawn_asks_anew_for_what_nobody_had_a_moment_ago() {
    let fleet = Fleet::start().await;
    let (process, client) = (User::new(1).process(), fleet.router.client());
    assert_eq!(client.get(&format!("/?process-id={}", process.id)).await.status, 404);
    fleet.fuller.client().schedule(&process).await;
    client.schedule(&process).await;
    fleet.is_at_the_fuller(process.id).await;
    fleet.router.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_has_moved_is_where_its_old_home_says() {
    let (pair, kept) = (Pair::start(), folder());
    let (user, ledger) = (User::new(1), Ledger::default());
    let process = user.process();
    ledger.schedule(&pair.node(SOURCE).client(), process.id, &process).await;
    pair.moves(process.id);
    // It knows the old home, and one that has nothing to do with it.
    let (_kept, other) = node(&pair.gateway);
    let router = Launch::router(kept.path(), &[&other.url(), &pair.url(SOURCE)]).serve();
    let client = router.client();
    let path = format!("/processes/{}", process.id);
    for refused in [client.post(process.bytes.clone()).await, client.get(&path).await] {
        assert_eq!(refused.refusal(503), "unavailable");
        assert!(
            refused.text().contains(&format!("quipu router add {}", pair.url(TARGET))),
            "{}",
            refused.text()
        );
    }
    assert!(!has(&other, process.id).await);
    // It need not say so itself.
    pair.node(TARGET).signal("STOP");
    change(&router, "/schedulers", &pair.url(TARGET)).await;
    let told: Value = until("it is found", async || {
        let answer = router.admin().get(&format!("/homes/{}", process.id)).await;
        (answer.status == 200).then(|| answer.json())
    })
    .await;
    assert_eq!((&told["scheduler"], &told["version"]), (&json!(pair.url(TARGET)), &json!(1)));
    pair.node(TARGET).signal("CONT");
    until("it is back", async || {
        let is_back = member(&router, &pair.url(TARGET)).await["reached"] == true;
        (is_back && client.post(process.bytes.clone()).await.status == 200).then_some(())
    })
    .await;
    ledger.send(&client, &user, process.id, 3).await;
    assert_eq!(ledger.check(&client, 2).await, 4);
    router.stop();
    pair.verify();
}

#[tokio::test]
async fn a_node_that_was_put_up_elsewhere_is_found_once_its_old_url_is_retired() {
    let (folders, gateway) = ([folder(), folder()], Gateway::start());
    let [old, new] = [free_port(), free_port()].map(|port| {
        let su = Launch::su(folders[1].path()).gateway(gateway.url()).unset("UPLOAD_NODE_URL");
        su.wallet(ans104::KeyType::Ed25519).port(port)
    });
    let before = old.start();
    let (router, gone) = (Launch::router(folders[0].path(), &[&before.url()]).serve(), before.url());
    let (client, user) = (router.client(), User::new(1));
    let process = user.process();
    client.schedule(&process).await;
    before.stop();
    let now = new.start();
    change(&router, "/schedulers", &now.url()).await;
    until("its store is known", async || {
        let store = member(&router, &now.url()).await["store"].clone();
        (!store.is_null() && store == member(&router, &gone).await["store"]).then_some(())
    })
    .await;
    // Its processes would be nowhere.
    asked(&router, "/schedulers/forget", &gone).await.refusal(400);
    change(&router, "/schedulers/retire", &gone).await;
    client.schedule(&user.message(process.id, b"found")).await;
    assert_eq!(home(&router, process.id).await, now.url());
    until("processes are placed there", async || {
        (client.post(user.process().bytes).await.status == 200).then_some(())
    })
    .await;
    asked(&router, "/schedulers/forget", &gone).await.refusal(400);
    router.stop();
    now.stop();
}
