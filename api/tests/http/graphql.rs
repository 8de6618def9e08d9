//! GraphQL as far as it goes without a database: how questions come, what is refused, and how.

use api::ApiOptions;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use testing::RefusingPort;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{Duration, timeout};
use web::{Budget, Limits, Share};

use crate::node::{TestListener, TestNode, eventually};
use crate::queries;

const ALL: &str = "{ transactions { edges { node { id } } } }";
const ONE: &str = "{ transaction(id: \"a\") { id } }";

/// A listener whose database is down, and where that is not.
async fn listener(node: &TestNode) -> (TestListener, RefusingPort) {
    let port = RefusingPort::take();
    (queries::listener(node, &format!("postgres://nobody@{}/none", port.address())).await, port)
}

async fn post(node: &TestNode, url: &str, body: impl Into<reqwest::Body>) -> (StatusCode, Value) {
    let request = node.http.post(format!("{url}/graphql")).header("content-type", "application/json");
    let answer = request.body(body).send().await.unwrap();
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    assert_eq!(answer.headers()["content-type"], "application/json");
    (answer.status(), answer.json().await.unwrap())
}

async fn ask(node: &TestNode, url: &str, query: &str) -> Value {
    let (status, answer) = post(node, url, json!({ "query": query }).to_string()).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_database_it_says_what_it_needs() {
    let node = TestNode::start().await;
    let expected = json!({ "error": "queries need Postgres: set DATABASE_URL", "code": "unavailable" });
    let url = &node.public.url;
    let body = json!({ "query": ALL }).to_string();
    assert_eq!(post(&node, url, body).await, (StatusCode::SERVICE_UNAVAILABLE, expected.clone()));
    assert_eq!(node.get("/graphql?query={__typename}").await, (503, expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_question_is_refused() {
    let node = TestNode::start().await;
    let (listener, _port) = listener(&node).await;
    for body in
        ["", "{}", "[]", "null", "{\"query\": \" \"}", "{\"query\": 1}", "query", "[{\"query\": \"{a}\"}]"]
    {
        let (status, refusal) = post(&node, &listener.url, body).await;
        assert_eq!(
            (status.as_u16(), &refusal["code"]),
            (400, &json!("invalid_parameter")),
            "{body}: {refusal}"
        );
        assert!(refusal["error"].as_str().unwrap().contains("query, variables, operationName"), "{refusal}");
    }
    let long = json!({ "query": "a".repeat(300_000) }).to_string();
    let (status, refusal) = post(&node, &listener.url, long).await;
    assert_eq!((status.as_u16(), &refusal["code"]), (413, &json!("too_large")));
    for (query, status) in [("", 400), ("?query=", 400), ("?query={__typename}&variables=[1]", 400)] {
        let answer = node.http.get(format!("{}/graphql{query}", listener.url)).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{query}");
    }
    let answer = node.http.request(Method::DELETE, format!("{}/graphql", listener.url)).send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["allow"]),
        (405, &"GET, HEAD, POST, OPTIONS".parse().unwrap())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_a_question_say_what_was_expected() {
    let node = TestNode::start().await;
    let (listener, port) = listener(&node).await;
    let many = |count: usize| vec!["\"a\""; count].join(", ");
    let selects = "{ edges { node { id } } }";
    for (query, expected) in [
        ("{ transactions(first: -1) { count } }".to_owned(), "expected first from 1 to 1000"),
        ("{ transactions(first: 0) { count } }".into(), "expected a limit from 1 to 1000, found 0"),
        ("{ transactions(after: \"x\") { count } }".into(), "cursor"),
        ("{ transactions(tags: [{name: \"a\", values: [\"b\"], op: NEQ}]) { count } }".into(), "only EQ"),
        ("{ transactions(block: {min: 1}) { count } }".into(), "ingested_at"),
        ("{ transactions(bundledIn: [\"a\"]) { count } }".into(), "bundles"),
        (format!("{{ transactions(owners: [{}]) {{ count }} }}", many(101)), "at most 100 owners"),
        (format!("{{ transactions(recipients: [{}]) {{ count }} }}", many(101)), "at most 100 recipients"),
        ("{ transactions(sort: UP) { count } }".into(), "SortOrder"),
        ("{ transactions(first: \"1\") { count } }".into(), "first"),
        ("{ nothing }".into(), "nothing"),
        ("{ transactions".into(), "expected"),
        ("mutation { a }".into(), "mutation"),
        ("subscription { a }".into(), "subscription"),
        ("{ a { a } ".repeat(200), "braces"),
        ("{ a { a { a ".repeat(6) + &"}".repeat(18), "too deep"),
        (format!("{{ {} }}", "a ".repeat(2001)), "fields"),
        (
            format!(
                "{{ {} }}",
                (0..70).map(|n| format!("a{n}: transaction(id: \"a\") {{ id }} ")).collect::<String>()
            ),
            "complex",
        ),
        (
            format!(
                "{{ {} }}",
                (0..10).map(|n| format!("a{n}: transactions(first: 1000) {selects} ")).collect::<String>()
            ),
            "complex",
        ),
        (
            // Of an item's tags there can be many.
            format!(
                "{{ transactions(first: 300) {{ edges {{ node {{ {} }} }} }} }}",
                (0..15).map(|n| format!("t{n}: tags {{ name value }} ")).collect::<String>()
            ),
            "complex",
        ),
    ] {
        let answer = ask(&node, &listener.url, &query).await;
        assert!(answer["data"].is_null(), "{query}: {answer}");
        let message = answer["errors"][0]["message"].as_str().unwrap();
        assert!(message.to_lowercase().contains(&expected.to_lowercase()), "{query}: {answer}");
        assert!(
            !message.contains("127.0.0.1") && !message.contains(&port.number().to_string()),
            "{query}: {answer}"
        );
    }
}

/// Each waits for a connection as long as it may: so they are asked at the same time, and each of another node.
#[tokio::test(flavor = "multi_thread")]
async fn what_could_be_answered_but_for_the_database_is_said() {
    let node = TestNode::start().await;
    let ids = vec!["\"a\""; 1000].join(", ");
    let long = format!("{{ transactions(ids: [{ids}], first: 2147483647) {{ count }} }}");
    let questions = [(ALL, "transactions"), (&long, "transactions"), (ONE, "transaction")];
    let asked = questions.map(async |(query, field)| {
        let (listener, port) = listener(&node).await;
        let answer = ask(&node, &listener.url, query).await;
        assert!(answer["data"].is_null(), "{query}: {answer}");
        let error = &answer["errors"][0];
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("no connection was free"), "{query}: {answer}");
        assert!(
            !message.contains("127.0.0.1") && !message.contains(&port.number().to_string()),
            "{query}: {answer}"
        );
        assert_eq!(error["extensions"], json!({ "code": "unavailable" }), "{query}");
        assert_eq!(error["path"], json!([field]), "{query}");
    });
    futures_util::future::join_all(asked).await;
}

/// What is said of a question comes after there is room for it: read, it may be a hundred times as long.
#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_not_read_before_there_is_room_for_it() {
    let budget = Budget::new(64 << 20);
    let options = ApiOptions { budget: budget.clone(), ..ApiOptions::default() };
    let node = TestNode::start_with(options, Limits::default()).await;
    let (listener, _port) = listener(&node).await;
    let held = budget.try_claim(Share::Answers, budget.share(Share::Answers)).unwrap();
    let (status, refusal) = post(&node, &listener.url, "no JSON").await;
    assert_eq!((status.as_u16(), &refusal["code"]), (503, &json!("unavailable")), "{refusal}");
    let link =
        node.http.get(format!("{}/graphql?query=x&variables=none", listener.url)).send().await.unwrap();
    assert_eq!(link.status(), 503);
    drop(held);
    assert_eq!(post(&node, &listener.url, "no JSON").await.0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_ends_when_its_client_hangs_up() {
    let budget = Budget::new(64 << 20);
    let options = ApiOptions { budget: budget.clone(), ..ApiOptions::default() };
    let node = TestNode::start_with(options, Limits::default()).await;
    // A database that says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://nobody@{}/none", silent.local_addr().unwrap());
    let listener = queries::listener(&node, &url).await;
    let body = json!({ "query": ALL }).to_string();
    let ask = || tokio::spawn(node.http.post(format!("{}/graphql", listener.url)).body(body.clone()).send());
    let asked = [ask(), ask()];
    let mut reached = [silent.accept().await.unwrap().0, silent.accept().await.unwrap().0];
    let all = budget.share(Share::Answers);
    assert!(budget.try_claim(Share::Answers, all).is_none());
    asked.iter().for_each(JoinHandle::abort);
    // Left alone, each would wait for 5 seconds.
    let ended = async {
        for connection in &mut reached {
            connection.read_to_end(&mut Vec::new()).await.unwrap();
        }
        eventually("it is given back", || async { budget.try_claim(Share::Answers, all).is_some() }).await;
    };
    timeout(Duration::from_secs(3), ended).await.expect("the question goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_are_told_the_schema() {
    let node = TestNode::start().await;
    let (listener, _port) = listener(&node).await;
    let answer = ask(&node, &listener.url, INTROSPECTION).await;
    assert!(answer["errors"].is_null(), "{answer}");
    let types = answer["data"]["__schema"]["types"].as_array().unwrap();
    let names: Vec<_> = types.iter().filter_map(|kind| kind["name"].as_str()).collect();
    for name in ["Transaction", "TransactionConnection", "TagFilter", "SortOrder", "TagOperator"] {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
    // As a link, with variables and one of two operations.
    let link = reqwest::Url::parse_with_params(
        &format!("{}/graphql", listener.url),
        [
            (
                "query",
                "query A { __typename } query B($no: Boolean!) { transaction(id: 1) @skip(if: $no) { id } a: __typename }",
            ),
            ("variables", "{\"no\": true}"),
            ("operationName", "B"),
        ],
    );
    let answer: Value = node.http.get(link.unwrap()).send().await.unwrap().json().await.unwrap();
    assert_eq!(answer, json!({ "data": { "a": "Query" } }));
}

/// What the usual tools ask for the schema.
const INTROSPECTION: &str = "query IntrospectionQuery { __schema { queryType { name } mutationType { name } \
    subscriptionType { name } types { ...FullType } directives { name description locations args { ...InputValue } } } } \
    fragment FullType on __Type { kind name description fields(includeDeprecated: true) { name description \
    args { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason } inputFields { ...InputValue } \
    interfaces { ...TypeRef } enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } \
    possibleTypes { ...TypeRef } } \
    fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue } \
    fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name \
    ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } } } }";
