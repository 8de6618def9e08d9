//! How many sockets a router takes, however many come to it while all schedulers hang.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ans104::Id;
use quipu_tests::{Gateway, Launch, Node, User, until};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::folder;
use crate::router::{node, spawned};
use crate::router_forward::connections_to;

/// More of each kind than one scheduler, and all of them together, may have on their way.
const POSTS: usize = 300;
const READS: usize = 300;
const WAITS: usize = 600;
const SOUGHT: usize = 100;
/// As many as may be on their way: what is posted, reads, those who wait, and what a router asks itself.
const PLACES: usize = 512 + 512 + 1024;
const QUESTIONS: usize = 256;
/// What it has open beside that: its listeners, and what a runtime needs.
const OWN: usize = 32;
/// For how long it is looked how many there are: shorter than until the schedulers are seen to be away.
const LOOKED: Duration = Duration::from_secs(4);

/// How many sockets a router has beside those of its clients.
fn sockets(router: &Node) -> usize {
    let open = fs::read_dir(format!("/proc/{}/fd", router.id())).unwrap();
    let links = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let sockets = links.filter(|link| link.to_string_lossy().starts_with("socket:")).count();
    sockets.saturating_sub(connections_to(router.public().port()))
}

/// What comes to the router for one process of a scheduler that hangs.
fn requests(process: Id, user: &User) -> Vec<Vec<u8>> {
    let get = |path: String| format!("GET {path} HTTP/1.1\r\nhost: router\r\n\r\n").into_bytes();
    let post = |number: usize| {
        let item = user.message(process, number.to_string().as_bytes()).bytes;
        let mut request =
            format!("POST / HTTP/1.1\r\nhost: router\r\ncontent-length: {}\r\n\r\n", item.len()).into_bytes();
        request.extend_from_slice(&item);
        request
    };
    let unknown = |_| Id::from_bytes(std::array::from_fn(|_| rand::random()));
    let mut all: Vec<Vec<u8>> = (0..POSTS).map(post).collect();
    all.extend((0..READS).map(|_| get(format!("/{process}/latest"))));
    all.extend((0..WAITS).map(|_| get(format!("/{process}?process-id={process}&from-nonce=1&wait=50"))));
    all.extend((0..SOUGHT).map(unknown).map(|id| get(format!("/processes/{id}"))));
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_crowd_has_a_router_take_more_sockets_than_it_has_places() {
    // Each who comes takes one here as well.
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.maximum;
    setrlimit(Resource::Nofile, files).unwrap();
    let (folder, gateway, user) = (folder(), Gateway::start(), User::new(1));
    let nodes = [(); 3].map(|()| node(&gateway));
    let urls = nodes.each_ref().map(|(_, node)| node.url());
    let router = Launch::router(folder.path(), &urls.each_ref().map(String::as_str))
        .set("ROUTER_MODE", "forward")
        .serve();
    let mut all = Vec::new();
    for _ in &nodes {
        all.extend(requests(spawned(&router.client(), &user).await.id, &user));
    }
    nodes.iter().for_each(|(_, node)| node.signal("STOP"));
    let (mut coming, answered) = (JoinSet::new(), Arc::<AtomicUsize>::default());
    for request in all {
        let (to, answered) = (router.public(), answered.clone());
        coming.spawn(async move {
            let mut socket = TcpStream::connect(to).await.unwrap();
            socket.write_all(&request).await.unwrap();
            // Who gets no place is told so at once.
            if socket.read(&mut [0; 64]).await.is_ok() {
                answered.fetch_add(1, Ordering::SeqCst);
            }
            std::future::pending::<()>().await;
        });
    }
    let (begun, mut most) = (Instant::now(), 0);
    while begun.elapsed() < LOOKED {
        most = most.max(sockets(&router));
        sleep(Duration::from_millis(100)).await;
    }
    assert!(most <= PLACES + QUESTIONS + OWN, "{most} sockets");
    assert!(
        most > PLACES / 2,
        "{most} sockets: the crowd has not come, {} answers",
        answered.load(Ordering::SeqCst)
    );
    coming.shutdown().await;
    nodes.iter().for_each(|(_, node)| node.signal("CONT"));
    // Nothing of it is left, and calls go on.
    until("they are closed", async || (sockets(&router) <= QUESTIONS + OWN).then_some(())).await;
    until("it goes on", async || {
        (router.client().post(user.process().bytes).await.status == 200).then_some(())
    })
    .await;
    router.stop();
}
