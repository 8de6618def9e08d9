//! Clients that are gone before they are answered.

use std::time::Duration;

use quipu_tests::{Gateway, Launch, Ledger, User, read_history};
use rand::Rng;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::folder;

#[tokio::test]
async fn a_message_whose_client_hangs_up_is_scheduled_wholly_or_not_at_all() {
    let (folder, gateway) = (folder(), Gateway::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let (client, ledger, user) = (node.client(), Ledger::default(), User::new(1));
    let process = ledger.spawn(&client, &user, 1).await[0];

    let (mut halves, mut wholes) = (Vec::new(), Vec::new());
    for number in 0..100 {
        let message = user.message(process, &[b'a'; 2000]);
        ledger.post(process, &message);
        let head =
            format!("POST / HTTP/1.1\r\nhost: node\r\ncontent-length: {}\r\n\r\n", message.bytes.len());
        let is_half = number % 2 == 0;
        let sent = if is_half { &message.bytes[..message.bytes.len() / 2] } else { &message.bytes[..] };
        let mut socket = TcpStream::connect(node.public()).await.unwrap();
        socket.write_all(head.as_bytes()).await.unwrap();
        socket.write_all(sent).await.unwrap();
        // Just sent, or about to be answered: any of it may be cut off.
        // More and more later, for a machine that has other things to do.
        sleep(Duration::from_micros(rand::rng().random_range(0..4000 * (1 + number / 10)))).await;
        drop(socket);
        if is_half { &mut halves } else { &mut wholes }.push(message.id.to_string());
    }
    // Others go on in between, and what is asked for is in the order in which it was sent.
    ledger.send(&client, &user, process, 20).await;

    ledger.check(&client, 4).await;
    let history = read_history(&client, process, 1000).await;
    let there: Vec<_> = history.into_iter().filter_map(|edge| Some(edge.node.message?.id)).collect();
    assert!(halves.iter().all(|id| !there.contains(id)), "half a message was scheduled");
    assert!(wholes.iter().any(|id| there.contains(id)), "no client was gone after its message was taken");
    for id in halves.iter().chain(&wholes) {
        let found = client.get(&format!("/{id}?process-id={process}")).await.status;
        let expected = if there.contains(id) { 200 } else { 404 };
        assert_eq!(found, expected, "{id} is in the schedule or not, but asked for it is otherwise");
    }
}
