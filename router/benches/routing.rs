//! How quick a router is: `cargo bench --package quipu-router -- PLACEMENTS…`. For each number of placements it fills a state,
//! starts a router on it, and measures redirects and placements over 64 connections of this same process, which shares the
//! cores with the router and with what stands in for a scheduler.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ans104::Id;
use futures_util::future::join_all;
use limits::{ClientLimits, ClientOptions};
use log::{StoreId, mark_folder};
use rocksdb::{DB, Options, WriteBatch};
use router::{Router, RouterMode, RouterOptions, StateOptions};
use testing::SampleUser;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;
use web::{Budget, Limits};

const CONNECTIONS: usize = 64;
const REDIRECTS: usize = 200_000;
const SPAWNS: usize = 10_000;

fn main() {
    let given: Vec<u64> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    let placements = if given.is_empty() { vec![1_000, 1_000_000] } else { given };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for count in placements {
        runtime.block_on(measure(count));
    }
}

/// The process of this number.
fn process(number: u64) -> Id {
    let mut bytes = [0; 32];
    for (part, factor) in bytes.chunks_mut(8).zip([0x9e37_79b9_7f4a_7c15_u64, 0xbf58_476d_1ce4_e5b9, 3, 5]) {
        part.copy_from_slice(&(number + 1).wrapping_mul(factor).to_be_bytes());
    }
    Id::from_bytes(bytes)
}

/// Writes the state of a router with so many processes at one scheduler, as its tables are laid out.
fn fill(folder: &Path, scheduler: &str, count: u64) {
    mark_folder(folder, "router", StoreId(Uuid::new_v4())).unwrap();
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    let db =
        DB::open_cf(&options, folder.join("state"), ["events", "homes", "schedulers", "counts"]).unwrap();
    let [events, homes, schedulers, counts] =
        ["events", "homes", "schedulers", "counts"].map(|name| db.cf_handle(name).unwrap());
    let number = 1_u32.to_be_bytes();
    let json = format!(
        r#"{{"url":"{scheduler}","no_route":false,"wallets":"","wallets_only":false,"retired":false}}"#
    );
    db.put_cf(schedulers, number, json).unwrap();
    db.put_cf(counts, number, count.to_be_bytes()).unwrap();
    for begin in (0..count).step_by(10_000) {
        let mut batch = WriteBatch::default();
        for place in begin..count.min(begin + 10_000) {
            let mut event = vec![1, 1];
            event.extend([0; 8]);
            event.extend(number);
            event.extend(process(place).as_bytes());
            batch.put_cf(events, place.to_be_bytes(), event);
            batch.put_cf(homes, process(place).as_bytes(), number);
        }
        db.write(batch).unwrap();
    }
    // As it is where so many came one by one: opening does not begin with putting a night's writes in order.
    for table in [events, homes] {
        db.flush_cf(table).unwrap();
        db.compact_range_cf(table, None::<&[u8]>, None::<&[u8]>);
    }
}

/// Answers with few bytes, as a scheduler that costs nothing and has nothing.
async fn scheduler() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut bytes = vec![0; 64 << 10];
                while let Ok(read @ 1..) = socket.read(&mut bytes).await {
                    let is_sought = bytes[..read].starts_with(b"GET /processes/");
                    let status = if is_sought { "404 Not Found" } else { "200 OK" };
                    let (address, kind) = (process(0), "content-type: application/json");
                    let body = format!(r#"{{"timestamp":"1","address":"{address}"}}"#);
                    let length = body.len();
                    let answer =
                        format!("HTTP/1.1 {status}\r\n{kind}\r\ncontent-length: {length}\r\n\r\n{body}");
                    if socket.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    url
}

async fn measure(count: u64) {
    let folder = tempfile::tempdir().unwrap();
    let url = scheduler().await;
    fill(folder.path(), &url, count);
    let before = memory();
    let began = Instant::now();
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
    let router = Router::open(options).await.unwrap();
    let tasks = router.tasks().map(|task| tokio::spawn(task.work));
    let started = began.elapsed();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let endpoint = router::public(router.clone(), None);
    let serving =
        tokio::spawn(web::serve(listener, None, endpoint, std::future::pending(), Limits::default()));
    println!(
        "{count} placements: started in {started:.2?}, {} MB more in memory",
        memory().saturating_sub(before) >> 20
    );

    let requests = (0..CONNECTIONS).map(|connection| {
        let of = move |turn: usize| {
            let number = (connection * 7919 + turn * 104_729) as u64 % count;
            format!("GET /{}/latest HTTP/1.1\r\nhost: router\r\n\r\n", process(number)).into_bytes()
        };
        (0..REDIRECTS / CONNECTIONS).map(of).collect::<Vec<_>>()
    });
    report("redirects", address, requests.collect(), b"HTTP/1.1 307").await;

    let user = SampleUser::new(1);
    let requests = (0..CONNECTIONS).map(|connection| {
        let of = |turn: usize| {
            let item = user.process(&[("Number", &format!("{count} {connection} {turn}"))], b"");
            let mut request = Vec::new();
            write!(request, "POST / HTTP/1.1\r\nhost: router\r\ncontent-length: {}\r\n\r\n", item.len())
                .unwrap();
            request.extend(item);
            request
        };
        (0..SPAWNS / CONNECTIONS).map(of).collect::<Vec<_>>()
    });
    report("placements", address, requests.collect(), b"HTTP/1.1 200").await;
    println!("  {} MB more in memory after all of it", memory().saturating_sub(before) >> 20);
    serving.abort();
    for task in tasks {
        task.abort();
        let _ = task.await;
    }
    router.close().await;
}

/// Sends them over as many connections, one after the other on each.
async fn report(
    what: &str,
    address: std::net::SocketAddr,
    requests: Vec<Vec<Vec<u8>>>,
    begins: &'static [u8],
) {
    let count: usize = requests.iter().map(Vec::len).sum();
    let began = Instant::now();
    let asking = requests.into_iter().map(|requests| {
        tokio::spawn(async move {
            let mut socket = TcpStream::connect(address).await.unwrap();
            socket.set_nodelay(true).unwrap();
            let (mut took, mut bytes) = (Vec::with_capacity(requests.len()), vec![0; 16 << 10]);
            for request in requests {
                let began = Instant::now();
                socket.write_all(&request).await.unwrap();
                let read = socket.read(&mut bytes).await.unwrap();
                assert!(bytes[..read].starts_with(begins), "{}", String::from_utf8_lossy(&bytes[..read]));
                took.push(began.elapsed());
            }
            took
        })
    });
    let mut took: Vec<Duration> = join_all(asking).await.into_iter().flat_map(Result::unwrap).collect();
    let rate = count as f64 / began.elapsed().as_secs_f64();
    took.sort_unstable();
    let at = |part: f64| took[((took.len() - 1) as f64 * part) as usize];
    println!("  {what}: {rate:.0}/s, p50 {:.2?}, p99 {:.2?}", at(0.5), at(0.99));
}

/// What this process has in memory, in bytes.
fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    line.unwrap().parse::<usize>().unwrap() * 1024
}
