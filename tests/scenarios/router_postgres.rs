//! Routers that keep what they know in one Postgres, which goes and comes back; and what an existing router has there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ans104::Id;
use quipu_tests::{Client, Gateway, Launch, Node, Postgres, ReplicatedPostgres, User, until};
use tempfile::TempDir;

use crate::folder;
use crate::router::{has, home, member, node};

/// A router of its own folder that shares this database.
fn router(postgres: &Postgres, schedulers: &[&str]) -> (TempDir, Launch) {
    let folder = folder();
    let launch = Launch::router(folder.path(), schedulers).set("DATABASE_URL", postgres.url());
    (folder, launch)
}

/// Spawns each process through both routers at once, until it is told to stop; what was acknowledged.
async fn spawn_on(urls: [String; 2], user: u8, stop: Arc<AtomicBool>) -> Vec<Id> {
    let (clients, user) = (urls.map(|url| Client::new(&url)), User::new(user));
    let mut spawned = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let process = user.process();
        let (one, two) = tokio::join!(
            clients[0].try_post(process.bytes.clone()),
            clients[1].try_post(process.bytes.clone())
        );
        if [&one, &two].iter().any(|answer| answer.as_ref().is_ok_and(|answer| answer.status == 200)) {
            spawned.push(process.id);
        } else {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    spawned
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_routers_agree_on_each_home_and_either_may_die() {
    let (gateway, postgres) = (Gateway::start(), Postgres::start());
    let nodes = [node(&gateway), node(&gateway)];
    let urls = [nodes[0].1.url(), nodes[1].1.url()];
    let launches = [router(&postgres, &[&urls[0], &urls[1]]), router(&postgres, &[&urls[1], &urls[0]])];
    let [first, second] = launches.each_ref().map(|(_, launch)| launch.serve());
    let stop = Arc::new(AtomicBool::new(false));
    let spawning: Vec<_> =
        (1..=3).map(|user| tokio::spawn(spawn_on([first.url(), second.url()], user, stop.clone()))).collect();
    let count = async || {
        postgres.sql("quipu", "select count(*) from quipu_router.homes").trim().parse::<u64>().unwrap()
    };
    until("processes are spawned", async || (count().await > 30).then_some(())).await;
    first.kill();
    let before = count().await;
    until("the other one goes on", async || (count().await > before + 30).then_some(())).await;
    stop.store(true, Ordering::Relaxed);
    let mut spawned = Vec::new();
    for task in spawning {
        spawned.extend(task.await.unwrap());
    }
    let first = launches[0].1.serve();
    assert!(spawned.len() > 20, "only {} were spawned", spawned.len());
    for process in spawned {
        let at = home(&first, process).await;
        assert_eq!(home(&second, process).await, at);
        for (_, node) in &nodes {
            assert_eq!(has(node, process).await, node.url() == at, "{process} is elsewhere than at {at}");
        }
    }
    // What one operator changes the other router knows soon.
    let retired = first.admin().request(reqwest::Method::POST, "/schedulers/retire");
    let retired = retired.json(&serde_json::json!({ "url": urls[0] }));
    assert_eq!(first.admin().send(retired).await.unwrap().status, 200);
    until("the other one knows", async || (member(&second, &urls[0]).await["retired"] == true).then_some(()))
        .await;
    // Homes, counts and events are one story.
    let differing = "select count(*) from quipu_router.schedulers s where processes <> \
                     (select count(*) from quipu_router.homes h where h.scheduler = s.number)";
    assert_eq!(postgres.sql("quipu", differing).trim(), "0");
    let events = "select (select count(*) from quipu_router.events where process is not null) - \
                  (select count(*) from quipu_router.homes)";
    assert_eq!(postgres.sql("quipu", events).trim(), "0");
    first.stop();
    second.stop();
}

#[tokio::test]
async fn what_is_known_goes_on_while_the_database_is_gone() {
    let (gateway, mut postgres) = (Gateway::start(), Postgres::start());
    let (_kept, node) = node(&gateway);
    let (_folder, launch) = router(&postgres, &[&node.url()]);
    let router = launch.serve();
    let (client, user) = (router.client(), User::new(1));
    let process = user.process();
    client.schedule(&process).await;
    for gone in [Postgres::kill, Postgres::refuse] {
        gone(&mut postgres);
        client.schedule(&user.message(process.id, b"meanwhile")).await;
        assert_eq!(client.get(&format!("/processes/{}", process.id)).await.status, 200);
        let new = user.process();
        let refused = client.post(new.bytes.clone()).await;
        assert_eq!(refused.refusal(503), "unavailable");
        assert!(refused.header("retry-after").is_some());
        assert_eq!(client.get("/health").await.status, 503);
        postgres.restart();
        until("processes are placed again", async || {
            (client.post(new.bytes.clone()).await.status == 200).then_some(())
        })
        .await;
        assert_eq!(client.get("/health").await.status, 200);
    }
    postgres.stop_answering();
    client.schedule(&user.message(process.id, b"while it hangs")).await;
    assert_eq!(client.post(user.process().bytes).await.refusal(503), "unavailable");
    postgres.go_on();
    router.stop();
}

/// As an existing router has it, with flags that are null, and rows of spawns that never were.
const EXISTING: &str = "
    create table schedulers (row_id serial primary key, url varchar unique not null, process_count integer not null,
        no_route boolean, wallets_to_route text, wallets_only boolean);
    create table process_schedulers (row_id serial primary key, process_id varchar unique not null,
        scheduler_row_id integer references schedulers (row_id));
    alter table schedulers owner to quipu; alter table process_schedulers owner to quipu;
";

#[tokio::test]
async fn what_an_existing_router_knows_is_taken_over_once() {
    let (gateway, postgres) = (Gateway::start(), Postgres::start());
    let nodes: [(TempDir, Node); 2] = [node(&gateway), node(&gateway)];
    let urls = [nodes[0].1.url(), nodes[1].1.url()];
    let users = User::new(1);
    let processes: Vec<_> = (0..6).map(|_| users.process()).collect();
    postgres.sql("quipu", EXISTING);
    for url in &urls {
        // With a slash at its end, as some have it.
        postgres.sql("quipu", &format!("insert into schedulers (url, process_count) values ('{url}/', 3)"));
    }
    for (number, process) in processes.iter().enumerate() {
        let scheduler = number % 2;
        nodes[scheduler].1.client().schedule(process).await;
        let row = format!(
            "insert into process_schedulers (process_id, scheduler_row_id) values ('{}', {})",
            process.id,
            scheduler + 1
        );
        postgres.sql("quipu", &row);
    }
    postgres
        .sql("quipu", "insert into process_schedulers (process_id, scheduler_row_id) values ('no id', 1)");
    let (_folder, launch) = router(&postgres, &[&urls[0]]);
    let router = launch.serve();
    let told = router.said("took over what the existing router has");
    for part in ["\"processes\":6", "\"left_out\":1", "\"schedulers\":2"] {
        assert!(told.contains(part), "{told}");
    }
    for (number, process) in processes.iter().enumerate() {
        assert_eq!(home(&router, process.id).await, urls[number % 2]);
        // Sent again it goes where it is, and gets the first answer.
        router.client().schedule(process).await;
    }
    for url in &urls {
        assert_eq!(member(&router, url).await["processes"], 3);
    }
    router.stop();
    // Not a second time.
    let router = launch.serve();
    assert!(!router.log().text().contains("took over"));
    assert_eq!(home(&router, processes[1].id).await, urls[1]);
    router.stop();
    assert_eq!(postgres.sql("quipu", "select count(*) from process_schedulers").trim(), "7");
}

#[tokio::test]
async fn a_router_that_starts_keeps_nobody_from_placing() {
    let (gateway, postgres) = (Gateway::start(), Postgres::start());
    let (_kept, node) = node(&gateway);
    let (_folder, launch) = router(&postgres, &[&node.url()]);
    let first = launch.serve();
    // As somebody does who makes a copy of all that is there.
    let mut reading = postgres.pool().await.begin().await.unwrap();
    for table in ["homes", "schedulers", "events", "locations", "turns", "identity"] {
        let read = sqlx::AssertSqlSafe(format!("select count(*) from quipu_router.{table}"));
        sqlx::raw_sql(read).execute(&mut *reading).await.unwrap();
    }
    let (_other_folder, launch) = router(&postgres, &[&node.url()]);
    let second = launch.serve();
    let user = User::new(1);
    for router in [&first, &second] {
        router.client().schedule(&user.process()).await;
    }
    reading.rollback().await.unwrap();
    first.stop();
    second.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_home_that_one_copy_alone_has_is_no_answer() {
    let (gateway, folder, mut postgres) = (Gateway::start(), folder(), ReplicatedPostgres::start().await);
    let nodes = [node(&gateway), node(&gateway)];
    let urls = [nodes[0].1.url(), nodes[1].1.url()];
    let launch = Launch::router(folder.path(), &[&urls[0], &urls[1]]).set("DATABASE_URL", postgres.url());
    let (router, user) = (launch.serve(), User::new(1));
    let client = router.client();
    client.schedule(&user.process()).await;
    let process = user.process();
    let refused = async || assert_eq!(client.post(process.bytes.clone()).await.refusal(503), "unavailable");
    postgres.stop_standbys();
    refused().await;
    // Whoever cancels the wait lets everybody see it, and it is in no other copy for that.
    until("it can be read", async || {
        let waits = "select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'";
        postgres.primary().sql("quipu", waits);
        (postgres.primary().sql("quipu", "select count(*) from quipu_router.homes") == "2").then_some(())
    })
    .await;
    refused().await;
    let path = format!("/processes/{}", process.id);
    assert_eq!(client.get(&path).await.refusal(503), "unavailable");
    // It is lost with its server.
    postgres.primary().stop_answering();
    postgres.go_on();
    postgres.fail_over().await;
    until("it is placed", async || (client.post(process.bytes.clone()).await.status == 200).then_some(()))
        .await;
    let home = home(&router, process.id).await;
    for (_, node) in &nodes {
        assert_eq!(has(node, process.id).await, node.url() == home);
    }
    router.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_router_that_freezes_keeps_no_other_from_placing() {
    let (gateway, postgres) = (Gateway::start(), Postgres::start());
    let (_kept, node) = node(&gateway);
    let launches = [router(&postgres, &[&node.url()]), router(&postgres, &[&node.url()])];
    let [first, second] = launches.each_ref().map(|(_, launch)| launch.serve());
    let user = User::new(1);
    let [frozen, other] = [user.process(), user.process()];
    first.client().schedule(&user.process()).await;
    // It waits for the row of the scheduler, and has that once it is frozen. Homes that name the row wait for none like this.
    let mut held = postgres.pool().await.begin().await.unwrap();
    let row = "select processes from quipu_router.schedulers for no key update";
    sqlx::raw_sql(row).execute(&mut *held).await.unwrap();
    let (client, bytes) = (first.client(), frozen.bytes.clone());
    let spawning = tokio::spawn(async move { client.try_post(bytes).await });
    until("it waits for the row", async || {
        let waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' \
                       and query like 'update quipu_router.schedulers set processes%'";
        (postgres.sql("quipu", waiting).trim() != "0").then_some(())
    })
    .await;
    first.signal("STOP");
    held.rollback().await.unwrap();
    let client = second.client();
    until("the other one places", async || {
        (client.post(other.bytes.clone()).await.status == 200).then_some(())
    })
    .await;
    first.signal("CONT");
    // Whatever its client was told: it is placed once.
    let _ = spawning.await.unwrap();
    until("the first one places", async || {
        (first.client().post(frozen.bytes.clone()).await.status == 200).then_some(())
    })
    .await;
    assert_eq!(postgres.sql("quipu", "select processes from quipu_router.schedulers").trim(), "3");
    first.stop();
    second.stop();
}
