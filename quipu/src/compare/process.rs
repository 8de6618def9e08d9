//! All that can be asked about one process, of both.
//!
//! Pages are asked for from one nonce or time to another, such that nothing is left for a next page: schedulers end pages
//! differently, and some lose entries of one millisecond there.

use std::collections::BTreeSet;

use futures_util::{StreamExt, TryStreamExt, stream};
use protocol::ProcessId;
use serde_json::Value;

use super::departures::Meant;
use super::differences::{AnswerDifference, ComparedAnswer, differences};
use crate::client::{ClientError, SchedulerClient};

/// How many nonces are asked for at a time, and how many entries may have them.
const NONCES: u64 = 100;
const ENTRIES: u64 = 1000;

/// Both schedulers.
#[derive(Clone)]
pub(super) struct SchedulerPair {
    pub(super) first: SchedulerClient,
    pub(super) second: SchedulerClient,
    /// How many questions are underway at a time.
    pub(super) at_once: usize,
}

/// What was found about a process.
#[derive(Clone, Debug, Default)]
pub(super) struct Compared {
    pub(super) answers: u64,
    pub(super) found: Vec<(AnswerDifference, Option<Meant>)>,
}

impl Compared {
    pub(super) fn differences(&self) -> u64 {
        self.found.iter().filter(|(_, meant)| meant.is_none()).count() as u64
    }
}

/// Compares one process; `told` is told of each answer.
pub(super) struct Comparison<'a> {
    pair: &'a SchedulerPair,
    process: ProcessId,
    told: &'a (dyn Fn() + Sync),
    answers: u64,
    differences: Vec<AnswerDifference>,
    spawns: BTreeSet<String>,
}

impl<'a> Comparison<'a> {
    pub(super) fn new(pair: &'a SchedulerPair, process: ProcessId, told: &'a (dyn Fn() + Sync)) -> Self {
        Self { pair, process, told, answers: 0, differences: Vec::new(), spawns: BTreeSet::new() }
    }

    pub(super) async fn run(mut self) -> Result<Compared, ClientError> {
        let process = self.process;
        self.ask(&format!("/processes/{process}")).await?;
        self.ask(&format!("/{process}/latest?process-id={process}")).await?;
        let (mut after, mut nonces) = (None, NONCES);
        loop {
            let to = after.map_or(nonces - 1, |after: u64| after.saturating_add(nonces));
            let from = after.map_or("-1".to_owned(), |after| after.to_string());
            let page = self.page(&format!("from-nonce={from}&to-nonce={to}")).await?;
            if page.iter().any(ComparedAnswer::has_next_page) && nonces > 1 {
                nonces /= 2;
                continue;
            }
            self.compare_page(&format!("from-nonce={from}&to-nonce={to}"), &page);
            let is_empty = page.iter().all(|answer| answer.edges().is_empty());
            self.by_time(&page).await?;
            self.by_id(&page).await?;
            if is_empty && !self.is_more(to).await? {
                break;
            }
            nonces = nonces.saturating_mul(2).min(if is_empty { 1 << 24 } else { NONCES });
            after = Some(to);
        }
        let is_respawned = self.spawns.len() > 1;
        let meant = |difference: AnswerDifference| {
            let meant = Meant::of(&difference, is_respawned);
            (difference, meant)
        };
        Ok(Compared { answers: self.answers, found: self.differences.into_iter().map(meant).collect() })
    }

    /// The times of these entries once more, asked for by time.
    async fn by_time(&mut self, page: &[ComparedAnswer; 2]) -> Result<(), ClientError> {
        let times = page.iter().flat_map(ComparedAnswer::edges).filter_map(timestamp);
        let (first, last) = times.fold((u64::MAX, 0), |(low, high), time| (low.min(time), high.max(time)));
        if first > last {
            return Ok(());
        }
        let range = format!("from={}&to={last}", first.saturating_sub(1));
        let page = self.page(&range).await?;
        // What steps back in time may be too much for one page: then it is seen by nonce alone.
        if !page.iter().any(ComparedAnswer::has_next_page) {
            self.compare_page(&range, &page);
        }
        Ok(())
    }

    async fn by_id(&mut self, page: &[ComparedAnswer; 2]) -> Result<(), ClientError> {
        let mut ids = BTreeSet::new();
        let own = self.process.to_string();
        for edge in page.iter().flat_map(ComparedAnswer::edges) {
            let id = |part: &str| edge.pointer(part).and_then(Value::as_str).map(str::to_owned);
            let (message, assignment) = (id("/node/message/id"), id("/node/assignment/id"));
            if message.as_ref() == Some(&own) {
                self.spawns.extend(assignment.clone());
            }
            ids.extend(message.into_iter().chain(assignment).filter(|id| *id != own));
        }
        let (pair, process, told) = (self.pair, self.process, self.told);
        let asked = stream::iter(ids).map(|id| async move {
            let path = format!("/{id}?process-id={process}");
            let answers = pair.ask(&path).await?;
            told();
            Ok::<_, ClientError>(differences(&path, &answers[0], &answers[1]))
        });
        let mut asked = asked.buffer_unordered(pair.at_once);
        while let Some(found) = asked.try_next().await? {
            self.answers = self.answers.saturating_add(1);
            self.differences.extend(found);
        }
        Ok(())
    }

    /// Whether either has anything behind a nonce.
    async fn is_more(&mut self, after: u64) -> Result<bool, ClientError> {
        let process = self.process;
        let path = format!("/{process}?process-id={process}&from-nonce={after}&limit=1");
        Ok(self.pair.ask(&path).await?.iter().any(|answer| !answer.edges().is_empty()))
    }

    async fn page(&mut self, range: &str) -> Result<[ComparedAnswer; 2], ClientError> {
        let mut page = self.pair.ask(&self.page_path(range)).await?;
        page.iter_mut().for_each(ComparedAnswer::in_order);
        Ok(page)
    }

    fn page_path(&self, range: &str) -> String {
        let process = self.process;
        format!("/{process}?process-id={process}&{range}&limit={ENTRIES}")
    }

    fn compare_page(&mut self, range: &str, page: &[ComparedAnswer; 2]) {
        let path = self.page_path(range);
        self.note(&path, page);
    }

    async fn ask(&mut self, path: &str) -> Result<(), ClientError> {
        let answers = self.pair.ask(path).await?;
        self.note(path, &answers);
        Ok(())
    }

    fn note(&mut self, path: &str, [first, second]: &[ComparedAnswer; 2]) {
        (self.told)();
        self.answers = self.answers.saturating_add(1);
        self.differences.extend(differences(path, first, second));
    }
}

impl SchedulerPair {
    /// What both answer.
    async fn ask(&self, path: &str) -> Result<[ComparedAnswer; 2], ClientError> {
        let ask = async |scheduler: &SchedulerClient| {
            let (status, body) = scheduler.answer(path).await?;
            Ok::<_, ClientError>(ComparedAnswer { status, body })
        };
        let (first, second) = futures_util::future::try_join(ask(&self.first), ask(&self.second)).await?;
        Ok([first, second])
    }
}

fn timestamp(edge: &Value) -> Option<u64> {
    let tags = edge.pointer("/node/assignment/tags")?.as_array()?;
    let tag = tags.iter().find(|tag| tag.get("name").is_some_and(|name| name == "Timestamp"))?;
    tag.get("value")?.as_str()?.parse().ok()
}
