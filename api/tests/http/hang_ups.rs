//! Clients that are gone before they are answered: their call ends with them.

use std::sync::Arc;

use poem::endpoint::make;
use poem::{Request, Response};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::time::{Duration, timeout};
use web::Limits;

use crate::node::TestListener;

const PATIENCE: Duration = Duration::from_secs(10);

/// What a call tells of itself.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Waits,
    Ended,
}

struct UntilEnd(UnboundedSender<Told>);

impl Drop for UntilEnd {
    fn drop(&mut self) {
        let _ = self.0.send(Told::Ended);
    }
}

/// A listener whose one call reads its body and answers never.
async fn listener() -> (TestListener, UnboundedReceiver<Told>) {
    let (tell, told) = mpsc::unbounded_channel();
    let tell = Arc::new(tell);
    let endpoint = make(move |mut request: Request| {
        let tell = UntilEnd(tell.as_ref().clone());
        async move {
            assert_eq!(request.take_body().into_bytes().await.unwrap(), "a body");
            tell.0.send(Told::Waits).unwrap();
            std::future::pending::<()>().await;
            drop(tell);
            Response::default()
        }
    });
    (TestListener::open(endpoint, Limits::default()).await, told)
}

async fn next(told: &mut UnboundedReceiver<Told>) -> Told {
    timeout(PATIENCE, told.recv()).await.expect("the call does not end").unwrap()
}

#[tokio::test]
async fn a_call_ends_when_its_connection_is_closed() {
    let (listener, mut told) = listener().await;
    for reset in [false, true] {
        let mut client = TcpStream::connect(listener.address).await.unwrap();
        client.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\n\r\na body").await.unwrap();
        assert_eq!(next(&mut told).await, Told::Waits);
        if reset {
            client.set_zero_linger().unwrap();
        }
        drop(client);
        assert_eq!(next(&mut told).await, Told::Ended, "reset: {reset}");
    }
}

#[tokio::test]
async fn a_call_ends_when_its_stream_does_or_the_connection_of_it() {
    let (listener, mut told) = listener().await;
    for whole in [false, true] {
        let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
        let post = || tokio::spawn(client.post(&listener.url).body("a body").send());
        let (first, second) = (post(), post());
        for _ in 0..2 {
            assert_eq!(next(&mut told).await, Told::Waits);
        }
        first.abort();
        if whole {
            second.abort();
            drop(client);
            assert_eq!(next(&mut told).await, Told::Ended, "both end with the connection");
        }
        assert_eq!(next(&mut told).await, Told::Ended, "the whole connection: {whole}");
        assert!(told.try_recv().is_err(), "another call ended with it");
        second.abort();
        if !whole {
            assert_eq!(next(&mut told).await, Told::Ended);
        }
    }
}
