//! Queries without a database, with one that goes away, and with one that is shared.

use std::time::{Duration, Instant};

use quipu_tests::{Answer, Client, Gateway, Launch, Ledger, Postgres, User, until};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::folder;
use crate::tables::{caught_up, trouble};

const NOBODY: &str = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA";
const LIST: &str = "{ transactions(first: 1000) { edges { node { id } } } }";

#[tokio::test]
async fn without_a_database_all_else_is_answered() {
    let (folder, gateway) = (folder(), Gateway::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let client = node.client();
    client.schedule(&User::new(1).process()).await;
    for answer in ask_all(&client).await {
        assert_eq!(answer.refusal(503), "unavailable");
        assert!(answer.text().contains("set DATABASE_URL"), "{}", answer.text());
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_goes_away_takes_only_the_queries_with_it() {
    let (folder, gateway, mut postgres) = (folder(), Gateway::start(), Postgres::start());
    let launch = Launch::su(folder.path()).gateway(gateway.url()).unset("UPLOAD_NODE_URL");
    let node = launch.set("DATABASE_URL", postgres.url()).start();
    let (client, ledger, user) = (node.client(), Ledger::default(), User::new(1));
    let process = ledger.spawn(&client, &user, 1).await[0];
    caught_up(&node).await;
    assert!(ask_all(&client).await.iter().all(|answer| answer.status == 200 || answer.status == 404));

    for refuses in [true, false] {
        if refuses {
            postgres.refuse();
        } else {
            postgres.stop_answering();
        }
        let started = Instant::now();
        let asking = tokio::spawn({
            let client = client.clone();
            async move { ask_all(&client).await }
        });
        ledger.send(&client, &user, process, 20).await;
        assert!(!asking.is_finished() || started.elapsed() < Duration::from_secs(25));
        for answer in asking.await.unwrap() {
            if answer.status == 200 {
                let answer: Value = answer.json();
                assert_eq!(answer["errors"][0]["extensions"]["code"], "unavailable", "{answer}");
            } else {
                assert_eq!(answer.refusal(503), "unavailable");
                assert!(answer.text().contains("database"), "{}", answer.text());
                // Where it is, and what it or its driver says, is for the operator alone.
                let hidden = ["127.0.0.1".to_owned(), postgres.port().to_string(), "os error".to_owned()];
                assert!(hidden.iter().all(|hidden| !answer.text().contains(hidden)), "{}", answer.text());
            }
        }
        assert!(started.elapsed() < Duration::from_secs(25), "{:?}", started.elapsed());
        if refuses {
            postgres.restart();
        } else {
            postgres.go_on();
        }
        caught_up(&node).await;
        until("queries are answered again", async || {
            let answer = client.get(&format!("/query/v1/totals?process={process}")).await;
            (answer.status == 200).then_some(())
        })
        .await;
    }
    let totals: Value = client.get(&format!("/query/v1/totals?process={process}")).await.json();
    assert_eq!(totals["scheduled"], 40);
    // Nothing is uploaded here, which is not the same as not being uploaded yet.
    let places: Value = client.get(&format!("/query/v1/items/{process}")).await.json();
    assert_eq!(places["items"][0]["uploaded"], Value::Null);
    assert_eq!(places["items"][0]["kind"], "spawned");
    let said = node.stop().stderr;
    let told = format!("127.0.0.1:{}", postgres.port());
    let line = said.lines().find(|line| line.contains("queries cannot be answered"));
    assert!(line.is_some_and(|line| line.contains(&told)), "the operator is not told where it is: {said}");
    assert!(said.contains("queries are answered again"), "{said}");
}

#[tokio::test]
async fn what_keeps_the_tables_back_is_not_told_to_everybody() {
    let (folder, gateway, postgres) = (folder(), Gateway::start(), Postgres::start());
    let launch = Launch::su(folder.path()).gateway(gateway.url());
    let node = launch.clone().set("DATABASE_URL", postgres.url()).start();
    node.client().schedule(&User::new(1).process()).await;
    caught_up(&node).await;
    node.stop();
    // What writes cannot log in; what reads can.
    let wrong = launch.set("DATABASE_URL", postgres.url_with("wrong", "quipu"));
    let node = wrong.set("DATABASE_READ_URL", postgres.url()).start();
    trouble(&node, "password authentication failed").await;
    let behind = node.client().get("/query/v1/totals?min-position=1000").await;
    assert_eq!(behind.refusal(503), "unavailable");
    assert!(behind.text().contains("Postgres does not follow the log for now"), "{}", behind.text());
    assert!(!behind.text().contains("password"), "{}", behind.text());
    node.stop();
}

#[tokio::test]
async fn a_server_that_does_not_tell_what_it_does_is_refused() {
    let (folder, gateway, postgres) = (folder(), Gateway::start(), Postgres::start());
    postgres.sql("postgres", "alter role quipu set track_activities = off");
    let launch = Launch::su(folder.path()).gateway(gateway.url());
    let node = launch.set("DATABASE_URL", postgres.url()).start();
    trouble(&node, "DATABASE_URL names a server that does not tell what its connections do").await;
    postgres.sql("postgres", "alter role quipu reset track_activities");
    caught_up(&node).await;
    node.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stores_that_share_a_database_do_not_see_each_other() {
    let (gateway, postgres, folders) = (Gateway::start(), Postgres::start(), [folder(), folder()]);
    let nodes = folders.each_ref().map(|folder| {
        Launch::su(folder.path()).gateway(gateway.url()).set("DATABASE_URL", postgres.url()).start()
    });
    let user = User::new(1);
    let mut own = Vec::new();
    for (number, node) in nodes.iter().enumerate() {
        let ledger = Ledger::default();
        let process = ledger.spawn(&node.client(), &user, 1).await[0];
        ledger.send(&node.client(), &user, process, 3 + number).await;
        own.push(process.to_string());
    }
    for (number, node) in nodes.iter().enumerate() {
        caught_up(node).await;
        let client = node.client();
        let (mine, foreign) = (&own[number], &own[1 - number]);
        let address =
            client.get(&format!("/processes/{mine}")).await.json::<Value>()["owner"]["address"].clone();
        let owner = address.as_str().unwrap();
        for (query, expected) in [
            ("messages".to_owned(), 4 + number),
            (format!("messages?owner={owner}"), 4 + number),
            ("messages?action=Test".to_owned(), 3 + number),
            (format!("messages?process={foreign}"), 0),
            (format!("messages?recipient={foreign}"), 0),
            (format!("messages?process={mine}&from-nonce=1&to-nonce=2"), 2),
            ("processes".to_owned(), 1),
            (format!("processes?owner={owner}&tag=Type:Process"), 1),
        ] {
            let list: Value = client.get(&format!("/query/v1/{query}")).await.json();
            let items = list["items"].as_array().unwrap();
            assert_eq!(items.len(), expected, "{query}");
            assert!(items.iter().all(|item| item["process"] == *mine), "{query}: {list}");
        }
        assert_eq!(client.get(&format!("/query/v1/items/{foreign}")).await.refusal(404), "not_found");
        assert_eq!(client.get(&format!("/query/v1/items/{mine}")).await.status, 200);
        let totals: Value = client.get("/query/v1/totals").await.json();
        assert_eq!((&totals["processes"], &totals["scheduled"]), (&json!(1), &json!(3 + number)));
        let totals: Value = client.get(&format!("/query/v1/totals?process={foreign}")).await.json();
        assert_eq!(totals["scheduled"], 0);
        let answer: Value = graphql(&client, LIST).await.json();
        assert_eq!(answer["data"]["transactions"]["edges"].as_array().unwrap().len(), 4 + number);
        let one = format!("{{ transaction(id: \"{foreign}\") {{ id }} }}");
        assert_eq!(graphql(&client, &one).await.json::<Value>()["data"], json!({ "transaction": null }));
    }
}

/// What each of the calls answers, all of them at once.
async fn ask_all(client: &Client) -> Vec<Answer> {
    let mut asked = JoinSet::new();
    for call in ["messages", "processes", "totals", "messages?min-position=0", &format!("items/{NOBODY}")] {
        let (client, path) = (client.clone(), format!("/query/v1/{call}"));
        asked.spawn(async move { client.get(&path).await });
    }
    let client = client.clone();
    asked.spawn(async move { graphql(&client, LIST).await });
    asked.join_all().await
}

async fn graphql(client: &Client, query: &str) -> Answer {
    let request = client.request(Method::POST, "/graphql");
    client.send(request.body(json!({ "query": query }).to_string())).await.unwrap()
}
