//! What is asked about a span of nonces: its entries by nonce, by time, and each by its ids.

use std::collections::BTreeMap;

use futures_util::{StreamExt, TryStreamExt, stream};
use protocol::ProcessId;
use serde_json::Value;

use super::asking::SchedulerPair;
use super::differences::{AnswerDifference, AnswerPair, AskedId, ComparedAnswer};
use super::process::Watching;
use super::span::NonceSpan;
use super::state::ComparedPart;
use crate::client::ClientError;

/// How many entries a page may have.
const ENTRIES: u64 = 1000;

/// Compares a span, and whether neither has anything in it.
pub(super) async fn compare_span(
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
        let look = |page: AnswerPair| PageLook::new(&page, &path, process);
        let halves = span.halves();
        let page = match halves {
            Some(_) => pair.look_if_short(&path, look).await?,
            None => Some(pair.look(&path, look).await?),
        };
        let page = match (page, halves) {
            (page, Some([first, second])) if page.as_ref().is_none_or(|page| page.has_next) => {
                left.extend([second, first]);
                continue;
            }
            (Some(page), _) => page,
            (None, _) => continue,
        };
        is_empty &= page.times.is_none() && page.ids.is_empty();
        asking.part.spawns.extend(page.spawns);
        asking.note(page.differences);
        if let Some(times) = page.times {
            asking.by_time(times).await?;
        }
        asking.by_id(page.ids).await?;
    }
    Ok((asking.part, is_empty))
}

/// What is kept of a page.
struct PageLook {
    has_next: bool,
    differences: Vec<AnswerDifference>,
    /// The earliest and the latest time.
    times: Option<(u64, u64)>,
    /// What its entries are asked for by.
    ids: BTreeMap<String, AskedId>,
    /// The assignments of the process itself, each with the place of who shows it.
    spawns: Vec<(usize, String)>,
}

impl PageLook {
    fn new(page: &AnswerPair, path: &str, process: ProcessId) -> Self {
        let has_next = page.sides().into_iter().any(ComparedAnswer::has_next_page);
        let times = page
            .sides()
            .into_iter()
            .flat_map(ComparedAnswer::edges)
            .filter_map(|edge| said(edge.get("node")?, "Timestamp"));
        let (first, last) = times.fold((u64::MAX, 0), |(low, high), time| (low.min(time), high.max(time)));
        let times = (first <= last).then_some((first, last));
        let (ids, spawns) = (BTreeMap::new(), Vec::new());
        let mut look = Self { has_next, differences: page.differences(path), times, ids, spawns };
        let own = process.to_string();
        for (side, answer) in page.sides().into_iter().enumerate() {
            for node in answer.edges().iter().filter_map(|edge| edge.get("node")) {
                look.entry(node, &own, side);
            }
        }
        look
    }

    fn entry(&mut self, node: &Value, process: &str, side: usize) {
        let id = |part: &str| node.pointer(part).and_then(Value::as_str).map(str::to_owned);
        let (message, assignment) = (id("/message/id"), id("/assignment/id"));
        let asked = AskedId::of(node, process, side == 0);
        if asked.is_spawn {
            self.spawns.extend(assignment.clone().map(|assignment| (side, assignment)));
        }
        if let Some(message) = message.filter(|id| id != process) {
            self.ids.entry(message).or_default().is_early |= asked.is_early;
        }
        if let Some(assignment) = assignment {
            let known = self.ids.entry(assignment).or_default();
            known.is_spawn |= asked.is_spawn;
            known.is_early |= asked.is_early;
            known.is_listed |= asked.is_listed;
        }
    }
}

/// What is asked about a span.
struct Asking<'a> {
    pair: &'a SchedulerPair,
    process: ProcessId,
    watching: &'a dyn Watching,
    part: ComparedPart,
}

impl Asking<'_> {
    /// The entries from one time to another once more, asked for by time.
    async fn by_time(&mut self, (first, last): (u64, u64)) -> Result<(), ClientError> {
        let path = self.page_path(&format!("from={}&to={last}", first.saturating_sub(1)));
        // What steps back in time may be too much for one page: then it is seen by nonce alone.
        let look = |page: AnswerPair| {
            let is_part = page.sides().into_iter().any(ComparedAnswer::has_next_page);
            (!is_part).then(|| page.differences(&path))
        };
        let found = match self.pair.look_at_others(&path, look).await {
            Err(ClientError::TooLong { .. }) => return Ok(()),
            found => found?,
        };
        match found {
            None => self.note(Vec::new()),
            Some(Some(found)) => self.note(found),
            Some(None) => {}
        }
        Ok(())
    }

    async fn by_id(&mut self, ids: BTreeMap<String, AskedId>) -> Result<(), ClientError> {
        let (pair, process, watching) = (self.pair, self.process, self.watching);
        let asked = stream::iter(ids).map(|(id, asked)| async move {
            let mut found = pair.listed_differences(&format!("/{id}?process-id={process}")).await?;
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

/// What an assignment says under a name.
pub(super) fn said(node: &Value, name: &str) -> Option<u64> {
    let tags = node.pointer("/assignment/tags")?.as_array()?;
    let tag = tags.iter().find(|tag| tag.get("name").is_some_and(|found| found == name))?;
    tag.get("value")?.as_str()?.parse().ok()
}
