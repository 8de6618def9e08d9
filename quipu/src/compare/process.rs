//! All that can be asked about one process, of both.
//!
//! Pages are asked for from one nonce or time to another, such that nothing is left for a next page: schedulers end pages
//! differently, and some lose entries of one millisecond there. Several such spans are underway at a time, and are taken
//! in their order.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, TryStreamExt, stream};
use protocol::ProcessId;
use serde_json::Value;

use super::CompareError;
use super::asking::SchedulerPair;
use super::departures::{ComparedHistory, Meant};
use super::differences::{AnswerDifference, AnswerPair, AskedId, ComparedAnswer};
use super::span::{NONCES, NonceSpan};
use super::state::ComparedPart;
use crate::client::ClientError;
use crate::failure::Failure;

/// How many entries a page may have.
const ENTRIES: u64 = 1000;
/// So many differences of a process are told. They are held until it is known whether the process was spawned twice.
const TOLD: usize = 10_000;
/// How many spans are underway at a time.
const SPANS: usize = 4;

/// What was found about a process.
#[derive(Clone, Debug, Default)]
pub(super) struct Compared {
    pub(super) answers: u64,
    pub(super) found: Vec<(AnswerDifference, Option<Meant>)>,
    /// How many more there are, which are only counted.
    pub(super) counted: BTreeMap<Option<Meant>, u64>,
}

impl Compared {
    pub(super) fn differences(&self) -> u64 {
        let told = self.found.iter().filter(|(_, meant)| meant.is_none()).count() as u64;
        told.saturating_add(self.counted.get(&None).copied().unwrap_or(0))
    }
}

/// Whoever is told how far it is.
pub(super) trait Watching: Sync {
    /// One more question was answered by both.
    fn answered(&self);

    /// All is compared up to a nonce.
    ///
    /// # Errors
    /// When that cannot be kept.
    fn done(&self, process: ProcessId, part: &ComparedPart, last: u64) -> Result<(), CompareError>;
}

/// Compares one process.
pub(super) struct Comparison<'a> {
    pair: &'a SchedulerPair,
    process: ProcessId,
    watching: &'a dyn Watching,
    /// What was compared before, in this order.
    before: Vec<ComparedPart>,
    answers: u64,
    differences: Vec<AnswerDifference>,
    counted: BTreeMap<Option<Meant>, u64>,
    is_unspawned: bool,
    /// The assignments of the spawn, each with the place of who shows it.
    spawns: BTreeSet<(usize, String)>,
}

impl<'a> Comparison<'a> {
    pub(super) fn new(
        pair: &'a SchedulerPair,
        process: ProcessId,
        before: Vec<ComparedPart>,
        watching: &'a dyn Watching,
    ) -> Self {
        let (differences, counted, spawns) = (Vec::new(), BTreeMap::new(), BTreeSet::new());
        let (answers, is_unspawned) = (0, false);
        Self { pair, process, watching, before, answers, differences, counted, is_unspawned, spawns }
    }

    pub(super) async fn run(mut self) -> Result<Compared, Failure> {
        let process = self.process;
        let spawn = self.ask(&format!("/processes/{process}")).await?;
        self.is_unspawned = !spawn.sides().into_iter().any(ComparedAnswer::is_ok);
        let newest = self.ask(&format!("/{process}/latest?process-id={process}")).await?;
        let mut done = None;
        for part in std::mem::take(&mut self.before) {
            done = Some(part.upto);
            self.take(part);
        }
        let last = newest.sides().into_iter().filter_map(|answer| nonce(&answer.body)).max().unwrap_or(0);
        let (pair, watching) = (self.pair, self.watching);
        let spans = stream::iter(NonceSpan::upto(done, last));
        let mut parts = spans.map(|span| compare_span(pair, process, span, watching)).buffered(SPANS);
        while let Some((part, _)) = parts.try_next().await? {
            done = Some(part.upto);
            let part = self.bounded(part);
            watching.done(process, &part, last)?;
            self.answers = self.answers.saturating_add(part.answers);
            self.take(part);
        }
        drop(parts);
        // The newest is not the last everywhere, and something may have come meanwhile.
        let mut next = NonceSpan { after: done, to: done.unwrap_or(0).saturating_add(NONCES) };
        while self.is_more(next.after.unwrap_or(0)).await? {
            let (part, is_empty) = compare_span(pair, process, next, watching).await?;
            let part = self.bounded(part);
            watching.done(process, &part, part.upto)?;
            self.answers = self.answers.saturating_add(part.answers);
            self.take(part);
            next = next.next(is_empty);
        }
        let history = ComparedHistory::new(process, &self.spawns, self.is_unspawned);
        let meant = |difference: AnswerDifference| {
            let meant = history.meant(&difference);
            (difference, meant)
        };
        let found = self.differences.into_iter().map(meant).collect();
        Ok(Compared { answers: self.answers, found, counted: self.counted })
    }

    /// A part with no more differences than are held; the others are counted.
    fn bounded(&mut self, mut part: ComparedPart) -> ComparedPart {
        let room = TOLD.saturating_sub(self.differences.len());
        if part.found.len() > room {
            self.spawns.extend(part.spawns.iter().cloned());
            let history = ComparedHistory::new(self.process, &self.spawns, self.is_unspawned);
            let mut counted = BTreeMap::<Option<Meant>, u64>::new();
            for difference in part.found.drain(room..) {
                *counted.entry(history.meant(&difference)).or_default() += 1;
            }
            part.counted = counted.into_iter().collect();
        }
        part
    }

    fn take(&mut self, part: ComparedPart) {
        self.differences.extend(part.found);
        for (meant, count) in part.counted {
            *self.counted.entry(meant).or_default() += count;
        }
        self.spawns.extend(part.spawns);
    }

    /// Whether either has anything behind a nonce.
    async fn is_more(&self, after: u64) -> Result<bool, ClientError> {
        let process = self.process;
        let path = format!("/{process}?process-id={process}&from-nonce={after}&limit=1");
        Ok(self.pair.ask(&path).await?.sides().into_iter().any(|answer| !answer.edges().is_empty()))
    }

    async fn ask(&mut self, path: &str) -> Result<AnswerPair, ClientError> {
        let answers = self.pair.ask(path).await?;
        self.watching.answered();
        self.answers = self.answers.saturating_add(1);
        self.differences.extend(answers.differences(path));
        Ok(answers)
    }
}

/// Compares a span, and whether neither has anything in it.
async fn compare_span(
    pair: &SchedulerPair,
    process: ProcessId,
    whole: NonceSpan,
    watching: &dyn Watching,
) -> Result<(ComparedPart, bool), ClientError> {
    let mut asking =
        Asking { pair, process, watching, part: ComparedPart { upto: whole.to, ..ComparedPart::default() } };
    let (mut left, mut is_empty) = (vec![whole], true);
    while let Some(span) = left.pop() {
        let path = asking.page_path(&span.query());
        let page = pair.ask(&path).await?;
        if page.sides().into_iter().any(ComparedAnswer::has_next_page)
            && let Some([first, second]) = span.halves()
        {
            left.extend([second, first]);
            continue;
        }
        asking.note(page.differences(&path));
        is_empty &= page.sides().into_iter().all(|answer| answer.edges().is_empty());
        asking.by_time(&page).await?;
        asking.by_id(&page).await?;
    }
    Ok((asking.part, is_empty))
}

/// What is asked about a span.
struct Asking<'a> {
    pair: &'a SchedulerPair,
    process: ProcessId,
    watching: &'a dyn Watching,
    part: ComparedPart,
}

impl Asking<'_> {
    /// The times of these entries once more, asked for by time.
    async fn by_time(&mut self, page: &AnswerPair) -> Result<(), ClientError> {
        let times = page.sides().into_iter().flat_map(ComparedAnswer::edges).filter_map(timestamp);
        let (first, last) = times.fold((u64::MAX, 0), |(low, high), time| (low.min(time), high.max(time)));
        if first > last {
            return Ok(());
        }
        let path = self.page_path(&format!("from={}&to={last}", first.saturating_sub(1)));
        let page = self.pair.ask_for_others(&path).await?;
        let is_part = |page: &AnswerPair| page.sides().into_iter().any(ComparedAnswer::has_next_page);
        match page {
            // What steps back in time may be too much for one page: then it is seen by nonce alone.
            Some(page) if is_part(&page) => {}
            page => self.note(page.map(|page| page.differences(&path)).unwrap_or_default()),
        }
        Ok(())
    }

    async fn by_id(&mut self, page: &AnswerPair) -> Result<(), ClientError> {
        let mut ids = BTreeMap::<String, AskedId>::new();
        let own = self.process.to_string();
        for (side, answer) in page.sides().into_iter().enumerate() {
            for node in answer.edges().iter().filter_map(|edge| edge.get("node")) {
                let id = |part: &str| node.pointer(part).and_then(Value::as_str).map(str::to_owned);
                let (message, assignment) = (id("/message/id"), id("/assignment/id"));
                let asked = AskedId::of(node, &own, side == 0);
                if asked.is_spawn {
                    self.part.spawns.extend(assignment.clone().map(|assignment| (side, assignment)));
                }
                ids.extend(message.filter(|id| *id != own).map(|id| (id, AskedId::default())));
                if let Some(assignment) = assignment {
                    let known = ids.entry(assignment).or_default();
                    known.is_spawn |= asked.is_spawn;
                    known.is_listed |= asked.is_listed;
                }
            }
        }
        let (pair, process, watching) = (self.pair, self.process, self.watching);
        let asked = stream::iter(ids).map(|(id, asked)| async move {
            let mut found = pair.differences(&format!("/{id}?process-id={process}")).await?;
            found.iter_mut().for_each(|difference| difference.asked = asked);
            watching.answered();
            Ok::<_, ClientError>(found)
        });
        let mut asked = asked.buffer_unordered(pair.at_once());
        while let Some(found) = asked.try_next().await? {
            self.part.answers = self.part.answers.saturating_add(1);
            self.part.found.extend(found);
        }
        Ok(())
    }

    fn page_path(&self, range: &str) -> String {
        let process = self.process;
        format!("/{process}?process-id={process}&{range}&limit={ENTRIES}")
    }

    fn note(&mut self, found: Vec<AnswerDifference>) {
        self.watching.answered();
        self.part.answers = self.part.answers.saturating_add(1);
        self.part.found.extend(found);
    }
}

fn timestamp(edge: &Value) -> Option<u64> {
    number(edge.get("node")?, "Timestamp")
}

fn nonce(node: &Value) -> Option<u64> {
    number(node, "Nonce")
}

/// What an assignment says under a name.
fn number(node: &Value, name: &str) -> Option<u64> {
    let tags = node.pointer("/assignment/tags")?.as_array()?;
    let tag = tags.iter().find(|tag| tag.get("name").is_some_and(|found| found == name))?;
    tag.get("value")?.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;
    use crate::client::SchedulerClient;

    struct Nobody;

    impl Watching for Nobody {
        fn answered(&self) {}

        fn done(&self, _: ProcessId, _: &ComparedPart, _: u64) -> Result<(), CompareError> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn of_very_many_differences_the_first_are_held_and_the_others_counted() {
        let client = SchedulerClient::new("http://127.0.0.1:9").unwrap();
        let pair = SchedulerPair::find(&client, &client, 1).await.unwrap();
        let mut comparison =
            Comparison::new(&pair, ans104::Id::from_bytes([7; 32]).into(), Vec::new(), &Nobody);
        let difference = |at: &str| AnswerDifference {
            path: "/x".to_owned(),
            at: at.to_owned(),
            first: json!(null),
            second: json!("a"),
            asked: AskedId::default(),
        };
        let found: Vec<_> = (0..1000).flat_map(|_| [".message.anchor", ".x", ".y"].map(difference)).collect();
        for _ in 0..5 {
            let part = comparison.bounded(ComparedPart { found: found.clone(), ..ComparedPart::default() });
            comparison.take(part);
        }
        assert_eq!(comparison.differences.len(), TOLD);
        let counted = comparison.counted.values().sum::<u64>();
        assert_eq!(counted, 5000);
        assert_eq!(comparison.counted.get(&Some(Meant::Anchor)), Some(&1666));
    }
}
