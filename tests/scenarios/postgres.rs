//! The Postgres projection: what is scheduled arrives, as it was, and in the form that older tools read.

use ans104::{Id, base64url};
use quipu_tests::{Client, Gateway, Launch, Ledger, Postgres, User, read_history};
use reqwest::Method;
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{PgPool, query_as, query_scalar};

use crate::folder;
use crate::tables::{assert_as_rebuilt, caught_up, rows, store_of};

type Tags<'a> = &'a [(&'a str, &'a str)];

/// What Postgres has of a message: the id, who signed it, its time, its data, its signature.
type Row = (String, String, i64, Vec<u8>, Vec<u8>);

#[tokio::test]
async fn everything_scheduled_arrives_as_it_was() {
    let (folder, gateway, postgres) = (folder(), Gateway::start(), Postgres::start());
    let launch = Launch::su(folder.path()).gateway(gateway.url()).set("DATABASE_URL", postgres.url());
    let node = launch.start();
    let (client, ledger, user) = (node.client(), Ledger::default(), User::new(1));
    let process = ledger.spawn(&client, &user, 1).await[0];
    let kinds: [(Tags<'_>, &[u8]); 6] = [
        (&[("Action", "Plain")], b"plain"),
        (&[("Action", "\"quoted\" \\ \u{1f9f6} \n\t\u{7f}")], "kn\u{f6}tchen".as_bytes()),
        (&[("Action", "Binary")], b"\0\xff\xfe\0binary"),
        (&[("Action", "Text with NUL")], b"a\0b"),
        (&[("Nul", "a\0b"), ("Nul\0", "")], b"tags with NUL"),
        (&[], b""),
    ];
    for (tags, data) in kinds {
        let tags = [&[("Type", "Message")], tags].concat();
        let message = user.item(Some(process), &tags, data);
        ledger.schedule(&client, process, &message).await;
    }
    ledger.schedule(&client, process, &user.pushed(process, b"no anchor", "x")).await;
    caught_up(&node).await;

    let pool = postgres.pool().await;
    for edge in read_history(&client, process, 100).await {
        let nonce = edge.node.nonce() as i64;
        let (message, assignment) = (edge.node.message.unwrap(), edge.node.assignment.unwrap());
        let sql = "select id, owner, timestamp, data, signature from quipu.messages where process = $1 and nonce = $2";
        let row: Row =
            query_as(sql).bind(process.to_string()).bind(nonce).fetch_one(&pool).await.expect("it arrived");
        let posted = &ledger.account(process).posted[&message.id.parse::<Id>().unwrap()];
        let item = ans104::Item::parse(posted).unwrap();
        assert_eq!(row.0, message.id);
        assert_eq!(row.1, message.owner.address);
        assert_eq!(Some(row.2 as u64), assignment.number("Timestamp"));
        assert_eq!(row.3, item.data(), "nonce {nonce}");
        assert_eq!(base64url::encode(&row.4), message.signature);
        let sql = "select array_agg(name order by place) from quipu.tags join quipu.messages m using (store, sequence) \
                   where m.process = $1 and m.nonce = $2";
        let names: Option<Vec<Vec<u8>>> =
            query_scalar(sql).bind(process.to_string()).bind(nonce).fetch_one(&pool).await.unwrap();
        let expected: Vec<_> = item.tags().map(|tag| tag.unwrap().name.as_bytes().to_vec()).collect();
        assert_eq!(names.unwrap_or_default(), expected);
        let sql = "select hash_chain from quipu.assignments where id = $1";
        let chain: String = query_scalar(sql).bind(&assignment.id).fetch_one(&pool).await.unwrap();
        assert_eq!(Some(chain.as_str()), assignment.tag("Hash-Chain"));
    }
    let keys: i64 = query_scalar("select count(*) from quipu.tags where key = quipu.tag_key(name, value)")
        .fetch_one(&pool)
        .await
        .unwrap();
    let tags: i64 = query_scalar("select count(*) from quipu.tags").fetch_one(&pool).await.unwrap();
    assert_eq!(keys, tags, "every tag is found by the key that the database makes of it");
    let store = store_of(&node).await;
    node.stop();
    assert_as_rebuilt(&launch, &postgres, &store).await;
}

#[tokio::test]
async fn the_compatible_views_show_what_the_node_answers() {
    let (folder, gateway, postgres) = (folder(), Gateway::start(), Postgres::start());
    let launch = Launch::su(folder.path()).gateway(gateway.url()).set("DATABASE_URL", postgres.url());
    let node = launch.start();
    let (client, user) = (node.client(), User::new(1));
    let spawn = user.process();
    let process = spawn.id;
    client.schedule(&spawn).await;
    for data in ["plain", "", "\"quoted\" \\ \n \u{1f9f6}"] {
        client.schedule(&user.message(process, data.as_bytes())).await;
    }
    client.schedule(&user.pushed(process, b"no anchor", "x")).await;
    let on_chain = user.message(process, b"on chain");
    let arweave = Client::new(gateway.url());
    let sent = arweave.send(arweave.request(Method::POST, "/tx").body(on_chain.bytes.clone())).await.unwrap();
    assert_eq!(sent.status, 200);
    let assign = format!("/?process-id={process}&assign={}", on_chain.id);
    let assigned = client.send(client.request(Method::POST, &assign)).await.unwrap();
    assert_eq!(assigned.status, 200, "{}", assigned.text());
    // JSON cannot hold these two.
    client.schedule(&user.message(process, b"\0")).await;
    client.schedule(&user.item(Some(process), &[("Type", "Message"), ("Nul", "\0")], b"")).await;
    caught_up(&node).await;

    let pool = postgres.pool().await;
    let page: Value = client.get(&format!("/{process}?process-id={process}")).await.json();
    let edges = page["edges"].as_array().unwrap();
    assert_eq!(edges.len(), 8);
    for (nonce, edge) in edges.iter().enumerate().skip(1) {
        let shown = view(&pool, "message", process, nonce as i64).await;
        if nonce < 6 {
            assert_eq!(shown.as_ref(), Some(&edge["node"]), "nonce {nonce}");
        } else {
            assert_eq!(shown, None, "nonce {nonce}");
        }
    }
    let shown = view(&pool, "process", process, 0).await.expect("JSON can hold it");
    let process: Value = client.get(&format!("/processes/{process}")).await.json();
    assert_eq!(shown["process"], process);
    assert_eq!(shown["assignment"], edges[0]["node"]["assignment"]);
}

#[tokio::test]
async fn two_stores_share_a_database() {
    let (gateway, postgres) = (Gateway::start(), Postgres::start());
    let folders = [folder(), folder()];
    let launches = folders
        .each_ref()
        .map(|folder| Launch::su(folder.path()).gateway(gateway.url()).set("DATABASE_URL", postgres.url()));
    let nodes = launches.each_ref().map(Launch::start);
    let ledgers = [Ledger::default(), Ledger::default()];
    for (number, (node, ledger)) in nodes.iter().zip(&ledgers).enumerate() {
        let user = User::new(number as u8);
        let process = ledger.spawn(&node.client(), &user, 1).await[0];
        ledger.send(&node.client(), &user, process, 10 + number).await;
    }
    let pool = postgres.pool().await;
    for (number, (node, launch)) in nodes.into_iter().zip(&launches).enumerate() {
        caught_up(&node).await;
        let store = store_of(&node).await;
        let messages = rows(&pool, &store).await.iter().filter(|row| row.starts_with("messages ")).count();
        assert_eq!(messages, 11 + number, "a store has other rows than its own");
        node.stop();
        assert_as_rebuilt(launch, &postgres, &store).await;
    }
    let distinct = "select count(distinct row_id) = count(*) from public.messages";
    assert!(query_scalar::<_, bool>(distinct).fetch_one(&pool).await.unwrap(), "two rows have one number");
}

/// The JSON of one row of a compatible view.
async fn view(pool: &PgPool, what: &'static str, process: Id, nonce: i64) -> Option<Value> {
    let sql = match what {
        "message" => "select message_data from public.messages where process_id = $1 and nonce = $2",
        _ => "select process_data from public.processes where process_id = $1 and nonce = $2",
    };
    let found = query_scalar(sql).bind(process.to_string()).bind(nonce).fetch_one(pool).await;
    found.map(|json: Option<Json<Value>>| json.map(|json| json.0)).expect("the view has the row")
}

#[tokio::test]
async fn queries_go_where_they_are_told_and_a_rebuild_needs_no_node() {
    let (folder, gateway, postgres) = (folder(), Gateway::start(), Postgres::start());
    let launch = Launch::su(folder.path()).gateway(gateway.url()).set("DATABASE_URL", postgres.url());
    let elsewhere = postgres.create_database("elsewhere");
    let node = launch.clone().set("DATABASE_READ_URL", elsewhere).start();
    let (ledger, user) = (Ledger::default(), User::new(1));
    let process = ledger.spawn(&node.client(), &user, 1).await[0];
    ledger.send(&node.client(), &user, process, 20).await;
    caught_up(&node).await;
    let refused = node.client().get("/query/v1/totals").await;
    assert_eq!(refused.refusal(503), "unavailable");
    assert!(refused.text().contains("the tables are not there yet"), "{}", refused.text());
    let store = store_of(&node).await;
    node.stop();

    let pool = postgres.pool().await;
    let before = rows(&pool, &store).await;
    sqlx::query("delete from quipu.messages where nonce = 7").execute(&pool).await.unwrap();
    let data = launch.data();
    let command = ["replay", "postgres", "--offline", "--su-data-dir", data.to_str().unwrap()];
    let rebuilt = Launch::command(folder.path(), &command).set("DATABASE_URL", postgres.url()).run();
    assert_eq!(rebuilt.code, Some(0), "{}{}", rebuilt.stdout, rebuilt.stderr);
    assert!(rebuilt.stdout.contains("postgres: 22 events in"), "{}", rebuilt.stdout);
    assert_eq!(rows(&pool, &store).await, before);

    let node = launch.set("DATABASE_READ_URL", postgres.url()).start();
    let totals: Value = node.client().get("/query/v1/totals").await.json();
    assert_eq!((&totals["processes"], &totals["scheduled"]), (&1.into(), &20.into()));
    node.stop();
}
