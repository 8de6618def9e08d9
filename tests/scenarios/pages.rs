//! Walks through a schedule, page by page.

use ans104::Id;
use quipu_tests::{Client, Gateway, Launch, Ledger, Page, User, read_history};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::folder;

const MESSAGES: usize = 150;
const WALKS: usize = 60;
const QUERIES: usize = 300;
/// A few messages as they are shown, in bytes.
const MEMORY: usize = 20_000;

/// A schedule as it should be: the timestamp of each nonce.
struct Schedule {
    client: Client,
    process: Id,
    timestamps: Vec<i64>,
}

/// What pages count by.
#[derive(Clone, Copy, Debug, PartialEq)]
enum By {
    Nonce,
    Time,
}

#[tokio::test]
async fn a_walk_sees_every_message_once_and_in_order() {
    let (folder, gateway) = (folder(), Gateway::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let schedule = Schedule::write(node.client()).await;
    let (mut rng, seed) = seeded();
    for _ in 0..WALKS {
        let by = if rng.random() { By::Nonce } else { By::Time };
        let mut seen: Vec<usize> = Vec::new();
        let mut from = match by {
            By::Nonce => "&from-nonce=-1".to_owned(),
            By::Time => ["", "&from=undefined"][rng.random_range(0..2)].to_owned(),
        };
        loop {
            let limit = rng.random_range(1..=60);
            let (nonces, cursor, more) = schedule.page(by, &from, "", limit).await;
            assert!(nonces.len() == limit || !more, "seed {seed}: a short page says that there is more");
            seen.extend(nonces);
            match cursor {
                Some(cursor) if more => from = format!("&{}={cursor}", by.from()),
                _ => break,
            }
        }
        assert!(seen.iter().copied().eq(0..=MESSAGES), "seed {seed}, by {by:?}: {seen:?}");
    }
}

#[tokio::test]
async fn every_range_has_what_belongs_to_it() {
    let (folder, gateway) = (folder(), Gateway::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let schedule = Schedule::write(node.client()).await;
    let (mut rng, seed) = seeded();
    for _ in 0..QUERIES {
        let by = if rng.random() { By::Nonce } else { By::Time };
        let (mut from, to) = (schedule.some_bound(by, &mut rng), schedule.some_bound(by, &mut rng));
        if by == By::Nonce && (from, to) == (None, None) {
            // Without any number it would count by time. Below the first nonce is the same as nothing.
            from = Some(-1);
        }
        let limit = rng.random_range(1..=MESSAGES + 10);
        let text = |name: &str, bound: Option<i64>| match bound {
            Some(bound) => format!("&{name}={bound}"),
            None => format!("&{name}=undefined"),
        };
        let asked = (text(by.from(), from), text(by.to(), to));
        let (nonces, _, more) = schedule.page(by, &asked.0, &asked.1, limit).await;
        let expected = schedule.expected(by, from, to);
        let told = format!("seed {seed}: {asked:?} limit {limit}");
        assert_eq!(more, expected.len() > limit, "{told}");
        assert!(nonces.iter().eq(expected.iter().take(limit)), "{told}: {nonces:?} instead of {expected:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_walk_while_messages_come_misses_none() {
    let (folder, gateway) = (folder(), Gateway::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let (client, ledger, user) = (node.client(), Ledger::default(), User::new(1));
    let process = ledger.spawn(&client, &user, 1).await[0];
    let writer = {
        let client = client.clone();
        tokio::spawn(async move { ledger.send(&client, &user, process, 200).await })
    };
    let (mut next, mut from) = (0, "-1".to_owned());
    while next <= 200 {
        let page = client.page(process, &format!("from-nonce={from}&limit=7")).await;
        for edge in &page.edges {
            assert_eq!(edge.node.nonce(), next);
            next += 1;
        }
        match page.edges.last() {
            Some(last) => from.clone_from(&last.cursor),
            None => assert!(!page.page_info.has_next_page, "an empty page says that there is more"),
        }
        assert!(!writer.is_finished() || next > 0);
    }
    writer.await.unwrap();
}

#[tokio::test]
async fn a_page_is_cut_where_the_memory_for_reading_ends() {
    let (folder, gateway) = (folder(), Gateway::start());
    let launch = Launch::su(folder.path()).gateway(gateway.url());
    let (ledger, user) = (Ledger::default(), User::new(1));
    let node = launch.clone().set("MAX_READ_MEMORY", MEMORY.to_string()).start();
    let process = ledger.spawn(&node.client(), &user, 1).await[0];
    ledger.send(&node.client(), &user, process, 30).await;
    let path = format!("/{process}?process-id={process}&limit=31");
    let cut = node.client().get(&path).await;
    let page: Page = cut.json();
    assert!(page.page_info.has_next_page, "{}", cut.text());
    // It ends after the edge with which the bound is reached, or before.
    let edge = cut.body.len() / page.edges.len();
    assert!(page.edges.len() > 1 && cut.body.len() < MEMORY + 2 * edge, "{}", cut.text());
    let all = read_history(&node.client(), process, 31).await;
    assert!(all.iter().map(|edge| edge.node.nonce()).eq(0..=30));
    node.stop();

    let page: Page = launch.start().client().get(&path).await.json();
    assert_eq!(
        (page.edges.len(), page.page_info.has_next_page),
        (31, false),
        "without the bound it is whole"
    );
}

impl Schedule {
    async fn write(client: Client) -> Self {
        let (ledger, user) = (Ledger::default(), User::new(1));
        let process = ledger.spawn(&client, &user, 1).await[0];
        ledger.send(&client, &user, process, MESSAGES).await;
        let history = read_history(&client, process, 1000).await;
        let timestamp = |edge: &quipu_tests::Edge| edge.node.assignment.as_ref()?.number("Timestamp");
        let timestamps = history.iter().map(|edge| timestamp(edge).unwrap() as i64).collect();
        Self { client, process, timestamps }
    }

    /// The nonces of a page, its last cursor, and whether there is more.
    async fn page(&self, by: By, from: &str, to: &str, limit: usize) -> (Vec<usize>, Option<String>, bool) {
        let page = self.client.page(self.process, &format!("limit={limit}{from}{to}")).await;
        for edge in &page.edges {
            let nonce = edge.node.nonce();
            let time = self.timestamps[nonce as usize];
            let expected = if by == By::Nonce { nonce.to_string() } else { time.to_string() };
            assert_eq!(edge.cursor, expected);
        }
        let cursor = page.edges.last().map(|edge| edge.cursor.clone());
        let nonces = page.edges.iter().map(|edge| edge.node.nonce() as usize).collect();
        (nonces, cursor, page.page_info.has_next_page)
    }

    /// The protocol in one line: from exclusive, to inclusive, the process itself first when there is no from.
    fn expected(&self, by: By, from: Option<i64>, to: Option<i64>) -> Vec<usize> {
        let place = |nonce: usize| if by == By::Nonce { nonce as i64 } else { self.timestamps[nonce] };
        let from = from.filter(|from| by == By::Time || *from >= 0);
        let is_in = |nonce: &usize| {
            let begins = *nonce == 0 && from.is_none();
            begins
                || (from.is_none_or(|from| place(*nonce) > from) && to.is_none_or(|to| place(*nonce) <= to))
        };
        (0..self.timestamps.len()).filter(is_in).collect()
    }

    /// Nothing, something around a message, or something far out.
    fn some_bound(&self, by: By, rng: &mut StdRng) -> Option<i64> {
        let nonce = rng.random_range(0..self.timestamps.len());
        let place = if by == By::Nonce { nonce as i64 } else { self.timestamps[nonce] };
        match rng.random_range(0..8) {
            0 | 1 => None,
            2 => Some([-1, 0, -7, i64::MAX, i64::MIN][rng.random_range(0..5)]),
            _ => Some(place + rng.random_range(-1..=1)),
        }
    }
}

impl By {
    fn from(self) -> &'static str {
        if self == Self::Nonce { "from-nonce" } else { "from" }
    }

    fn to(self) -> &'static str {
        if self == Self::Nonce { "to-nonce" } else { "to" }
    }
}

/// Another one each time; what fails names it.
fn seeded() -> (StdRng, u64) {
    let seed = rand::random();
    (StdRng::seed_from_u64(seed), seed)
}
