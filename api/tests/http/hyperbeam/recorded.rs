//! Whole requests as clients put them on the wire, with all the headers that fetch adds by itself.

use std::io::{Read, Write};
use std::net::TcpStream;

use bytes::Bytes;
use testing::SampleUser;
use tokio::task::spawn_blocking;

use super::spawn;
use crate::node::{TestListener, TestNode};

/// What fetch of Node 20 adds to each request.
const FETCH: &str = "connection: keep-alive\r\naccept-language: *\r\nsec-fetch-mode: cors\r\nuser-agent: node\r\n\
                     accept-encoding: gzip, deflate\r\n";

/// The head of what is answered to a request whose first lines are these.
async fn replay(at: &TestListener, head: String, body: Bytes) -> String {
    let address = at.url.strip_prefix("http://").unwrap().to_owned();
    let replaying = spawn_blocking(move || {
        let mut socket = TcpStream::connect(&address).unwrap();
        let length = format!("content-length: {}\r\n", body.len());
        let length = if body.is_empty() { "" } else { &length };
        socket.write_all(format!("{head}\r\nhost: {address}\r\n{FETCH}{length}\r\n").as_bytes()).unwrap();
        socket.write_all(&body).unwrap();
        let (mut told, mut byte) = (Vec::new(), [0]);
        while !told.ends_with(b"\r\n\r\n") {
            socket.read_exact(&mut byte).unwrap();
            told.push(byte[0]);
        }
        String::from_utf8(told).unwrap()
    });
    replaying.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_client_gets_what_it_reads() {
    let (node, user) = (TestNode::start().await, SampleUser::new(1));
    let process = spawn(&node, &user).await;
    let ans104 = "content-type: application/ans104\r\ncodec-device: ans104@1.0\r\naccept: */*";
    let message = user.message(process, &[("Variant", "ao.N.1")], "hi");
    // The MU reads nothing but these, and takes nothing but 200.
    let written = format!("POST /{process}/~scheduler@1.0/schedule HTTP/1.1\r\n{ans104}");
    for _ in 0..2 {
        let told = replay(&node.public, written.clone(), message.clone()).await;
        assert!(told.starts_with("HTTP/1.1 200 ") && told.contains("\r\nslot: 1\r\n"), "{told}");
        assert!(told.contains(&format!("\r\nprocess: {process}\r\n")), "{told}");
        assert!(told.contains("\r\ntimestamp: "), "{told}");
    }
    // The compute unit takes whatever can be read as JSON.
    let path = format!("target={process}&from=0&to=1&limit=2&accept=application%2Faos-2");
    let read = format!("GET /~scheduler@1.0/schedule?{path} HTTP/1.1\r\naccept: */*");
    let told = replay(&node.public, read, Bytes::new()).await;
    assert!(
        told.starts_with("HTTP/1.1 200 ") && told.contains("\r\ncontent-type: application/json"),
        "{told}"
    );
    // aoconnect signs and posts also what it only asks.
    let asked = user.item(
        None,
        &[("Data-Protocol", "ao"), ("Type", "Message"), ("Variant", "ao.N.1"), ("accept-bundle", "true")],
        "",
    );
    let current = format!("POST /{process}/slot/current HTTP/1.1\r\n{ans104}");
    for _ in 0..2 {
        let told = replay(&node.public, current.clone(), asked.clone()).await;
        assert!(told.starts_with("HTTP/1.1 200 ") && told.contains("\r\ncontent-length: 1\r\n"), "{told}");
    } // Lunar and wao, the payment device, and hb-explorer, which says its range in headers.
    let explorer = "accept: application/json\r\nrequire-codec: application/json\r\naccept-bundle: true";
    let aos2 = "accept=application/aos-2";
    for (path, more, kind) in [
        (format!("/~scheduler@1.0/schedule?target={process}&{aos2}"), "accept: */*", "application/json"),
        (
            format!("/~scheduler@1.0/schedule?target={process}&from=0&to=9&{aos2}"),
            "accept: */*",
            "application/json",
        ),
        (format!("/{process}/slot"), "accept: */*", "application/json"),
        (format!("/{process}~process@1.0/schedule?from=0&to=1&{aos2}"), "accept: */*", "application/json"),
        (format!("/{process}/slot/current"), explorer, "text/plain"),
        (format!("/{process}/schedule"), &format!("{explorer}\r\nfrom: 0\r\nto: 1"), "application/json"),
    ] {
        let told = replay(&node.public, format!("GET {path} HTTP/1.1\r\n{more}"), Bytes::new()).await;
        assert!(told.starts_with("HTTP/1.1 200 "), "{path}: {told}");
        assert!(told.contains(&format!("\r\ncontent-type: {kind}")), "{path}: {told}");
    }
    // And wao writes under the shorter path.
    let written = format!("POST /{process}/schedule HTTP/1.1\r\n{ans104}");
    let told = replay(&node.public, written, message).await;
    assert!(told.starts_with("HTTP/1.1 200 ") && told.contains("\r\nslot: 1\r\n"), "{told}");
}
