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
use super::differences::{AnswerDifference, AnswerPair, ComparedAnswer};
use super::part::{compare_span, said};
use super::span::{NONCES, NonceSpan};
use super::state::ComparedPart;
use crate::client::ClientError;
use crate::failure::Failure;

/// So many differences of a process are told, and as many that are meant: these take no room from the others. They are
/// held until it is known whether the process was spawned twice.
const TOLD: usize = 10_000;
/// The existing scheduler has no column for a greater nonce.
const NONCE_MAX: u64 = i32::MAX as u64;
/// How many spans are underway at a time.
const SPANS: usize = 4;

/// What was found about a process.
#[derive(Clone, Debug, Default)]
pub(super) struct Compared {
    pub(super) answers: u64,
    /// Whether neither has anything of it, so that nothing was compared.
    pub(super) is_absent: bool,
    /// Why it was not compared to its end.
    pub(super) unended: Option<String>,
    pub(super) found: Vec<(AnswerDifference, Option<Meant>)>,
    /// How many more there are, which are only counted.
    pub(super) counted: BTreeMap<Option<Meant>, u64>,
}

impl Compared {
    pub(super) fn differences(&self) -> u64 {
        let told = self.found.iter().filter(|(_, meant)| meant.is_none()).count() as u64;
        let whole = u64::from(self.is_absent) + u64::from(self.unended.is_some());
        told.saturating_add(self.counted.get(&None).copied().unwrap_or(0)).saturating_add(whole)
    }
}

/// Whoever is told how far it is.
pub(super) trait Watching: Sync {
    /// One more question was answered by both.
    fn answered(&self);

    /// All is compared up to a nonce, and the newest that either had before was this one.
    ///
    /// # Errors
    /// When that cannot be kept.
    fn done(&self, process: ProcessId, part: &ComparedPart, newest: u64) -> Result<(), CompareError>;
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
    /// How many of them are meant, as far as it is known.
    meant: usize,
    counted: BTreeMap<Option<Meant>, u64>,
    is_unspawned: bool,
    /// Whether neither has anything of it.
    is_absent: bool,
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
        Self {
            pair,
            process,
            watching,
            before,
            answers: 0,
            differences: Vec::new(),
            meant: 0,
            counted: BTreeMap::new(),
            is_unspawned: false,
            is_absent: true,
            spawns: BTreeSet::new(),
        }
    }

    pub(super) async fn run(mut self) -> Result<Compared, Failure> {
        let unended = match self.look().await {
            Ok(None) => None,
            Ok(Some(nonce)) => {
                Some(format!("one of both says that more comes, and serves nothing up to nonce {nonce}"))
            }
            // What is answered about one process is no end of the others.
            Err(Failure::Client(error)) if error.is_of_answer() => Some(error.to_string()),
            Err(failure) => return Err(failure),
        };
        // Of what was not looked at to its end nobody knows that it is not there.
        self.is_absent &= unended.is_none();
        Ok(Compared { unended, ..self.compared() })
    }

    /// Compares all there is; the nonce up to which nothing came where a history does not end.
    async fn look(&mut self) -> Result<Option<u64>, Failure> {
        let process = self.process;
        let spawn = self.ask(&format!("/processes/{process}")).await?;
        self.is_unspawned = !spawn.sides().into_iter().any(ComparedAnswer::is_ok);
        let newest = self.ask(&format!("/{process}/latest?process-id={process}")).await?;
        self.is_absent =
            [&spawn, &newest].into_iter().all(|pair| !pair.sides().into_iter().any(ComparedAnswer::is_ok));
        let mut done = None;
        for part in std::mem::take(&mut self.before) {
            done = Some(part.upto);
            // The page alone was asked for where there was nothing.
            self.is_absent &= part.answers <= 1;
            let part = self.bounded(part);
            self.take(part);
        }
        let last =
            newest.sides().into_iter().filter_map(|answer| said(&answer.body, "Nonce")).max().unwrap_or(0);
        drop((spawn, newest));
        let (pair, watching) = (self.pair, self.watching);
        let spans = stream::iter(NonceSpan::upto(done, last));
        let mut parts = spans.map(|span| compare_span(pair, process, span, watching)).buffered(SPANS);
        while let Some((part, is_empty)) = parts.try_next().await? {
            done = Some(part.upto);
            self.is_absent &= is_empty;
            self.done(part, last)?;
        }
        drop(parts);
        // The newest is not the last everywhere, and something may have come meanwhile.
        let mut next = NonceSpan { after: done, to: done.unwrap_or(0).saturating_add(NONCES) };
        while self.is_more(next.after.unwrap_or(0)).await? {
            let (part, is_empty) = compare_span(pair, process, next, watching).await?;
            self.is_absent &= is_empty;
            self.done(part, last)?;
            if next.to >= NONCE_MAX {
                return Ok(Some(next.to));
            }
            next = next.next(is_empty);
        }
        Ok(None)
    }

    /// A part is compared.
    fn done(&mut self, part: ComparedPart, newest: u64) -> Result<(), CompareError> {
        let part = self.bounded(part);
        self.watching.done(self.process, &part, newest)?;
        self.answers = self.answers.saturating_add(part.answers);
        self.take(part);
        Ok(())
    }

    /// All of it, once it is known how it was spawned.
    fn compared(mut self) -> Compared {
        let history = ComparedHistory::new(self.process, &self.spawns, self.is_unspawned);
        if !history.is_respawned()
            && let Some(count) = self.counted.remove(&Some(Meant::Respawn))
        {
            *self.counted.entry(None).or_default() += count;
        }
        let meant = |difference: AnswerDifference| {
            let meant = history.meant(&difference);
            (difference, meant)
        };
        let found = self.differences.into_iter().map(meant).collect();
        let Self { answers, is_absent, counted, .. } = self;
        Compared { answers, is_absent, unended: None, found, counted }
    }

    /// A part with no more differences than are held; the others are counted.
    fn bounded(&mut self, mut part: ComparedPart) -> ComparedPart {
        self.spawns.extend(part.spawns.iter().cloned());
        let history = ComparedHistory::new(self.process, &self.spawns, self.is_unspawned);
        let mut counted: BTreeMap<Option<Meant>, u64> = part.counted.into_iter().collect();
        let (mut meant, mut others) = (self.meant, self.differences.len().saturating_sub(self.meant));
        part.found.retain(|difference| {
            let why = history.meant(difference);
            let held = if why.is_some() { &mut meant } else { &mut others };
            if *held < TOLD {
                *held += 1;
                return true;
            }
            *counted.entry(why).or_default() += 1;
            false
        });
        self.meant = meant;
        part.counted = counted.into_iter().collect();
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
        let path = format!("/{process}?process-id={process}&from-nonce={after}&limit=2");
        // Some show the process in every list, which is behind no nonce then.
        let id = process.to_string();
        let is_behind = |edge: &Value| {
            let Some(node) = edge.get("node") else { return true };
            let of_process = node.pointer("/message/id").is_some_and(|message| *message == id);
            !of_process || said(node, "Nonce").is_some_and(|nonce| nonce > after)
        };
        let look =
            |pair: AnswerPair| pair.sides().into_iter().any(|answer| answer.edges().iter().any(is_behind));
        self.pair.look(&path, look).await
    }

    async fn ask(&mut self, path: &str) -> Result<AnswerPair, ClientError> {
        let answers = self.pair.look(path, |answers| answers).await?;
        self.watching.answered();
        self.answers = self.answers.saturating_add(1);
        self.differences.extend(answers.differences(path));
        Ok(answers)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::super::differences::AskedId;
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
    async fn of_very_many_differences_the_first_are_held_and_those_that_are_meant_hide_no_other() {
        let client = SchedulerClient::new("http://127.0.0.1:9").unwrap();
        let pair = SchedulerPair::find(&client, &client, 1).await.unwrap();
        let mut comparison =
            Comparison::new(&pair, ans104::Id::from_bytes([7; 32]).into(), Vec::new(), &Nobody);
        let difference = |at: &str| AnswerDifference {
            path: "/x".to_owned(),
            at: at.to_owned(),
            first: json!(null),
            second: json!("a"),
            is_no_text: false,
            asked: AskedId { is_early: true, ..AskedId::default() },
        };
        let mut take = |at: &str, count: usize| {
            let found = vec![difference(at); count];
            let part = comparison.bounded(ComparedPart { found, ..ComparedPart::default() });
            comparison.take(part);
        };
        // What is meant comes first, and is more than is told.
        take(".message.anchor", TOLD);
        take(".message.anchor", 7);
        take(".x", TOLD - 1);
        take(".y", 3);
        let told = |at: &str| comparison.differences.iter().filter(|found| found.at == at).count();
        assert_eq!([told(".message.anchor"), told(".x"), told(".y")], [TOLD, TOLD - 1, 1]);
        assert_eq!(comparison.counted, BTreeMap::from([(None, 2), (Some(Meant::Anchor), 7)]));
    }
}
