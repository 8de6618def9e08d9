//! How long a body may be.

use std::time::Duration;

use quipu_tests::{Gateway, Launch, User};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::folder;

const MAX: usize = 10 << 20;
const ANNOUNCED: usize = 1 << 30;
/// A client that is cut off while it sends does not see why, so a node may read on for a while. Not to the end.
const READ_ON_MAX: usize = 128 << 20;

#[tokio::test]
async fn an_item_of_just_the_longest_length_is_taken() {
    let (folder, gateway) = (folder(), Gateway::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let (client, user) = (node.client(), User::new(1));
    let process = user.process();
    client.schedule(&process).await;
    let around = user.message(process.id, b"").bytes.len();
    client.schedule(&user.message(process.id, &vec![b'x'; MAX - around])).await;
    let longer = user.message(process.id, &vec![b'x'; MAX - around + 1]);
    assert_eq!(client.post(longer.bytes).await.refusal(413), "too_large");
    assert_eq!(client.newest(process.id).await, 1);
    let page = client.page(process.id, "limit=10").await;
    let data = page.edges[1].node.message.as_ref().unwrap().data.as_ref().unwrap();
    assert_eq!(data.len(), MAX - around);
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_before_it_is_there() {
    let (folder, gateway) = (folder(), Gateway::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let announced = format!("content-length: {ANNOUNCED}\r\n");
    for (head, waits) in [
        (format!("{announced}expect: 100-continue\r\n"), true),
        (announced, false),
        ("transfer-encoding: chunked\r\n".to_owned(), false),
    ] {
        let mut socket = TcpStream::connect(node.public()).await.unwrap();
        socket.write_all(format!("POST / HTTP/1.1\r\nhost: node\r\n{head}\r\n").as_bytes()).await.unwrap();
        let (mut reader, mut writer) = socket.into_split();
        let sending = tokio::spawn(async move {
            let mut sent = 0;
            let chunk = [b"10000\r\n", &[b'x'; 0x10000][..], b"\r\n"].concat();
            while !waits && sent < ANNOUNCED && writer.write_all(&chunk).await.is_ok() {
                sent += chunk.len();
            }
            sent
        });
        let mut answer = vec![0; 4096];
        let read = timeout(Duration::from_secs(30), reader.read(&mut answer)).await;
        let answer = String::from_utf8_lossy(&answer[..read.expect("in time").unwrap()]).to_ascii_lowercase();
        assert!(answer.starts_with("http/1.1 413"), "{head}: {answer}");
        assert!(answer.contains("access-control-allow-origin: *"), "{head}: {answer}");
        // A browser or curl would stop here; this client goes on until it is cut off.
        let sent = timeout(Duration::from_secs(30), sending).await.expect("it is cut off").unwrap();
        assert!(sent < READ_ON_MAX, "{head}: {sent} bytes were read");
    }
    assert_eq!(node.client().get("/health").await.status, 200);
}
