//! Lists of items that have as many tags as an item can have: they end early, and go on.

use quipu_tests::{Client, Gateway, Launch, Ledger, Postgres, User};
use serde_json::{Value, json};

use crate::folder;
use crate::tables::caught_up;

const MESSAGES: usize = 120;
/// Names of two letters and no values, of which as many fit into an item.
const TAGS: usize = 950;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_of_too_many_tags_ends_early_and_goes_on() {
    let (folder, gateway, postgres) = (folder(), Gateway::start(), Postgres::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).set("DATABASE_URL", postgres.url()).start();
    let (client, user, ledger) = (node.client(), User::new(1), Ledger::default());
    let process = ledger.spawn(&client, &user, 1).await[0];
    let letters = || "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".chars();
    let names: Vec<String> =
        letters().flat_map(|one| letters().map(move |two| format!("{one}{two}"))).take(TAGS).collect();
    let mut expected = vec![process.to_string()];
    for number in 0..MESSAGES {
        let mut tags = vec![("Type", "Message")];
        // Postgres takes no text with a NUL: such tags are elsewhere.
        tags.extend((number % 2 == 0).then_some(("\0", "")));
        tags.extend(names.iter().map(|name| (name.as_str(), "")));
        let message = user.item(Some(process), &tags, b"");
        ledger.schedule(&client, process, &message).await;
        expected.push(message.id.to_string());
    }
    caught_up(&node).await;
    for found in [listed(&client).await, in_graphql(&client).await] {
        let ids: Vec<_> = found.iter().flatten().map(|(id, _)| id.clone()).collect();
        assert_eq!(ids, expected);
        let tags = |of: &(String, usize)| of.1;
        assert!(
            found.iter().flatten().skip(1).all(|of| [TAGS + 3, TAGS + 4].contains(&tags(of))),
            "{found:?}"
        );
        let longest = found.iter().map(|page| page.iter().map(tags).sum::<usize>()).max().unwrap();
        assert!(found.len() > 1 && longest < 100 * TAGS, "{} pages of {longest} tags at most", found.len());
    }
    node.stop();
}

/// The id of each entry and how many tags it has, page by page.
type Pages = Vec<Vec<(String, usize)>>;

async fn listed(client: &Client) -> Pages {
    let (mut pages, mut cursor) = (Pages::new(), String::new());
    loop {
        let path = format!("/query/v1/messages?limit=1000&order=asc{cursor}");
        let page: Value = client.get(&path).await.json();
        pages.push(entries(&page["items"], |item| item));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return pages,
        }
    }
}

async fn in_graphql(client: &Client) -> Pages {
    let (mut pages, mut after) = (Pages::new(), Value::Null);
    loop {
        let query = "query ($after: String) { transactions(first: 1000, after: $after, sort: HEIGHT_ASC) \
                     { pageInfo { hasNextPage } edges { cursor node { id tags { name } } } } }";
        let question = json!({ "query": query, "variables": { "after": after } }).to_string();
        let answer: Value = client
            .send(client.request(reqwest::Method::POST, "/graphql").body(question))
            .await
            .unwrap()
            .json();
        let list = &answer["data"]["transactions"];
        pages.push(entries(&list["edges"], |edge| &edge["node"]));
        if list["pageInfo"]["hasNextPage"] == false {
            return pages;
        }
        after = list["edges"].as_array().and_then(|edges| edges.last()).unwrap()["cursor"].clone();
    }
}

fn entries(list: &Value, node: impl Fn(&Value) -> &Value) -> Vec<(String, usize)> {
    let entry = |item: &Value| {
        let node = node(item);
        (node["id"].as_str().unwrap().to_owned(), node["tags"].as_array().unwrap().len())
    };
    list.as_array().unwrap_or_else(|| panic!("{list}")).iter().map(entry).collect()
}
