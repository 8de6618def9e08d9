//! Scheduling over HTTP: what is taken, what is refused and how, and that it can be read at once.

use ans104::{Draft, Ed25519Wallet, Tag};
use api::ApiOptions;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use web::Limits;

use crate::node::{ON_CHAIN, TestNode};

fn signed(kind: &str, target: Option<&[u8; 32]>, data: &[u8]) -> Vec<u8> {
    let tags = [
        Tag::new("Data-Protocol", "ao"),
        Tag::new("Type", kind),
        Tag::new("Module", "m"),
        Tag::new("Scheduler", "s"),
    ];
    Draft { target, anchor: None, tags: &tags, data }.sign(&Ed25519Wallet::from_seed([6; 32])).unwrap()
}

async fn spawned(node: &TestNode) -> (String, [u8; 32]) {
    let item = signed("Process", None, b"1984");
    let id = ans104::Item::parse(&item).unwrap().id();
    let (status, answer) = node.post("/", item).await;
    assert_eq!((status, &answer["id"]), (200, &json!(id.to_string())), "{answer}");
    assert!(answer["timestamp"].is_u64());
    (id.to_string(), *id.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_scheduled_can_be_read_at_once() {
    let node = TestNode::start().await;
    let (process, target) = spawned(&node).await;
    for number in 0..20 {
        let (status, answer) =
            node.post("/", signed("Message", Some(&target), format!("{number}").as_bytes())).await;
        assert_eq!(status, 200, "{answer}");
        let id = answer["id"].as_str().unwrap();
        let (status, entry) = node.get(&format!("/{id}?process-id={process}")).await;
        assert_eq!((status, &entry["message"]["data"]), (200, &json!(number.to_string())));
        assert_eq!(node.get(&format!("/{process}/latest")).await.1, entry);
        let page = node.get(&format!("/{process}?from-nonce={number}")).await.1;
        assert_eq!((&page["edges"][0]["node"], page["edges"].as_array().unwrap().len()), (&entry, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_have_a_code_and_a_status() {
    let node = TestNode::start().await;
    let (process, target) = spawned(&node).await;
    let message = signed("Message", Some(&target), b"once");
    assert_eq!(node.post("/", message.clone()).await.0, 200);
    let mut forged = signed("Message", Some(&target), b"forged");
    *forged.last_mut().unwrap() ^= 1;
    let assign = format!("/?process-id={process}&assign={ON_CHAIN}");
    let unknown = "A".repeat(42) + "E";
    for (path, body, status, code) in [
        ("/", b"this is no data item".to_vec(), 400, "malformed_item"),
        ("/", vec![], 400, "malformed_item"),
        ("/?assign=undefined", vec![], 400, "malformed_item"),
        ("/", forged, 400, "invalid_signature"),
        ("/", signed("Letter", Some(&target), b""), 400, "invalid_tag"),
        ("/", signed("Message", Some(&[1; 32]), b""), 400, "unknown_process"),
        ("/", message, 409, "duplicate_message"),
        (&format!("/?assign={ON_CHAIN}"), vec![], 400, "invalid_parameter"),
        (&format!("/?process-id={process}&assign=abc"), vec![], 400, "invalid_parameter"),
        (&format!("/?process-id=abc&assign={ON_CHAIN}"), vec![], 400, "invalid_parameter"),
        (&format!("/?process-id={process}&assign={unknown}"), vec![], 404, "not_found"),
        (&format!("{assign}&base-layer"), vec![], 400, "not_confirmed"),
    ] {
        let (answered, refusal) = node.post(path, body).await;
        assert_eq!((answered, refusal["code"].as_str()), (status, Some(code)), "{path}: {refusal}");
        assert!(refusal["error"].as_str().is_some_and(|text| !text.is_empty()), "{path}: {refusal}");
    }
    assert_eq!(node.get(&format!("/{process}?from-nonce=1")).await.1["edges"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn something_on_chain_is_assigned_with_its_exclusions() {
    let node = TestNode::start().await;
    let (process, _) = spawned(&node).await;
    let (status, answer) = node
        .post(
            &format!("/?process-id={process}&assign={ON_CHAIN}&exclude=data,,tags&base-layer=false"),
            vec![],
        )
        .await;
    assert_eq!(status, 200, "{answer}");
    let entry = node.get(&format!("/{ON_CHAIN}?process-id={process}")).await.1;
    assert_eq!((&entry["message"], &entry["assignment"]["id"]), (&Value::Null, &answer["id"]));
    let tags = entry["assignment"]["tags"].as_array().unwrap();
    let excluded: Vec<_> =
        tags.iter().filter(|tag| tag["name"] == "Exclude").map(|tag| &tag["value"]).collect();
    assert_eq!(excluded, ["data", "tags"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_taken_up_to_the_limit_and_refused_beyond() {
    let limit = 100_000;
    let node =
        TestNode::start_with(ApiOptions { max_body: limit, ..ApiOptions::default() }, Limits::default())
            .await;
    let (_, target) = spawned(&node).await;
    let empty = signed("Message", Some(&target), b"").len();
    let fits = signed("Message", Some(&target), &vec![b'x'; limit - empty]);
    assert_eq!((fits.len(), node.post("/", fits).await.0), (limit, 200));
    let too_long = signed("Message", Some(&target), &vec![b'x'; limit - empty + 1]);
    let (status, refusal) = node.post("/", too_long).await;
    assert_eq!((status, refusal["code"].as_str()), (413, Some("too_large")), "{refusal}");
    // Far beyond, the answer still arrives although the client is in the middle of sending.
    assert_eq!(node.post("/", vec![0; 30_000_000]).await.0, 413);
}

/// What a request, sent as it stands, is answered with, to the end of the connection or the first `until`.
async fn answered(node: &TestNode, request: &[u8], until: &str) -> String {
    let mut client = TcpStream::connect(node.public.address).await.unwrap();
    client.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    while !String::from_utf8_lossy(&answer).contains(until) {
        if client.read_buf(&mut answer).await.unwrap() == 0 {
            break;
        }
    }
    String::from_utf8(answer).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_length_beyond_the_limit_is_refused_before_the_body() {
    let node = TestNode::start().await;
    let announced = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10485761\r\n\r\n";
    let answer = answered(&node, announced, "too_large").await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.contains("access-control-allow-origin: *"), "{answer}");
    let waiting = b"POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 10485761\r\n\r\n";
    let answer = answered(&node, waiting, "too_large").await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_unknown_length_is_cut_at_the_limit() {
    let node =
        TestNode::start_with(ApiOptions { max_body: 1_000, ..ApiOptions::default() }, Limits::default())
            .await;
    let mut request = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..3 {
        request.extend_from_slice(format!("190\r\n{}\r\n", "x".repeat(400)).as_bytes());
    }
    let answer = answered(&node, &request, "too_large").await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_posted_without_parameters_is_answered_as_with_empty_ones() {
    let node = TestNode::start().await;
    let spawn = signed("Process", None, b"1984");
    assert_eq!(node.post("/", spawn.clone()).await.0, 200);
    for (item, status) in [(spawn, 200), (signed("Letter", None, b""), 400), (vec![0; 20 << 20], 413)] {
        let mut answers = Vec::new();
        for path in ["/", "/?assign="] {
            let length = item.len();
            let head = format!(
                "POST {path} HTTP/1.1\r\nhost: x\r\naccept-encoding: gzip\r\n\
                 content-length: {length}\r\n\r\n"
            );
            // What is too long is refused before it comes.
            let sent = [head.as_bytes(), if status == 413 { b"" } else { &item }].concat();
            let answer = answered(&node, &sent, "}").await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
            assert!(answer.contains("\r\ncontent-length: "), "it is short and there: {answer}");
            answers.push(
                answer.lines().filter(|line| !line.starts_with("date:")).collect::<Vec<_>>().join("\n"),
            );
        }
        assert_eq!(answers[0], answers[1]);
    }
}
