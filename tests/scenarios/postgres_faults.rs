//! A Postgres that is slow, gone, full, locked or of another version: scheduling goes on, the node says what is
//! wrong, and the tables catch up once it is mended.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use quipu_tests::{Gateway, Launch, Ledger, Node, Postgres, User, free_port};
use sqlx::{Executor, query_scalar};

use crate::namespace::Namespace;
use crate::tables::{assert_as_rebuilt, caught_up, store_of, trouble};
use crate::{copy_folder, folder};

/// What a stop takes at most: the database is given 5 seconds, where any other answer may take 30.
const STOP_WITHIN: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_database_that_comes_later_gets_everything() {
    let (folder, gateway, mut postgres) = (folder(), Gateway::start(), Postgres::start());
    postgres.refuse();
    let launch = Launch::su(folder.path()).gateway(gateway.url()).set("DATABASE_URL", postgres.url());
    let node = launch.start();
    schedule(&node, 10).await;
    trouble(&node, "refused").await;
    postgres.restart();
    caught_up(&node).await;

    // And when it is restarted in order, nobody has to do anything.
    postgres.restart();
    schedule(&node, 10).await;
    caught_up(&node).await;
    let store = store_of(&node).await;
    node.stop();
    assert_as_rebuilt(&launch, &postgres, &store).await;
}

#[tokio::test]
async fn a_wrong_password_is_told_but_not_shown() {
    const WRONG: &str = "frayed-string";
    let (folder, gateway, postgres) = (folder(), Gateway::start(), Postgres::start());
    let launch = Launch::su(folder.path()).gateway(gateway.url()).set("RUST_LOG", "debug");
    let node = launch.set("DATABASE_URL", postgres.url_with(WRONG, "quipu")).start();
    schedule(&node, 5).await;
    trouble(&node, "password authentication failed").await;
    postgres.sql("postgres", &format!("alter role quipu password '{WRONG}'"));
    caught_up(&node).await;
    let status = node.admin().get("/status").await.text();
    let said = node.stop().stderr;
    for shown in [said, status] {
        assert!(!shown.contains(WRONG), "the password is shown: {shown}");
    }
}

#[tokio::test]
async fn a_database_without_room_goes_on_when_there_is_some() {
    const MEGABYTES: u32 = 16;
    let (folder, disk, gateway) = (folder(), folder(), Gateway::start());
    fs::set_permissions(disk.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let namespace = Namespace::with_tmpfs(disk.path(), MEGABYTES);
    let place = disk.path().join("small");
    let place = place.to_str().unwrap();
    let owner: &[&str] = if namespace.is_root() { &["--owner=postgres"] } else { &[] };
    namespace.run(&[&["install", "--directory", "--mode=700"], owner, &[place]].concat());
    let postgres = Postgres::start_through(&namespace.enter_as_user());
    postgres.sql("postgres", &format!("create tablespace small location '{place}'"));
    postgres.sql("postgres", "grant create on tablespace small to quipu");
    postgres.sql("postgres", "alter database quipu set default_tablespace = small");

    let launch = Launch::su(folder.path()).gateway(gateway.url()).set("DATABASE_URL", postgres.url());
    let node = launch.start();
    let (ledger, user) = (Ledger::default(), User::new(1));
    let process = ledger.spawn(&node.client(), &user, 1).await[0];
    for _ in 0..MEGABYTES {
        // Random, or it would be stored compressed.
        let data: Vec<u8> = (0..1_200_000).map(|_| rand::random()).collect();
        ledger.schedule(&node.client(), process, &user.message(process, &data)).await;
    }
    trouble(&node, "No space left").await;
    // It has no part in whether the node takes messages.
    schedule(&node, 5).await;
    assert_eq!(node.client().get("/health").await.status, 200);
    namespace.resize(disk.path(), MEGABYTES * 16);
    caught_up(&node).await;
    let store = store_of(&node).await;
    node.stop();
    assert_as_rebuilt(&launch, &postgres, &store).await;
}

#[tokio::test]
async fn a_second_node_of_the_same_store_waits_for_the_first() {
    let (folder, other, gateway, postgres) = (folder(), folder(), Gateway::start(), Postgres::start());
    let launch = |folder: &tempfile::TempDir| {
        Launch::su(folder.path()).gateway(gateway.url()).set("DATABASE_URL", postgres.url())
    };
    let (first, second) = (launch(&folder), launch(&other));
    let node = first.start();
    schedule(&node, 5).await;
    caught_up(&node).await;
    node.stop();
    copy_folder(&first.data(), &second.data());

    let (node, waiting) = (first.start(), second.start());
    caught_up_or_waits(&node, &waiting).await;
    let (node, waiting) = if trouble_now(&node).await { (waiting, node) } else { (node, waiting) };
    let told = trouble(&waiting, "waits").await;
    assert!(told.contains(&store_of(&node).await), "it does not say for which store: {told}");
    schedule(&waiting, 5).await;
    node.stop();
    caught_up(&waiting).await;
    waiting.stop();
}

#[tokio::test]
async fn tables_of_another_version_are_brought_up_to_date_or_left_alone() {
    let (folder, gateway, postgres) = (folder(), Gateway::start(), Postgres::start());
    let launch = Launch::su(folder.path()).gateway(gateway.url()).set("DATABASE_URL", postgres.url());
    let node = launch.start();
    schedule(&node, 5).await;
    caught_up(&node).await;
    node.stop();

    // As before the second migration: it is made up for.
    let pool = postgres.pool().await;
    pool.execute(
        "drop view public.messages, public.processes, quipu.compatible_messages, quipu.compatible_processes; \
         delete from quipu._sqlx_migrations where version >= 2",
    )
    .await
    .unwrap();
    let node = launch.start();
    schedule(&node, 5).await;
    caught_up(&node).await;
    node.stop();
    let shown: i64 = query_scalar("select count(*) from public.messages").fetch_one(&pool).await.unwrap();
    assert_eq!(shown, 10);

    // Rows whose meaning has changed since: somebody has to ask for others.
    pool.execute("update quipu.cursors set layout = 0").await.unwrap();
    let node = launch.start();
    let told = trouble(&node, "needs a rebuild").await;
    assert!(told.contains("quipu replay postgres"), "it does not say what to do: {told}");
    schedule(&node, 5).await;
    node.stop();
    pool.execute("update quipu.cursors set layout = 1").await.unwrap();

    // Tables of a newer version, which this one must not touch.
    pool.execute(
        "insert into quipu._sqlx_migrations (version, description, success, checksum, execution_time) \
         values (99990101, 'of tomorrow', true, '\\x00', 0)",
    )
    .await
    .unwrap();
    let node = launch.start();
    let told = trouble(&node, "99990101").await;
    assert!(told.contains("newer"), "it does not say what is wrong: {told}");
    schedule(&node, 5).await;
    node.stop();
    pool.execute("delete from quipu._sqlx_migrations where version = 99990101").await.unwrap();
    let node = launch.start();
    caught_up(&node).await;
    let store = store_of(&node).await;
    node.stop();
    assert_as_rebuilt(&launch, &postgres, &store).await;
}

#[tokio::test]
async fn a_node_stops_while_its_database_is_silent_or_away() {
    let (folder, gateway, mut postgres) = (folder(), Gateway::start(), Postgres::start());
    let launch = Launch::su(folder.path()).gateway(gateway.url()).set("DATABASE_URL", postgres.url());
    let node = launch.start();
    schedule(&node, 5).await;
    caught_up(&node).await;
    postgres.stop_answering();
    schedule(&node, 5).await;
    let stopping = Instant::now();
    node.stop();
    assert!(stopping.elapsed() < STOP_WITHIN, "it waited for the database: {:?}", stopping.elapsed());
    // Nobody is there to ask either: a free port is one where nobody listens.
    let nowhere = format!("postgres://quipu@127.0.0.1:{}/quipu", free_port());
    let node = launch.clone().set("DATABASE_URL", nowhere).start();
    schedule(&node, 5).await;
    node.stop();
    postgres.go_on();
    postgres.restart();
    let node = launch.start();
    caught_up(&node).await;
    node.stop();
}

/// Schedules a process and so many messages to it.
async fn schedule(node: &Node, messages: usize) {
    let (ledger, user) = (Ledger::default(), User::new(1));
    let process = ledger.spawn(&node.client(), &user, 1).await[0];
    ledger.send(&node.client(), &user, process, messages).await;
}

/// Waits until one of two nodes writes the tables and the other one says that it waits.
async fn caught_up_or_waits(one: &Node, other: &Node) {
    quipu_tests::until("one of the nodes waits", async || {
        (trouble_now(one).await != trouble_now(other).await).then_some(())
    })
    .await;
}

async fn trouble_now(node: &Node) -> bool {
    crate::tables::projection(node).await["error"].is_string()
}
