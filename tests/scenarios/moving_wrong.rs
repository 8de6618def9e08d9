//! Moves that somebody orders who is wrong, unlucky, or not alone: nothing is led to where the process is not, nothing is in
//! two places unseen, and what lost a race can follow.

use std::path::Path;
use std::sync::Arc;

use ans104::{Id, KeyType};
use quipu_tests::{Finished, Gate, GateSide, Launch, Ledger, Node, Program, ToldServer, User};

use tokio::net::TcpListener;

use crate::folder;
use crate::moving::{Pair, SOURCE, TARGET, moving};
use crate::moving_back::{back, sealed, store};
use crate::moving_open::leads;

/// A pair, of which the source has a process with so many messages of a user.
async fn begun(messages: usize) -> (Pair, Arc<Ledger>, User, Id) {
    let pair = Pair::start();
    let (ledger, user) = (Arc::new(Ledger::default()), User::new(1));
    let source = pair.node(SOURCE).client();
    let process = ledger.spawn(&source, &user, 1).await[0];
    ledger.send(&source, &user, process, messages).await;
    (pair, ledger, user, process)
}

/// `quipu move` from the source to the target, which clients are said to find at this URL.
fn to_url(pair: &Pair, process: Id, url: &str) -> Launch {
    moving(Path::new("/"), process, pair.node(SOURCE), pair.node(TARGET), url)
}

fn fails(finished: &Finished, with: &str) {
    assert_eq!(finished.code, Some(1), "{}{}", finished.stdout, finished.stderr);
    assert!(finished.stderr.contains(with), "{}", finished.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_are_led_to_no_place_but_the_node_that_the_process_goes_to() {
    let (pair, ledger, user, process) = begun(5).await;
    let (kept, source) = (folder(), pair.node(SOURCE).client());
    let router = Launch::router(kept.path(), &[&pair.url(SOURCE)]).serve();
    for (url, found) in [
        (pair.url(SOURCE), "a node with the store"),
        (router.url(), "no node answers"),
        (pair.node(TARGET).admin_url(), "no node answers"),
        ("http://127.0.0.1:1".to_owned(), "no node answers"),
    ] {
        let told = to_url(&pair, process, &url).run();
        fails(&told, found);
        fails(&told, "clients would be led there for ever");
        assert_eq!(pair.state(SOURCE, process).await, "here", "{url}");
    }
    // It goes on where it is, and the right order ends what the wrong ones began.
    ledger.send(&source, &user, process, 5).await;
    pair.moves(process);
    ledger.send(&pair.node(TARGET).client(), &user, process, 5).await;
    assert_eq!(ledger.check(&source, 5).await, 16);
    router.stop();
    pair.verify();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_whose_node_is_silent_is_not_lost() {
    let (pair, ledger, user, process) = begun(5).await;
    let source = pair.node(SOURCE).client();
    let lost = store(pair.node(TARGET)).await;
    let gate = sealed(&pair, process).await;
    pair.node(TARGET).signal("STOP");
    fails(&back(pair.node(SOURCE), process, &lost), "end it first");
    assert_eq!(pair.state(SOURCE, process).await, "moved");
    pair.node(TARGET).signal("CONT");
    gate.open(pair.admin(SOURCE));
    pair.moves(process);
    ledger.send(&pair.node(TARGET).client(), &user, process, 5).await;
    assert_eq!(ledger.check(&source, 5).await, 11);
    pair.verify();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_is_not_lost_while_somebody_takes_calls_in_its_place_and_answers_none() {
    let (mut pair, ledger, user, process) = begun(5).await;
    let lost = store(pair.node(TARGET)).await;
    let _gate = sealed(&pair, process).await;
    pair.nodes[TARGET].take().unwrap().kill();
    let address = pair.url(TARGET).strip_prefix("http://").unwrap().to_owned();
    // As a node behind TLS of which the certificate is outdated.
    let taking = TcpListener::bind(&address).await.unwrap();
    let ending = tokio::spawn(async move {
        while let Ok((connection, _)) = taking.accept().await {
            drop(connection);
        }
    });
    fails(&back(pair.node(SOURCE), process, &lost), "end it first");
    assert_eq!(pair.state(SOURCE, process).await, "moved");
    ending.abort();
    assert!(ending.await.is_err_and(|error| error.is_cancelled()));
    let done = back(pair.node(SOURCE), process, &lost);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    ledger.send(&pair.node(SOURCE).client(), &user, process, 5).await;
    pair.nodes[TARGET] = Some(pair.launches[TARGET].start());
    pair.verify();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_moves_at_once_one_wins_and_the_process_can_go_on_to_the_other() {
    let (pair, ledger, user, process) = begun(5).await;
    let (kept, source) = (folder(), pair.node(SOURCE).client());
    let third = Launch::su(kept.path()).gateway(pair.gateway.url()).unset("UPLOAD_NODE_URL");
    let third = third.wallet(KeyType::Ed25519);
    let node = third.start();

    let gate = Gate::to(pair.admin(SOURCE)).await;
    gate.stop_at("POST /moves/", GateSide::Request);
    let late = moving(kept.path(), process, pair.node(SOURCE), &node, &node.url());
    let late: Program = late.word("--from").word(&gate.url()).program();
    gate.stopped().await;
    ledger.send(&source, &user, process, 5).await;
    pair.moves(process);
    gate.open(pair.admin(SOURCE));
    fails(&late.finish(), "moved");
    assert_eq!(pair.state(SOURCE, process).await, "moved");
    ledger.send(&pair.node(TARGET).client(), &user, process, 5).await;
    // Who asks for it where it did not come is led to where it went.
    leads(&node, process, &pair.url(TARGET)).await;

    let on = moving(kept.path(), process, pair.node(TARGET), &node, &node.url()).run();
    assert_eq!(on.code, Some(0), "{}", on.stderr);
    ledger.send(&node.client(), &user, process, 5).await;
    // From the first node to the second, and from there to the third.
    assert_eq!(ledger.check(&source, 5).await, 21);
    node.stop();
    let verified = third.verify(&[]);
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
    pair.verify();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_a_wrong_word_took_back_is_not_said_to_have_moved() {
    let (mut pair, _, _, process) = begun(5).await;
    let lost = store(pair.node(TARGET)).await;
    pair.moves(process);
    pair.nodes[TARGET].take().unwrap().kill();
    let told = back(pair.node(SOURCE), process, &lost);
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    pair.nodes[TARGET] = Some(pair.launches[TARGET].start());
    fails(&pair.command(process, None).run(), "it is in both stores");
    pair.verify();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_is_another_one_than_what_is_under_way_is_refused() {
    let (pair, _, _, process) = begun(0).await;
    let gate = Gate::to(pair.admin(SOURCE)).await;
    gate.stop_at("POST /moves/", GateSide::Request);
    let first: Program = pair.command(process, Some(&gate)).program();
    gate.stopped().await;
    let told = to_url(&pair, process, "http://su9.example").word("--from").word(&gate.url()).run();
    fails(&told, "on its way here already");
    gate.open(pair.admin(SOURCE));
    let first = first.finish();
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    pair.verify();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_is_read_of_a_node_than_any_answer_has() {
    let (pair, _, _, process) = begun(0).await;
    let liar = ToldServer::start();
    liar.answer(200, &[("content-type", "application/json")], &" ".repeat(20 << 20));
    let told = pair.command(process, None).word("--from").word(&liar.url()).run();
    fails(&told, "its answer has more than");
    pair.moves(process);
    pair.verify();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_node_or_may_not_take_it_is_refused_in_words() {
    let (pair, ledger, user, process) = begun(0).await;
    let (kept, source) = (folder(), pair.node(SOURCE).client());
    let router = Launch::router(kept.path(), &[&pair.url(SOURCE)]).serve();
    let run = |to: &Node, token: &str, from: &str| {
        let (process, admin, url) = (process.to_string(), pair.node(SOURCE).admin_url(), to.url());
        let (own, there) = (pair.node(SOURCE).token(), to.admin_url());
        let words = ["move", &process, "--to", &url, "--to-admin", &there, "--to-token", token];
        let more = ["--admin", &admin, "--token", &own, "--from", from];
        Launch::command(kept.path(), &words.into_iter().chain(more).collect::<Vec<_>>()).run()
    };
    let here = pair.node(SOURCE).admin_url();
    fails(&run(&router, &router.token(), &here), "is the admin listener of a router");
    fails(&run(pair.node(TARGET), "wrong", &here), "Bearer TOKEN is wrong");
    let told = run(pair.node(TARGET), &pair.node(TARGET).token(), "http://127.0.0.1:1");
    fails(&told, "it cannot be reached");
    for wrong in ["http://user:pw@127.0.0.1:1", "ftp://127.0.0.1", "http://127.0.0.1:1/path", "//x"] {
        let told = to_url(&pair, process, wrong).run();
        assert_eq!(told.code, Some(2), "{}{}", told.stdout, told.stderr);
        assert!(told.stderr.contains("expected http://host:port"), "{}", told.stderr);
    }
    assert_eq!(pair.state(SOURCE, process).await, "here");
    ledger.send(&source, &user, process, 2).await;
    router.stop();
    pair.verify();
}
