//! Whole requests as clients put them on the wire, with all the headers that fetch adds by itself.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use bytes::Bytes;
use flate2::read::GzDecoder;
use protocol::ProcessId;
use serde_json::{Value, json};
use testing::{SampleUser, id_of};
use tokio::task::spawn_blocking;

use super::spawn;
use crate::node::{TestListener, TestNode};

/// What fetch of Node 20 adds to each request.
const FETCH: &str = "connection: keep-alive\r\naccept-language: *\r\nsec-fetch-mode: cors\r\nuser-agent: node\r\n\
                     accept-encoding: gzip, deflate\r\n";
/// What the MU and wao say of an item.
const ANS104: &str = "content-type: application/ans104\r\ncodec-device: ans104@1.0\r\naccept: */*";
/// The same as aoconnect 0.0.98 spells it.
const AOCONNECT: &str = "Content-Type: application/ans104\r\ncodec-device: ans104@1.0\r\naccept: */*";

/// What was answered.
struct Replayed {
    head: String,
    body: Vec<u8>,
}

impl Replayed {
    /// Reads the answer as a client does.
    fn read(socket: TcpStream) -> Self {
        let mut reader = BufReader::new(socket);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut head).unwrap() > 0, "it ends within {head}");
        }
        let length = |text: &str| head.split(text).nth(1)?.split("\r\n").next()?.trim().parse().ok();
        let mut body = Vec::new();
        match length("\r\ncontent-length:") {
            Some(length) => {
                reader.take(length).read_to_end(&mut body).unwrap();
            }
            None => body = chunks(&mut reader),
        }
        if head.contains("\r\ncontent-encoding: gzip\r\n") {
            let mut plain = Vec::new();
            GzDecoder::new(&body[..]).read_to_end(&mut plain).unwrap();
            body = plain;
        }
        Self { head, body }
    }

    fn is(&self, status: u16, kind: &str) -> bool {
        let (head, kind) = (&self.head, format!("\r\ncontent-type: {kind}"));
        head.starts_with(&format!("HTTP/1.1 {status} ")) && head.contains(&kind)
    }

    /// What fetch makes of it.
    fn json(&self) -> Value {
        assert!(self.is(200, "application/json"), "{}", self.head);
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A body in pieces, put together.
fn chunks(reader: &mut impl BufRead) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let length = u64::from_str_radix(line.trim(), 16).unwrap();
        reader.by_ref().take(length).read_to_end(&mut body).unwrap();
        reader.read_line(&mut line).unwrap();
        if length == 0 {
            return body;
        }
    }
}

/// What is answered to a request whose first lines are these.
async fn replay(at: &TestListener, head: &str, body: Bytes) -> Replayed {
    let (address, head) = (at.url.strip_prefix("http://").unwrap().to_owned(), head.to_owned());
    let replaying = spawn_blocking(move || {
        let mut socket = TcpStream::connect(&address).unwrap();
        let length = format!("content-length: {}\r\n", body.len());
        let length = if body.is_empty() { "" } else { &length };
        socket.write_all(format!("{head}\r\nhost: {address}\r\n{FETCH}{length}\r\n").as_bytes()).unwrap();
        socket.write_all(&body).unwrap();
        Replayed::read(socket)
    });
    replaying.await.unwrap()
}

/// An item is written, and read as the MU does: it reads nothing but these, and takes nothing but 200.
async fn written(at: &TestListener, path: &str, item: &Bytes, process: ProcessId, slot: u64) {
    let told = replay(at, &format!("POST {path} HTTP/1.1\r\n{ANS104}"), item.clone()).await;
    let head = &told.head;
    for needed in [
        "HTTP/1.1 200 ",
        &format!("\r\nslot: {slot}\r\n"),
        &format!("\r\nprocess: {process}\r\n"),
        "\r\ntimestamp: ",
    ] {
        assert!(head.contains(needed), "{needed:?} of {head}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_message_unit_and_wao_write() {
    let (node, user) = (TestNode::start().await, SampleUser::new(1));
    let process = spawn(&node, &user).await;
    let message = user.message(process, &[("Variant", "ao.N.1")], "hi");
    // A spawn is written under its own id.
    let spawned = user.process(&[("Variant", "ao.N.1")], "another");
    let own = ProcessId::from(id_of(&spawned));
    for _ in 0..2 {
        written(&node.public, &format!("/{process}/~scheduler@1.0/schedule"), &message, process, 1).await;
        written(&node.public, &format!("/{own}/~scheduler@1.0/schedule"), &spawned, own, 0).await;
    }
    // And wao writes under the shorter path.
    written(&node.public, &format!("/{process}/schedule"), &message, process, 1).await;
}

/// The three requests of the compute unit that was written for HyperBEAM.
#[tokio::test(flavor = "multi_thread")]
async fn the_compute_unit_reads_the_process_the_clock_and_pages() {
    let (node, user) = (TestNode::start().await, SampleUser::new(1));
    let process = spawn(&node, &user).await;
    let mut ids = vec![process.to_string()];
    for number in 1..=3 {
        let message = user.message(process, &[("Variant", "ao.N.1")], number.to_string());
        written(&node.public, &format!("/{process}/~scheduler@1.0/schedule"), &message, process, number)
            .await;
        ids.push(id_of(&message).to_string());
    }
    let read = async |range: &str| {
        let query = format!("target={process}&{range}&accept=application%2Faos-2");
        let head = format!("GET /~scheduler@1.0/schedule?{query} HTTP/1.1\r\naccept: */*");
        replay(&node.public, &head, Bytes::new()).await.json()
    };
    let found = |page: &Value| -> Vec<String> {
        let edges = page["edges"].as_array().unwrap().iter();
        edges.map(|edge| edge["node"]["message"]["Id"].as_str().unwrap().to_owned()).collect()
    };
    // The process is the first edge, and has the type by which it is taken for one.
    let page = read("from=0&to=1&limit=1").await;
    let first = &page["edges"][0]["node"];
    let tags = first["message"]["Tags"].as_array().unwrap();
    assert!(tags.contains(&json!({ "name": "Type", "value": "Process" })), "{page}");
    assert_eq!(first["message"]["Id"], process.to_string());
    // Of the assignment it needs these, of which it makes numbers.
    let assigned = first["assignment"]["Tags"].as_array().unwrap();
    for name in ["Process", "Epoch", "Nonce", "Timestamp", "Block-Height", "Hash-Chain"] {
        assert!(assigned.iter().any(|tag| tag["name"] == name), "{name} of {page}");
    }
    // The clock.
    let info = read("from=0&to=0&limit=1").await["page_info"].clone();
    for name in ["timestamp", "block-height"] {
        let number = info[name].as_str().and_then(|text| text.parse::<u64>().ok());
        assert!(number.is_some(), "{name} of {info}");
    }
    // A page, and the one after it, which it asks to begin with the last entry.
    let page = read("from=0&to=2&limit=1000").await;
    assert_eq!((&found(&page)[..], &page["page_info"]["has_next_page"]), (&ids[..3], &json!(false)));
    let last = &page["edges"][2]["cursor"];
    assert_eq!(found(&read(&format!("from={last}&limit=1000")).await), ids[2..]);
}

/// It signs and posts also what it only asks: these are the tags of its items, in its order, and what it asks of other units.
#[tokio::test(flavor = "multi_thread")]
async fn aoconnect_writes_and_asks_for_the_slot() {
    let (node, user) = (TestNode::start().await, SampleUser::new(1));
    let process = spawn(&node, &user).await;
    let ends = [("Data-Protocol", "ao"), ("Type", "Message"), ("Variant", "ao.N.1")];
    let item = |target, starts: &[(&str, &str)], data: &str| {
        user.item(target, &[&[("signing-format", "ans104")], starts, &ends].concat(), data)
    };
    let post = async |path: &str, item: &Bytes| {
        replay(&node.public, &format!("POST /{process}{path} HTTP/1.1\r\n{AOCONNECT}"), item.clone()).await
    };
    // Its `request` names the process in the item, and its `results` does not.
    let bundled = ("accept-bundle", "true");
    let asked = [item(Some(process), &[], ""), item(None, &[bundled, ("accept-codec", "httpsig@1.0")], "")];
    let message = item(Some(process), &[("Action", "Ping")], "hi");
    for slot in ["0", "1", "1"] {
        for asked in &asked {
            let told = post("/slot/current", asked).await;
            assert!(told.is(200, "text/plain"), "{}", told.head);
            assert_eq!(told.body, slot.as_bytes());
        }
        let told = post("/~scheduler@1.0/schedule", &message).await;
        assert_eq!(told.json()["slot"], 1);
    }
    // What is to be computed, or pushed, is no affair of a scheduler's, and is not half taken.
    let json = ("require-codec", "application/json");
    let computed = item(None, &[bundled, json], "");
    let tags = [("Action", "Ping"), ("X", "2"), bundled, json];
    for (path, item) in
        [("/compute/results=1", computed), ("~process@1.0/push", item(Some(process), &tags, "hi"))]
    {
        let told = post(path, &item).await;
        assert!(told.is(404, "application/json"), "{path}: {}", told.head);
    }
    let told = post("/slot/current", &asked[0]).await;
    assert_eq!(told.body, b"1");
}

/// Lunar and wao, the payment device, and hb-explorer, which says its range in headers.
#[tokio::test(flavor = "multi_thread")]
async fn each_other_client_gets_what_it_reads() {
    let (node, user) = (TestNode::start().await, SampleUser::new(1));
    let process = spawn(&node, &user).await;
    let explorer = "accept: application/json\r\nrequire-codec: application/json\r\naccept-bundle: true";
    let aos2 = "accept=application/aos-2";
    for (path, more, kind, needed) in [
        (format!("/~scheduler@1.0/schedule?target={process}&{aos2}"), "accept: */*", "json", "\"cursor\":0"),
        (
            format!("/~scheduler@1.0/schedule?target={process}&from=0&to=9&{aos2}"),
            "accept: */*",
            "json",
            "\"cursor\":0",
        ),
        (format!("/{process}/slot"), "accept: */*", "json", "\"current\":0"),
        (
            format!("/{process}~process@1.0/schedule?from=0&to=1&{aos2}"),
            "accept: */*",
            "json",
            r#"{"name":"Nonce","value":"0"}"#,
        ),
        (format!("/{process}/slot/current"), explorer, "plain", "0"),
        (
            format!("/{process}/schedule"),
            &format!("{explorer}\r\nfrom: 0\r\nto: 1"),
            "json",
            "\"assignments\":{\"0\":",
        ),
    ] {
        let told = replay(&node.public, &format!("GET {path} HTTP/1.1\r\n{more}"), Bytes::new()).await;
        let kind = if kind == "json" { "application/json" } else { "text/plain" };
        assert!(told.is(200, kind), "{path}: {}", told.head);
        let body = String::from_utf8(told.body).unwrap();
        assert!(body.contains(needed), "{path}: {body}");
    }
}
