//! `/graphql` on a node with a real database, held against a plain list of what was scheduled, and asked as the
//! tools of ao ask gateways.

use std::time::{Duration, Instant};

use ans104::base64url;
use quipu_tests::{Client, Launch};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::folder;
use crate::queries_world::{Known, TAGS, World, link, status};

const CASES: usize = 150;
const NOBODY: &str = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA";

/// Everything that can be asked of an item.
const WHOLE: &str = "fragment Whole on Transaction { id anchor signature recipient owner { address key } \
    fee { winston ar } quantity { winston ar } data { size type } tags { name value } \
    block { id height timestamp previous } ingested_at bundledIn { id } parent { id } }";

const LIST: &str = "query ($ids: [ID!], $owners: [String!], $recipients: [String!], $tags: [TagFilter!], \
    $ingested: RangeFilter, $first: Int, $after: String, $sort: SortOrder) { \
    transactions(ids: $ids, owners: $owners, recipients: $recipients, tags: $tags, ingested_at: $ingested, \
    first: $first, after: $after, sort: $sort) { pageInfo { hasNextPage } edges { cursor node { ...Whole } } count } } ";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_lists_what_is_scheduled_as_gateways_do() {
    let world = World::fill().await;
    every_argument_does_what_it_says(&world).await;
    many_values_multiply_nothing(&world).await;
    single_items_are_whole(&world).await;
    the_tools_of_ao_get_what_they_ask_for(&world).await;
    blocks_that_leave_nothing_out_are_taken(&world).await;
    what_is_asked_wrongly_is_told(&world).await;
    another_node_takes_it_for_its_gateway(&world).await;
}

async fn every_argument_does_what_it_says(world: &World) {
    let mut rng = StdRng::seed_from_u64(4);
    let items = world.matching(|known| known.kind != "assigned");
    let mut told = 0;
    for case in 0..CASES {
        // First each argument alone, then any of them together.
        let wanted =
            |rng: &mut StdRng, number| if case < 40 { case % 5 == number } else { rng.random_bool(0.35) };
        let (mut variables, mut expected) = (Map::new(), items.clone());
        let some: Vec<_> = items.choose_multiple(&mut rng, 5).cloned().collect();
        if wanted(&mut rng, 0) {
            let ids: Vec<_> = some.iter().map(|known| known.id.to_string()).collect();
            expected.retain(|known| ids.contains(&known.id.to_string()));
            variables.insert("ids".into(), json!(ids));
        }
        if wanted(&mut rng, 1) {
            let owners: Vec<_> = some[..rng.random_range(1..3)].iter().filter_map(Known::owner).collect();
            expected.retain(|known| owners.contains(&known.owner().unwrap()));
            variables.insert("owners".into(), json!([&owners[..], &[NOBODY.to_owned()]].concat()));
        }
        if wanted(&mut rng, 2) {
            let recipients: Vec<_> = some[..2]
                .iter()
                .map(|known| known.recipient().unwrap_or_else(|| NOBODY.to_owned()))
                .collect();
            expected
                .retain(|known| known.recipient().is_some_and(|recipient| recipients.contains(&recipient)));
            variables.insert("recipients".into(), json!(recipients));
        }
        if wanted(&mut rng, 3) {
            let filters = tag_filters(&mut rng);
            let has = |known: &Known, (name, values): &(&str, Vec<&str>)| {
                values.iter().any(|value| known.has(name, value))
            };
            expected.retain(|known| filters.iter().all(|filter| has(known, filter)));
            let filters: Vec<_> = filters
                .iter()
                .map(|(name, values)| json!({ "name": name, "values": values, "op": "EQ" }))
                .collect();
            variables.insert("tags".into(), json!(filters));
        }
        if wanted(&mut rng, 4) {
            let mut seconds = [some[0].timestamp / 1000, some[1].timestamp / 1000];
            seconds.sort_unstable();
            let [min, max] = seconds;
            expected.retain(|known| (min..=max).contains(&(known.timestamp / 1000)));
            variables.insert("ingested".into(), json!({ "min": min, "max": max }));
        }
        let sort =
            *["HEIGHT_ASC", "HEIGHT_DESC", "INGESTED_AT_ASC", "INGESTED_AT_DESC"].choose(&mut rng).unwrap();
        if sort.ends_with("DESC") {
            expected.reverse();
        }
        // Newest first is what one gets without asking.
        if sort != "HEIGHT_DESC" {
            variables.insert("sort".into(), json!(sort));
        }
        let found = read_list(&world.client, &variables, *[3, 10, 1000].choose(&mut rng).unwrap()).await;
        let expected: Vec<_> = expected.iter().map(node).collect();
        assert_eq!(found.len(), expected.len(), "{variables:?}");
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found, expected, "{variables:?}");
        }
        told += usize::from(!found.is_empty());
    }
    assert!(told > CASES / 3, "only {told} of {CASES} questions had an answer");
}

/// What somebody posts must not make the questions of others slow.
async fn many_values_multiply_nothing(world: &World) {
    let names = ["A", "B", "C", "D", "E", "F"];
    let values: Vec<_> = (0..15).map(|value| value.to_string()).collect();
    let tags = names.iter().flat_map(|name| values.iter().map(move |value| (*name, value.as_str())));
    let tags: Vec<_> = [("Type", "Message")].into_iter().chain(tags).collect();
    let message = world.users[0].item(Some(world.processes()[1]), &tags, b"");
    world.client.schedule(&message).await;
    in_postgres(world).await;
    let filters: Vec<_> = names.iter().map(|name| json!({ "name": name, "values": values })).collect();
    let owner = world.known[0].owner();
    let asked = json!({ "tags": filters, "owners": [owner, owner] });
    let started = Instant::now();
    let found = read_list(&world.client, asked.as_object().unwrap(), 3).await;
    assert_eq!(
        found.iter().map(|node| node["id"].as_str().unwrap()).collect::<Vec<_>>(),
        [message.id.to_string()]
    );
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

fn tag_filters(rng: &mut StdRng) -> Vec<(&'static str, Vec<&'static str>)> {
    let filters = 0..rng.random_range(1..3);
    filters
        .map(|_| {
            let (name, value) = *TAGS.choose(rng).unwrap();
            let others = TAGS.choose_multiple(rng, 3).map(|(_, value)| *value);
            (name, others.chain(rng.random_bool(0.8).then_some(value)).collect())
        })
        .collect()
}

/// The whole of a list, in pages of so many.
async fn read_list(client: &Client, variables: &Map<String, Value>, first: usize) -> Vec<Value> {
    let (mut all, mut variables) = (Vec::new(), variables.clone());
    // Ten when nobody says.
    if first != 10 {
        variables.insert("first".into(), json!(first));
    }
    loop {
        let answer = ask(client, &format!("{LIST}{WHOLE}"), json!(variables)).await;
        let list = &answer["transactions"];
        assert_eq!(list["count"], Value::Null);
        let edges = list["edges"].as_array().unwrap_or_else(|| panic!("{answer}"));
        all.extend(edges.iter().map(|edge| edge["node"].clone()));
        if list["pageInfo"]["hasNextPage"] == false {
            assert!(
                edges.len() <= first && (!edges.is_empty() || all.is_empty()),
                "an empty page at the end"
            );
            return all;
        }
        assert_eq!(edges.len(), first, "a page that is not the last is not full");
        variables.insert("after".into(), edges.last().unwrap()["cursor"].clone());
    }
}

/// An item as GraphQL shows it, from the bytes that were signed.
fn node(known: &Known) -> Value {
    let item = known.item().unwrap();
    let nothing = json!({ "winston": "0", "ar": "0.000000000000" });
    let tags: Vec<_> =
        known.tags().into_iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    let seconds = known.timestamp / 1000;
    json!({
        "id": known.id.to_string(),
        "anchor": item.anchor().map(|anchor| base64url::encode(anchor)).unwrap_or_default(),
        "signature": base64url::encode(item.signature()),
        "recipient": known.recipient().unwrap_or_default(),
        "owner": { "address": known.owner(), "key": base64url::encode(item.owner()) },
        "fee": nothing,
        "quantity": nothing,
        "data": { "size": item.data().len().to_string(), "type": null },
        "tags": tags,
        "block": { "id": "", "height": known.height, "timestamp": seconds, "previous": "" },
        "ingested_at": seconds,
        "bundledIn": null,
        "parent": null,
    })
}

async fn single_items_are_whole(world: &World) {
    let query = format!("query ($id: ID!) {{ transaction(id: $id) {{ ...Whole }} }} {WHOLE}");
    for known in [&world.known[0], &world.known[3], world.known.last().unwrap()] {
        let answer = ask(&world.client, &query, json!({ "id": known.id.to_string() })).await;
        assert_eq!(answer["transaction"], node(known));
        // As a link.
        let parameters =
            [("query", query.clone()), ("variables", json!({ "id": known.id.to_string() }).to_string())];
        let answer: Value = world.client.get(&link("/graphql", &parameters)).await.json();
        assert_eq!(answer["data"]["transaction"], node(known));
    }
    let on_chain = world.matching(|known| known.kind == "assigned");
    for absent in [NOBODY, "", "a\0b", "abc", &on_chain[0].id.to_string()] {
        let answer = ask(&world.client, &query, json!({ "id": absent })).await;
        assert_eq!(answer, json!({ "transaction": null }), "{absent:?}");
    }
    let typed = world.users[0].item(
        Some(world.processes()[0]),
        &[("Type", "Message"), ("content-type", "text/plain; charset=utf-8")],
        b"text",
    );
    world.client.schedule(&typed).await;
    in_postgres(world).await;
    let query = "{ transactions(first: 1) { edges { node { id data { type size } } } } }";
    let answer = ask(&world.client, query, Value::Null).await;
    let expected =
        json!({ "id": typed.id.to_string(), "data": { "type": "text/plain; charset=utf-8", "size": "4" } });
    assert_eq!(answer["transactions"]["edges"], json!([{ "node": expected }]));
}

/// Waits until Postgres has everything.
async fn in_postgres(world: &World) {
    let tail = status(&world.node).await["tail"].clone();
    world.client.get(&format!("/query/v1/totals?min-position={tail}")).await.json::<Value>();
}

/// The forms in which compute units, messenger units, the libraries for schedulers and explorers ask.
async fn the_tools_of_ao_get_what_they_ask_for(world: &World) {
    let process = &world.matching(|known| known.kind == "spawned")[2];
    let id = process.id.to_string();
    let tags = node(process)["tags"].clone();

    let query = "query Some($transactionIds: [ID!]!) { transactions(ids: $transactionIds) { edges { node { tags { \
                 name value } } } } }";
    let answer = ask(&world.client, query, json!({ "transactionIds": [id] })).await;
    assert_eq!(answer["transactions"]["edges"], json!([{ "node": { "tags": tags } }]));

    let query = "query Some($processIds: [ID!]!, $skipTags: Boolean!, $skipSignature: Boolean!, $skipAnchor: Boolean!) \
                 { transactions(ids: $processIds) { edges { node { id signature @skip (if: $skipSignature) \
                 anchor @skip (if: $skipAnchor) owner { address key } tags @skip (if: $skipTags) { name value } \
                 recipient } } } }";
    let skip = json!({ "processIds": [id], "skipTags": false, "skipSignature": true, "skipAnchor": true });
    let whole = node(process);
    let expected = json!({ "id": id, "owner": whole["owner"], "tags": tags, "recipient": "" });
    let answer = ask(&world.client, query, skip).await;
    assert_eq!(answer["transactions"]["edges"], json!([{ "node": expected }]));

    let query = "query Place ($owner: String!) {\n transactions (\n owners: [$owner]\n tags: [\n { name: \
                 \"Data-Protocol\", values: [\"ao\"] },\n { name: \"Type\", values: [\"Process\"] }\n ]\n # Only the \
                 newest\n sort: HEIGHT_DESC\n first: 1\n ) { edges { node { tags { name value } } } } }";
    let answer = ask(&world.client, query, json!({ "owner": process.owner() })).await;
    let newest = world.matching(|known| known.kind == "spawned" && known.owner() == process.owner());
    assert_eq!(
        answer["transactions"]["edges"],
        json!([{ "node": { "tags": node(newest.last().unwrap())["tags"] } }])
    );

    let query = "query Kept($owners: [String!]!, $processId: String!, $limit: Int!) { transactions(tags: [ { name: \
                 \"Process\", values: [$processId] } { name: \"Type\", values: [\"Checkpoint\"] } ], owners: $owners, \
                 first: $limit, sort: HEIGHT_DESC) { edges { node { id owner { address } tags { name value } } } } }";
    let answer = ask(&world.client, query, json!({ "owners": [NOBODY], "processId": id, "limit": 50 })).await;
    assert_eq!(answer, json!({ "transactions": { "edges": [] } }));

    let query = "query ($entityId: String!, $limit: Int!, $sortOrder: SortOrder!, $cursor: String) { transactions(sort: \
                 $sortOrder, first: $limit, after: $cursor, recipients: [$entityId], tags: [{ name: \"Data-Protocol\", \
                 values: [\"ao\"] }], ingested_at: { min: 1696107600 }) { count ...Fields __typename } } fragment Fields \
                 on TransactionConnection { edges { cursor __typename node { id ingested_at recipient block { timestamp \
                 height __typename } tags { name value __typename } data { size __typename } owner { address \
                 __typename } __typename } } }";
    let variables = json!({ "entityId": id, "limit": 3, "sortOrder": "INGESTED_AT_ASC", "cursor": "" });
    let answer = ask(&world.client, query, variables).await;
    let received = world.matching(|known| known.recipient().as_ref() == Some(&id));
    let ids: Vec<_> = received.iter().take(3).map(|known| known.id.to_string()).collect();
    let edges = answer["transactions"]["edges"].as_array().unwrap();
    assert_eq!(edges.iter().map(|edge| edge["node"]["id"].as_str().unwrap()).collect::<Vec<_>>(), ids);
    assert_eq!(edges[0]["node"]["__typename"], "Transaction");
}

/// Clients of gateways ask for all blocks in many ways.
async fn blocks_that_leave_nothing_out_are_taken(world: &World) {
    let all = ask(&world.client, "{ transactions { count } }", Value::Null).await;
    for block in [
        "null",
        "{}",
        "{ min: 0 }",
        "{ min: 0, max: null }",
        "{ min: null, max: null }",
        "{ max: 2147483647 }",
    ] {
        let query = format!("{{ transactions(block: {block}) {{ count }} }}");
        assert_eq!(ask(&world.client, &query, Value::Null).await, all, "{block}");
    }
    let query = "query ($block: RangeFilter) { transactions(block: $block) { count } }";
    let found = ask(&world.client, query, json!({ "block": { "min": 0, "max": null } })).await;
    assert_eq!(found, all);
}

async fn what_is_asked_wrongly_is_told(world: &World) {
    let whole = format!("transactions(first: 1000) {{ edges {{ cursor node {{ ...Whole }} }} }} }} {WHOLE}");
    let one = ask(&world.client, &format!("{{ {whole}"), Value::Null).await;
    assert!(one["transactions"]["edges"].as_array().unwrap().len() > 100, "a whole page may be asked for");
    for (query, expected) in [
        (format!("{{ a: transactions(first: 1000) {{ edges {{ node {{ ...Whole }} }} }} {whole}"), "complex"),
        ("{ a { a ".repeat(20), "deep"),
        ("{ transactions { edges { node { data { text } } } } }".into(), "text"),
        ("{ transactions(first: -5) { count } }".into(), "from 1 to 1000"),
        ("{ transactions(sort: HEIGHT_ASC, after: \"AQEAAAAAAAAABw\") { count } }".into(), "other order"),
        ("{ transactions(tags: [{ name: \"A\", values: [], op: NEQ }]) { count } }".into(), "NEQ"),
        ("{ transactions(block: { min: 1, max: 2 }) { count } }".into(), "ingested_at"),
        ("query ($a: String!) { transactions(owners: [$a]) { count } }".into(), "a"),
        ("nonsense".into(), "expected"),
    ] {
        let body = json!({ "query": query.clone() + &"}".repeat(if query.ends_with(' ') { 40 } else { 0 }) });
        let answer = post(&world.client, body).await;
        let message = answer["errors"][0]["message"].as_str().unwrap_or_else(|| panic!("{query}: {answer}"));
        assert!(message.contains(expected), "{query}: {message}");
        assert_eq!(answer["data"], Value::Null);
    }
    // One that fails takes nothing from the other.
    let answer =
        post(&world.client, json!({ "query": "{ __typename transaction(id: \"x\") { id } }" })).await;
    assert_eq!(answer, json!({ "data": { "__typename": "Query", "transaction": null } }));
}

/// The client that a scheduler has for gateways, asking this scheduler.
async fn another_node_takes_it_for_its_gateway(world: &World) {
    let folder = folder();
    let here = format!("{}/graphql", world.node.url());
    let launch = Launch::su(folder.path()).gateway(world.gateway.url()).set("GRAPHQL_URL", here);
    let node = launch.set("ENABLE_DEEP_HASH_CHECKS", "false").start();
    let (client, process) = (node.client(), world.users[0].process());
    client.schedule(&process).await;
    let assign = async |id: String| {
        let path = format!("/?process-id={}&assign={id}", process.id);
        client.send(client.request(Method::POST, &path)).await.unwrap()
    };
    for known in [&world.known[1], &world.known[20]] {
        let answer = assign(known.id.to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_eq!(client.newest(process.id).await, 2);
    let answer = assign(NOBODY.to_owned()).await;
    assert_eq!(answer.refusal(404), "not_found");
}

/// What is answered to a question that must succeed.
async fn ask(client: &Client, query: &str, variables: Value) -> Value {
    let answer = post(client, json!({ "query": query, "variables": variables, "operationName": null })).await;
    assert_eq!(answer["errors"], Value::Null, "{query} {variables}: {answer}");
    answer["data"].clone()
}

async fn post(client: &Client, question: Value) -> Value {
    let request = client.request(Method::POST, "/graphql").header("content-type", "application/json");
    client.send(request.body(question.to_string())).await.unwrap().json()
}
