#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::sync::Arc;
use std::time::Duration;

use limits::{ClientLimits, ClientOptions};
use poem::http::HeaderValue;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use web::Budget;

use super::*;
use crate::list::{ListedScheduler, SchedulerFlags};
use crate::options::{RouterMode, RouterOptions, StateOptions};

const STORE_TEXT: &str = "8764e767-2db3-40f5-8016-fc72a3c0996c";
const OTHER: &str = "1b4e28ba-2fa1-11d2-883f-0016d3cca427";

#[test]
fn all_of_it_is_told_or_nothing() {
    let read = |pairs: &[(HeaderName, &str)]| {
        let pairs = pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()));
        ToldLog::of(&HeaderMap::from_iter(pairs))
    };
    let told = read(&[(STORE, STORE_TEXT), (TERM, "3"), (ROLE, "leader")]).unwrap();
    assert!(told.leads() && told.term == Term(3) && told.store.to_string() == STORE_TEXT);
    assert!(!read(&[(STORE, STORE_TEXT), (TERM, "3"), (ROLE, "standby")]).unwrap().leads());
    assert_eq!(read(&[(STORE, STORE_TEXT), (ROLE, "leader")]), None);
    assert_eq!(read(&[(STORE, "mine"), (TERM, "3"), (ROLE, "leader")]), None);
    assert_eq!(read(&[(STORE, STORE_TEXT), (TERM, "-3"), (ROLE, "leader")]), None);
}

/// A scheduler of which each answer is given by the test, when it likes.
struct Held {
    listener: TcpListener,
    url: SchedulerUrl,
}

impl Held {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        Self { listener, url }
    }

    /// The next question, not answered yet.
    async fn asked(&self) -> TcpStream {
        let mut socket = self.listener.accept().await.unwrap().0;
        assert!(socket.read(&mut [0; 4096]).await.unwrap() > 0);
        socket
    }

    /// Answers one as a leader of this store, in this term, with so many events.
    async fn answer(mut socket: TcpStream, store: &str, (term, events): (u64, u64)) {
        let told = format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n{STORE}: {store}\r\n{TERM}: {term}\r\n{ROLE}: \
             leader\r\n{EVENTS}: {events}\r\n\r\n"
        );
        socket.write_all(told.as_bytes()).await.unwrap();
    }

    /// Has the router ask, and answers.
    async fn heard(&self, router: &Arc<Router>, store: &str, has: (u64, u64)) -> Option<HeardLog> {
        let asking = self.asking(router);
        Self::answer(self.asked().await, store, has).await;
        asking.await.unwrap()
    }

    fn asking(&self, router: &Arc<Router>) -> tokio::task::JoinHandle<Option<HeardLog>> {
        let (router, url) = (router.clone(), self.url.clone());
        tokio::spawn(async move {
            let store = router.fleet.at(&url).and_then(|member| member.store);
            router.hear(&url, store).await.1
        })
    }

    async fn take(&self, router: &Arc<Router>, heard: Option<HeardLog>) -> Result<(), String> {
        let member = router.fleet.at(&self.url).unwrap();
        router.take_told(&member, heard.expect("it tells what it has")).await
    }
}

/// A scheduler that goes on saying this as often as it can, or a byte of it now and then, behind the beginning of an answer.
async fn endless(begins: String, says: &'static [u8], pause: Duration) -> SchedulerUrl {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let begins = begins.clone();
            tokio::spawn(async move {
                let _ = socket.read(&mut [0; 4096]).await;
                let mut said = socket.write_all(begins.as_bytes()).await;
                while said.is_ok() {
                    tokio::time::sleep(pause).await;
                    said = socket.write_all(says).await;
                }
            });
        }
    });
    url
}

/// A router with a folder of its own.
async fn router() -> (TempDir, Arc<Router>) {
    let folder = TempDir::new().unwrap();
    let options = RouterOptions {
        mode: RouterMode::Auto,
        list: None,
        folder: folder.path().to_owned(),
        state: StateOptions::Folder,
        budget: Budget::default(),
        clients: Arc::new(ClientLimits::new(&ClientOptions::default(), None)),
        items: Arc::default(),
        public_page: false,
        page: false,
        failover: None,
    };
    (folder, Router::open(options).await.unwrap())
}

async fn add(router: &Router, held: &Held) {
    let one = ListedScheduler { url: held.url.clone(), flags: SchedulerFlags::default() };
    router.change(FleetChange::Added(one)).await.unwrap();
}

#[tokio::test]
async fn an_answer_is_held_against_what_was_seen_before_it_was_asked_for() {
    let ((_kept, router), held) = (router().await, Held::start().await);
    add(&router, &held).await;
    let first = held.heard(&router, STORE_TEXT, (1, 10)).await;
    held.take(&router, first).await.unwrap();
    // It is asked twice, and the second answer is taken in first.
    let early = held.asking(&router);
    let question = held.asked().await;
    let later = held.heard(&router, STORE_TEXT, (1, 20)).await;
    Held::answer(question, STORE_TEXT, (1, 12)).await;
    let early = early.await.unwrap();
    held.take(&router, later).await.unwrap();
    held.take(&router, early).await.unwrap();
    let member = router.fleet.at(&held.url).unwrap();
    assert_eq!(member.mark.events_in(Term(1)), Some(20));
    assert_eq!(member.standing.told().unwrap().events, Some(20), "what it told last is shown");
    // Asked now, it cannot lack anything.
    let lacking = held.heard(&router, STORE_TEXT, (1, 12)).await;
    let refused = held.take(&router, lacking).await.unwrap_err();
    assert!(refused.contains(&format!("router accept {}", held.url)), "{refused}");
    router.close().await;
}

#[tokio::test]
async fn whoever_comes_with_a_store_is_held_against_what_was_seen_of_that() {
    let ((_kept, router), [lead, copy]) = (router().await, [Held::start().await, Held::start().await]);
    add(&router, &lead).await;
    let first = lead.heard(&router, STORE_TEXT, (1, 10)).await;
    lead.take(&router, first).await.unwrap();
    add(&router, &copy).await;
    // Nothing is known yet of the store that it has: it is asked again, now that it is.
    let asking = copy.asking(&router);
    Held::answer(copy.asked().await, STORE_TEXT, (1, 7)).await;
    Held::answer(copy.asked().await, STORE_TEXT, (1, 7)).await;
    let refused = copy.take(&router, asking.await.unwrap()).await.unwrap_err();
    assert!(refused.contains("set back to an older copy"), "{refused}");
    assert!(router.fleet.at(&lead.url).unwrap().is_lead());

    // One that names another store each time is asked no more than twice.
    let asking = copy.asking(&router);
    Held::answer(copy.asked().await, OTHER, (1, 7)).await;
    let heard = asking.await.unwrap();
    assert_eq!(heard.as_ref().unwrap().log.store.to_string(), OTHER);
    copy.take(&router, heard).await.unwrap();
    let asking = copy.asking(&router);
    Held::answer(copy.asked().await, STORE_TEXT, (1, 9)).await;
    Held::answer(copy.asked().await, OTHER, (1, 9)).await;
    assert_eq!(asking.await.unwrap().unwrap().log.store.to_string(), OTHER);
    router.close().await;
}

#[tokio::test]
async fn no_answer_displaces_a_later_term() {
    let ((_kept, router), [old, new]) = (router().await, [Held::start().await, Held::start().await]);
    add(&router, &old).await;
    add(&router, &new).await;
    let first = old.heard(&router, STORE_TEXT, (1, 10)).await;
    old.take(&router, first).await.unwrap();
    // Both are asked, and what whoever led before answers is taken in last.
    let early = old.asking(&router);
    let question = old.asked().await;
    let asking = new.asking(&router);
    for _ in 0..2 {
        Held::answer(new.asked().await, STORE_TEXT, (2, 8)).await;
    }
    let later = asking.await.unwrap();
    Held::answer(question, STORE_TEXT, (1, 11)).await;
    let early = early.await.unwrap();
    new.take(&router, later).await.unwrap();
    let refused = old.take(&router, early).await.unwrap_err();
    assert!(refused.contains("its store is led in term 2"), "{refused}");
    let lead = router.lead(&router.fleet.at(&old.url).unwrap());
    assert_eq!((&lead.url, lead.mark.events_in(Term(2))), (&new.url, Some(8)));
    router.close().await;
}

#[tokio::test]
async fn nobody_waits_for_the_end_of_an_answer_that_has_none() {
    let (_kept, router) = router().await;
    let head =
        format!("HTTP/1.1 200 OK\r\n{STORE}: {STORE_TEXT}\r\n{TERM}: 1\r\n{ROLE}: leader\r\n{EVENTS}: 3\r\n");
    let body = format!("{head}transfer-encoding: chunked\r\n\r\n");
    let (quickly, now_and_then) = (Duration::ZERO, Duration::from_millis(100));
    // More than is read of it is nobody's matter: it is cut off there.
    let url = endless(
        body.clone(),
        b"400\r\n0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        quickly,
    )
    .await;
    let within = Duration::from_secs(30);
    let (look, heard) = timeout(within, router.hear(&url, None)).await.unwrap();
    assert!(matches!(look, Look::Away(_)) && heard.is_none(), "{look:?}: what it says are no chunks");
    let url = endless(body.clone(), b"10\r\n0123456789abcdef\r\n", quickly).await;
    let (look, heard) = timeout(within, router.hear(&url, None)).await.unwrap();
    assert_eq!((look, heard.unwrap().log.events), (Look::Open, Some(3)));
    // One that says a little now and then has as long as any other.
    for begins in [head, body] {
        let url = endless(begins, b"1", now_and_then).await;
        let (look, heard) = timeout(within, router.hear(&url, None)).await.unwrap();
        assert!(matches!(look, Look::Away(_)) && heard.is_none(), "{look:?}");
    }
    router.close().await;
}
