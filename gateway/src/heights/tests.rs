#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::{
    fs,
    io::Write,
    path::Path,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
};

use ans104::{Address, DeepHash, Id};
use async_trait::async_trait;
use tempfile::TempDir;
use tracing_subscriber::fmt::MakeWriter;

use super::*;
use crate::{Call, Confirmations, GatewayError, OtherHeights, Transaction};

mod doubts;

const INTERVAL: Duration = Duration::from_secs(5);

/// Tells the heights of a script, one per question, the last again and again; `None` is no answer.
struct Script {
    heights: &'static [Option<u64>],
    /// What other gateways tell, if there are any.
    elsewhere: Option<&'static [u64]>,
    asked: AtomicUsize,
}

#[async_trait]
impl Gateway for Script {
    async fn confirmations(&self, _: Id) -> Result<Option<Confirmations>, GatewayError> {
        panic!("heights alone are asked")
    }
    async fn transaction(&self, _: Id) -> Result<Option<Arc<Transaction>>, GatewayError> {
        panic!("heights alone are asked")
    }
    async fn data_hash(&self, _: Id) -> Result<Option<DeepHash>, GatewayError> {
        panic!("heights alone are asked")
    }
    async fn exists(&self, _: Id) -> Result<bool, GatewayError> {
        panic!("heights alone are asked")
    }
    async fn is_assigned(
        &self,
        _: Id,
        _: std::ops::RangeInclusive<u64>,
        _: &[Address],
    ) -> Result<bool, GatewayError> {
        panic!("heights alone are asked")
    }
    async fn network_height(&self) -> Result<u64, GatewayError> {
        let turn = self.asked.fetch_add(1, Ordering::SeqCst).min(self.heights.len() - 1);
        let silent =
            GatewayError::TimedOut { call: Call::Height, url: "http://h/info".into(), after: INTERVAL };
        self.heights[turn].ok_or(silent)
    }
    async fn heights_elsewhere(&self) -> OtherHeights {
        let told = self.elsewhere.unwrap_or_default().to_vec();
        OtherHeights { asked: if self.elsewhere.is_some() { told.len().max(1) } else { 0 }, told }
    }
}

fn script(heights: &'static [Option<u64>]) -> Arc<Script> {
    Arc::new(Script { heights, elsewhere: None, asked: AtomicUsize::new(0) })
}

fn file_in(folder: &Path) -> HeightFile {
    HeightFile { path: folder.join("height"), store: "store".to_owned() }
}

fn start(heights: &'static [Option<u64>], folder: &TempDir) -> HeightFeed {
    start_signed(heights, folder, None)
}

/// The same where the newest assignment has this height.
fn start_signed(heights: &'static [Option<u64>], folder: &TempDir, signed: Option<u64>) -> HeightFeed {
    let file = Some(file_in(folder.path()));
    let signed = signed.map(|height| KnownHeight { height, age: Duration::ZERO });
    HeightFeed::start(script(heights), HeightOptions { interval: INTERVAL, file, signed, lowest: 0 })
}

/// Lets `n` intervals pass.
async fn pass(n: u32) {
    tokio::time::sleep(INTERVAL * n).await;
}

fn height(feed: &HeightFeed) -> Option<u64> {
    feed.current().map(|known| known.height)
}

#[tokio::test]
async fn it_is_told_when_nobody_asks_any_more() {
    let folder = TempDir::new().unwrap();
    let feed = start(&[Some(10)], &folder);
    assert!(futures_util::poll!(std::pin::pin!(feed.ended())).is_pending(), "it asks still");
    feed.inner.task.abort();
    feed.ended().await;
}

#[tokio::test(start_paused = true)]
async fn it_follows_and_never_goes_backwards() {
    let folder = TempDir::new().unwrap();
    let feed = start(&[Some(10), Some(11), Some(9), None, Some(12)], &folder);
    assert_eq!(feed.current(), None);
    let known = feed.wait_known().await;
    assert_eq!(known, KnownHeight { height: 10, age: Duration::ZERO });
    tokio::time::sleep(INTERVAL / 2).await;
    for (expected, age) in [(10, 0), (11, 0), (11, 0), (11, 1), (12, 0)] {
        let known = feed.current().unwrap();
        assert_eq!(known.height, expected);
        assert_eq!(known.age, INTERVAL / 2 + INTERVAL * age, "at height {expected}");
        let failure = feed.failure().map(|failure| failure.to_string());
        assert_eq!(failure.is_some_and(|failure| failure.contains("http://h/info")), age == 1, "{age}");
        pass(1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_with_the_first_height_however_it_comes() {
    let folder = TempDir::new().unwrap();
    let feed = start(&[None, None, Some(7)], &folder);
    assert_eq!(feed.wait_known().await.height, 7);

    let other = TempDir::new().unwrap();
    assert_eq!(start_signed(&[None], &other, Some(5)).wait_known().await.height, 5);
}

#[tokio::test(start_paused = true)]
async fn what_was_signed_is_a_lower_bound() {
    let folder = TempDir::new().unwrap();
    let feed = start_signed(&[None, Some(10), Some(21)], &folder, Some(20));
    assert_eq!(height(&feed), Some(20));
    pass(2).await;
    assert_eq!(height(&feed), Some(20));
    pass(1).await;
    assert_eq!(height(&feed), Some(21));
    drop(feed);
    assert_eq!(height(&start_signed(&[None], &folder, Some(9))), Some(21));
    assert_eq!(height(&start_signed(&[None], &folder, Some(25))), Some(25));
}

#[tokio::test(start_paused = true)]
async fn the_newest_height_is_kept_over_a_restart() {
    let folder = TempDir::new().unwrap();
    let feed = start(&[Some(10), Some(11)], &folder);
    feed.wait_known().await;
    pass(2).await;
    drop(feed);
    assert_eq!(file_in(folder.path()).read().unwrap().height, 11);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left there");

    let feed = start_signed(&[None], &folder, Some(15));
    assert_eq!(height(&feed), Some(15));
    pass(2).await;
    drop(feed);
    assert_eq!(height(&start(&[None], &folder)), Some(15));
}

#[tokio::test(start_paused = true)]
async fn the_file_is_written_only_for_a_new_height() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("height");
    let feed = start(&[Some(10), Some(10), Some(10), Some(11)], &folder);
    feed.wait_known().await;
    pass(1).await;
    fs::remove_file(&path).unwrap();
    pass(1).await;
    assert!(!path.exists());
    pass(2).await;
    assert!(path.exists());
}

#[tokio::test(start_paused = true)]
async fn a_broken_file_is_reported_and_ignored() {
    for text in ["", "ten", "-1", "1000000000000", "1\n2"] {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("height"), text).unwrap();
        let lines = Lines::default();
        let _guard = lines.listen();
        let feed = start(&[Some(10)], &folder);
        assert_eq!(feed.current(), None, "{text:?}");
        assert_eq!(lines.later().len(), 1);
        assert!(lines.later()[0].contains("WARN"), "{:?}", lines.later());
        feed.wait_known().await;
        pass(2).await;
        assert_eq!(lines.later().len(), 2);
        assert!(lines.later()[1].contains("cannot be kept"), "{:?}", lines.later());
        assert_eq!(
            fs::read_to_string(folder.path().join("height")).unwrap(),
            text,
            "it may be somebody else's"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn silence_is_told_once_and_its_end_once() {
    let folder = TempDir::new().unwrap();
    let lines = Lines::default();
    let _guard = lines.listen();
    let feed = start(&[Some(10), None, None, None, Some(11), Some(12), None, None], &folder);
    feed.wait_known().await;
    pass(10).await;
    let lines = lines.later();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[0].contains("WARN") && lines[0].contains("height=10"), "{lines:?}");
    assert!(lines[0].contains("the last one known is used"), "{lines:?}");
    assert!(lines[1].contains("INFO") && lines[1].contains("height=11"), "{lines:?}");
    assert!(lines[2].contains("WARN") && lines[2].contains("height=12"), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_written_is_told_once() {
    let folder = TempDir::new().unwrap();
    let lines = Lines::default();
    let _guard = lines.listen();
    let file = Some(file_in(&folder.path().join("missing")));
    let feed = HeightFeed::start(
        script(&[Some(1), Some(2), Some(3)]),
        HeightOptions { interval: INTERVAL, file, signed: None, lowest: 0 },
    );
    pass(5).await;
    assert_eq!(height(&feed), Some(3));
    assert_eq!(lines.later().len(), 1, "{:?}", lines.later());
}

#[tokio::test(start_paused = true)]
async fn the_task_ends_with_the_last_handle() {
    let script = script(&[Some(1)]);
    let feed = HeightFeed::start(script.clone(), HeightOptions { lowest: 0, ..HeightOptions::default() });
    let other = feed.clone();
    drop(feed);
    pass(3).await;
    assert!(script.asked.load(Ordering::SeqCst) >= 3);
    drop(other);
    pass(1).await;
    assert_eq!(Arc::strong_count(&script), 1);
}

/// The log at info and above, line by line.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn listen(&self) -> tracing::subscriber::DefaultGuard {
        let log = tracing_subscriber::fmt().with_ansi(false).with_writer(self.clone());
        tracing::subscriber::set_default(log.finish())
    }

    fn all(&self) -> Vec<String> {
        let text = String::from_utf8(self.lock().clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// The same without what is told of the first height, on which most tests begin.
    fn later(&self) -> Vec<String> {
        self.all().into_iter().filter(|line| !line.contains("the first block height")).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.lock().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;
    fn make_writer(&self) -> Self {
        self.clone()
    }
}
