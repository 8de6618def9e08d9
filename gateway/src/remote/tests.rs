#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::time::Duration;

use ans104::deep_hash_blob;

use super::*;
use crate::{
    HEIGHT_MAX, TransactionOwner, Uploader,
    dev::{DevGateway, DevOptions},
    testing::{Act, Stub, endpoints, http, item, nobody},
};

const NAME: &str = "DFdbUxgkH-Fjr1vcIUEpwQxsqj-JoolbpWCnn_vBzqI";

fn id() -> Id {
    NAME.parse().unwrap()
}

async fn stub(acts: &'static [Act]) -> (Stub, HttpGateway) {
    let stub = Stub::start(acts).await;
    let gateway = HttpGateway::new(http(), endpoints(&stub.url));
    (stub, gateway)
}

#[tokio::test]
async fn the_development_gateway_tells_all_of_an_item() {
    let store = tempfile::tempdir().unwrap();
    let listen = "127.0.0.1:0".parse().unwrap();
    let block_every = Duration::from_secs(3600);
    let options = DevOptions { listen, store: store.path().to_owned(), block_every };
    let dev = DevGateway::start(options).await.unwrap();
    let url = Url::parse(&format!("http://{}/", dev.addr())).unwrap();
    let gateway = HttpGateway::new(http(), endpoints(&url));

    let bytes = item(&[("Type", "Message"), ("Größe", "\"1\"")], b"hello");
    let item = ans104::Item::parse(&bytes).unwrap();
    assert_eq!(gateway.confirmations(item.id()).await.unwrap(), None);
    assert_eq!(gateway.transaction(item.id()).await.unwrap(), None);
    assert_eq!(gateway.data_hash(item.id()).await.unwrap(), None);
    assert!(!gateway.exists(item.id()).await.unwrap());

    // What was not there a moment ago is asked for by somebody who does not remember.
    let gateway = HttpGateway::new(http(), endpoints(&url));
    Uploader::to_node(http(), &url).upload(bytes.clone()).await.unwrap();
    Uploader::to_cache(http(), &url).upload(bytes.clone()).await.unwrap();
    let height = gateway.network_height().await.unwrap();
    let depth = Confirmations { block_height: Some(height), number_of_confirmations: 1 };
    assert_eq!(gateway.confirmations(item.id()).await.unwrap(), Some(depth));
    assert_eq!(gateway.data_hash(item.id()).await.unwrap(), Some(deep_hash_blob(b"hello")));
    assert!(gateway.exists(item.id()).await.unwrap());
    let encode = ans104::base64url::encode;
    let told = Transaction {
        id: item.id(),
        signature: encode(item.signature()),
        anchor: encode(&[2; 32]),
        owner: TransactionOwner { key: encode(item.owner()), address: item.address().to_string() },
        tags: vec![("Type".into(), "Message".into()), ("Größe".into(), "\"1\"".into())],
        recipient: encode(&[1; 32]),
    };
    assert_eq!(gateway.transaction(item.id()).await.unwrap().as_deref(), Some(&told));
    dev.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_pending_transaction_has_no_block() {
    let (stub, gateway) = stub(&[Act::Answer(202, "", "Pending")]).await;
    let pending = Confirmations { block_height: None, number_of_confirmations: 0 };
    assert_eq!(gateway.confirmations(id()).await.unwrap(), Some(pending));
    assert!(stub.calls()[0].starts_with(&format!("GET /tx/{NAME}/status ")));
}

#[tokio::test]
async fn unexpected_answers_are_told() {
    let check = async |acts, part: &str| {
        let (stub, gateway) = stub(acts).await;
        let error = gateway.network_height().await.unwrap_err();
        assert!(matches!(error, GatewayError::Body { .. }), "{error:?}");
        assert!(error.to_string().contains(part), "{error}");
        assert_eq!(stub.calls().len(), 1, "asking again is of no use: {error}");
    };
    check(&[Act::Answer(200, "", "<html>hello")], "in: <html>hello").await;
    check(&[Act::Answer(200, "", "{}")], "missing field `height`").await;
    check(&[Act::Answer(200, "", r#"{"height": -1}"#)], "invalid value").await;
    check(&[Act::Answer(200, "", r#"{"height": 1000000000000}"#)], "beyond 999999999999").await;
    check(&[Act::Answer(404, "", "")], "no network info").await;
}

#[tokio::test]
async fn no_more_is_read_of_an_answer_than_it_can_have() {
    let deep = "[".repeat(10_000);
    let long: &'static str = format!(r#"{{"height":7,"more":"{}"}}"#, "x".repeat(20_000)).leak();
    let usual: &'static str = format!(r#"{{"height":7,"more":"{}"}}"#, "x".repeat(5_000)).leak();
    let deep: &'static str = format!(r#"{{"height":7,"more":{deep}"#).leak();
    let (_stub, gateway) = stub([Act::Answer(200, "", long)].to_vec().leak()).await;
    let error = gateway.network_height().await.unwrap_err();
    assert!(matches!(error, GatewayError::TooLarge { bytes_max: 16_384, .. }), "{error}");
    let (_stub, gateway) = stub([Act::Answer(200, "", deep)].to_vec().leak()).await;
    let error = gateway.network_height().await.unwrap_err();
    assert!(matches!(error, GatewayError::Body { cause: AnswerError::Json { .. }, .. }), "{error}");
    let (_stub, gateway) = stub([Act::Answer(200, "", usual)].to_vec().leak()).await;
    assert_eq!(gateway.network_height().await.unwrap(), 7);
    // As many tags as an item can have, each of which takes six bytes to be written.
    let tags = r#"{"name":"\u0001","value":"\u0001"},"#.repeat(1_365);
    let tags = tags.trim_end_matches(',');
    let node = format!(r#"{{"id":"{NAME}","owner":{{"address":""}},"tags":[{tags}]}}"#);
    let body: &'static str =
        format!(r#"{{"data":{{"transactions":{{"edges":[{{"node":{node}}}]}}}}}}"#).leak();
    let (_stub, gateway) = stub([Act::Answer(200, "", body)].to_vec().leak()).await;
    assert_eq!(gateway.transaction(id()).await.unwrap().unwrap().tags.len(), 1_365);
}

#[tokio::test]
async fn the_largest_height_is_taken() {
    let (_stub, gateway) = stub(&[Act::Answer(200, "", r#"{"height": 999999999999}"#)]).await;
    assert_eq!(gateway.network_height().await.unwrap(), HEIGHT_MAX);
}

#[tokio::test]
async fn the_query_has_the_id_in_its_text() {
    const NONE: &str = r#"{"data":{"transactions":{"edges":[]}}}"#;
    let stub = Stub::start(&[Act::Answer(200, "", NONE)]).await;
    for path in ["/", "/graphql", "/graphql/", "/p"] {
        let mut places = endpoints(&stub.url);
        places.graphql.set_path(path);
        let gateway = HttpGateway::new(http(), places);
        assert_eq!(gateway.transaction(id()).await.unwrap(), None);
    }
    let calls = stub.calls();
    for (call, path) in calls.iter().zip(["/graphql", "/graphql", "/graphql/", "/p/graphql"]) {
        assert!(call.starts_with(&format!("POST {path} ")), "{call}");
        let (_, body) = call.split_once("\r\n\r\n").unwrap();
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert!(body["query"].as_str().unwrap().contains(&format!("\"{NAME}\"")));
    }
}

#[tokio::test]
async fn transactions_are_read_as_gateways_write_them() {
    const SPARSE: &str = r#"{"data":{"transactions":{"edges":[{"node":{
        "id":"DFdbUxgkH-Fjr1vcIUEpwQxsqj-JoolbpWCnn_vBzqI","signature":null,"anchor":null,
        "owner":{"key":null,"address":"a"},"tags":[],"recipient":null}}]}}}"#;
    let (_stub, gateway) = stub(&[Act::Answer(200, "", SPARSE)]).await;
    let transaction = gateway.transaction(id()).await.unwrap().unwrap();
    assert_eq!(transaction.owner, TransactionOwner { key: String::new(), address: "a".into() });
    assert_eq!((transaction.signature.as_str(), transaction.anchor.as_str()), ("", ""));

    let another = Id::from_bytes([9; 32]);
    assert_eq!(gateway.transaction(another).await.unwrap(), None, "it is not what was asked for");
}

#[tokio::test]
async fn graphql_complaints_are_errors() {
    for (acts, part) in [
        (&[Act::Answer(200, "", r#"{"errors":[{"message":"too\nmuch"}]}"#)], "too much"),
        (&[Act::Answer(200, "", r#"{"data":null}"#)], "neither data nor errors"),
        (&[Act::Answer(404, "", "")], "no GraphQL"),
    ] {
        let (_stub, gateway) = stub(acts).await;
        let error = gateway.transaction(id()).await.unwrap_err();
        assert!(matches!(error, GatewayError::Body { .. }), "{error:?}");
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[tokio::test]
async fn any_gateway_of_the_list_may_know() {
    const YES: &[Act] = &[Act::Answer(200, "", "")];
    const NO: &[Act] = &[Act::Answer(404, "", "")];
    const FORBIDDEN: &[Act] = &[Act::Answer(403, "", "")];
    const BROKEN: &[Act] = &[Act::Answer(500, "", "")];
    let check = async |lists: &[&'static [Act]], expected: Option<bool>| {
        let mut places = endpoints(&nobody().await);
        places.heads = vec![nobody().await];
        for acts in lists {
            places.heads.push(Stub::start(acts).await.url);
        }
        let outcome = HttpGateway::new(http(), places).exists(id()).await;
        assert_eq!(outcome.as_ref().ok(), expected.as_ref(), "{lists:?}: {outcome:?}");
    };
    check(&[YES], Some(true)).await;
    check(&[NO, BROKEN, YES], Some(true)).await;
    check(&[NO], Some(false)).await;
    check(&[FORBIDDEN], Some(false)).await;
    check(&[NO, BROKEN], Some(false)).await;
    check(&[BROKEN], None).await;
    check(&[], None).await;
}

#[tokio::test]
async fn without_a_list_the_one_gateway_is_asked() {
    let (stub, gateway) = stub(&[Act::Answer(500, "", ""), Act::Answer(200, "", "")]).await;
    assert!(gateway.exists(id()).await.unwrap());
    assert!(stub.calls()[1].starts_with(&format!("HEAD /{NAME} ")));
}

#[tokio::test]
async fn many_are_asked_for_a_hundred_at_a_time() {
    let (stub, gateway) = stub(&[Act::Answer(
        200,
        "",
        r#"{"data":{"transactions":{"edges":[{"node":{"id":"DFdbUxgkH-Fjr1vcIUEpwQxsqj-JoolbpWCnn_vBzqI"}},
        {"node":{"id":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}},{"node":{"id":"no id"}}]}}}"#,
    )])
    .await;
    let mut ids: Vec<_> = (1..=150).map(|number| Id::from_bytes([number; 32])).collect();
    ids[120] = id();
    // Nobody asked for the others that are named.
    assert_eq!(gateway.known(&ids).await.unwrap(), HashSet::from([id()]));
    let calls = stub.calls();
    let asked: Vec<_> = calls.iter().map(|call| call.matches(r#"\""#).count() / 2).collect();
    assert_eq!(asked, [100, 50]);
    assert!(calls[0].contains("first: 100") && calls[0].starts_with("POST /graphql "), "{}", calls[0]);
    assert_eq!(gateway.known(&[]).await.unwrap(), HashSet::new());
    assert_eq!(stub.calls().len(), 2);

    let (_stub, blind) = self::stub(&[Act::Answer(200, "", r#"{"errors":[{"message":"no"}]}"#)]).await;
    assert!(blind.known(&ids).await.is_err());
}

#[tokio::test]
async fn an_assignment_is_asked_for_by_process_nonce_and_signer() {
    const FOUND: &[Act] = &[Act::Answer(
        200,
        "",
        r#"{"data":{"transactions":{"edges":[{"node":{"id":"DFdbUxgkH-Fjr1vcIUEpwQxsqj-JoolbpWCnn_vBzqI"}}]}}}"#,
    )];
    let (stub, gateway) = stub(FOUND).await;
    let by = [3, 4].map(|number| ans104::Address::from_bytes([number; 32]));
    assert!(gateway.is_assigned(id(), 7..=9, &by).await.unwrap());
    let call = &stub.calls()[0];
    let owners = format!(r#"owners: [\"{}\", \"{}\"]"#, by[0], by[1]);
    let nonces = r#"name: \"Nonce\", values: [\"7\", \"8\", \"9\"]"#;
    for part in [&id().to_string(), &owners, nonces, "Assignment"] {
        assert!(call.contains(part), "{part}: {call}");
    }
    const NONE: &[Act] = &[Act::Answer(200, "", r#"{"data":{"transactions":{"edges":[]}}}"#)];
    let (_stub, gateway) = self::stub(NONE).await;
    assert!(!gateway.is_assigned(id(), 7..=7, &by).await.unwrap());
    let (_stub, blind) = self::stub(&[Act::Answer(200, "", r#"{"errors":[{"message":"no"}]}"#)]).await;
    assert!(blind.is_assigned(id(), 7..=7, &by).await.is_err());
}

#[tokio::test]
async fn one_question_is_asked_for_all_who_ask_it_at_a_time() {
    const HEAD: &[Act] = &[Act::Slow(200, "hello")];
    let (stub, gateway) = stub(HEAD).await;
    let asked: Vec<_> = (0..40).map(|_| gateway.data_hash(id())).collect();
    for hash in join_all(asked).await {
        assert_eq!(hash.unwrap(), Some(deep_hash_blob(b"hello")));
    }
    assert_eq!(gateway.data_hash(id()).await.unwrap(), Some(deep_hash_blob(b"hello")), "remembered");
    assert_eq!(stub.calls().len(), 1);
    assert!(stub.calls()[0].starts_with(&format!("GET /raw/{NAME} ")), "{}", stub.calls()[0]);
}

#[tokio::test]
async fn data_of_any_length_is_hashed_as_it_comes() {
    const LENGTH: usize = 40 * 1024 * 1024;
    let (stub, gateway) = stub(&[Act::Zeros(LENGTH)]).await;
    let hash = gateway.data_hash(id()).await.unwrap();
    assert_eq!(hash, Some(deep_hash_blob(&vec![0; LENGTH])));
    assert_eq!(stub.calls().len(), 1);
}

#[tokio::test]
async fn data_that_breaks_off_is_no_data() {
    for acts in [&[Act::Truncate], &[Act::Close]] {
        let (stub, gateway) = stub(acts).await;
        let error = gateway.data_hash(id()).await.unwrap_err();
        assert!(matches!(error, GatewayError::Unreachable { .. }), "{error:?}");
        assert_eq!(stub.calls().len(), 3, "it is asked for again: {acts:?}");
    }
}

#[tokio::test]
async fn other_gateways_are_asked_for_heights_and_the_same_one_is_not() {
    let main = Stub::start(&[Act::Answer(200, "", r#"{"height":7}"#)]).await;
    let mut places = endpoints(&main.url);
    places.heads = vec![main.url.clone(), nobody().await];
    for acts in [&[Act::Answer(200, "", r#"{"height":8}"#)], &[Act::Answer(200, "", "no")]] {
        places.heads.push(Stub::start(acts).await.url);
    }
    // One that is named twice confirms nothing that it said itself.
    places.heads.extend(places.heads.last().cloned());
    let gateway = HttpGateway::new(http(), places);
    assert_eq!(gateway.heights_elsewhere().await, OtherHeights { asked: 3, told: vec![8] });
    assert_eq!(main.calls().len(), 0);
}

#[tokio::test]
async fn small_transactions_are_remembered_and_large_ones_are_not() {
    // Tags take room also where they have no text.
    for (tags, tag_bytes, asked) in [(1, 4096, 1), (1, 100_000, 2), (5_000, 0, 2)] {
        let tag = serde_json::json!({ "name": "", "value": "v".repeat(tag_bytes) });
        let node = serde_json::json!({
            "id": NAME, "signature": null, "anchor": null, "owner": { "key": null, "address": "a" },
            "tags": vec![tag; tags], "recipient": null,
        });
        let answer = serde_json::json!({ "data": { "transactions": { "edges": [{ "node": node }] } } });
        let answer: &'static str = Box::leak(answer.to_string().into_boxed_str());
        let (stub, gateway) = stub(Box::leak(Box::new([Act::Answer(200, "", answer)]))).await;
        for _ in 0..2 {
            assert!(gateway.transaction(id()).await.unwrap().is_some());
        }
        assert_eq!(stub.calls().len(), asked, "{tags} tags of {tag_bytes} bytes");
    }
}
