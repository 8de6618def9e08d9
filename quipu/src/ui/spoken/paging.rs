//! Rows and assignments of a process from pages of the protocol, which have all messages whole. Nobody knows beforehand how
//! long these are: a page is the shorter the longer its messages take to come, and what is told ends early, as that of a node
//! that knows these calls does.

use std::time::Duration;

use ans104::base64url;
use importer::ShownPair;
use protocol::ProcessId;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use web::HttpError;

use super::{Spoken, SpokenPage, beginning, made, newest, nonce, row, told, understood, unfit};
use crate::client::{ClientError, SchedulerClient};

/// How many messages are asked for at first.
const AT_ONCE: u64 = 10;
/// How long several of them may take to come: fewer are asked for then.
const HASTE: Duration = Duration::from_secs(2);
/// After how long it is enough, where it came any further: a browser waits for ten seconds.
const ENOUGH: Duration = Duration::from_secs(3);
/// How many times as many nonces are looked at next where there was nothing at all.
const WIDENED: u64 = 8;

/// How many messages are asked for at a time.
struct Pace {
    began: Instant,
    step: u64,
}

impl Pace {
    fn new() -> Self {
        Self { began: Instant::now(), step: AT_ONCE }
    }

    /// How many of these are asked for next; none where what there is will do, which is never before it came any further.
    fn next(&self, left: u64, is_further: bool) -> Option<u64> {
        let is_enough = is_further && self.began.elapsed() >= ENOUGH;
        Some(self.step.min(left)).filter(|step| *step > 0 && !is_enough)
    }

    /// All from one nonce until before another, in order; none where that is too much at once.
    async fn between(
        &mut self,
        scheduler: &SchedulerClient,
        process: ProcessId,
        start: u64,
        end: u64,
    ) -> Result<Option<Vec<ShownPair>>, HttpError> {
        // From a nonce exclusive, to another inclusive; what was spawned without one comes with what has no nonce before it.
        let (mut from, to) = (start.checked_sub(1).map(i128::from), end - 1);
        let (mut nodes, began) = (Vec::new(), Instant::now());
        loop {
            let after = from.map_or(String::new(), |from| format!("&from-nonce={from}"));
            let most = end - start + u64::from(start == 0);
            let path = format!("/{process}?process-id={process}{after}&to-nonce={to}&limit={most}");
            let Some(page) = self.page(scheduler, &path, end - start).await? else { return Ok(None) };
            let has_more = page.page_info.has_next_page && !page.edges.is_empty();
            let last = page.edges.last().and_then(|edge| nonce(edge.node.assignment.as_ref()?));
            nodes.extend(page.edges.into_iter().map(|edge| edge.node));
            if !has_more || last >= Some(to) || nodes.len() as u64 >= most {
                nodes.truncate(usize::try_from(most).unwrap_or(usize::MAX));
                return Ok(Some(nodes));
            }
            if end - start > 1 && began.elapsed() >= HASTE {
                self.step = (end - start) / 2;
                return Ok(None);
            }
            // It ended early, by a measure of its own: what is newer than that is missing.
            let next = Some(last.map_or(-1, i128::from));
            if next <= from {
                return Err(unfit("a page says that more comes, and does not go on"));
            }
            from = next;
        }
    }

    /// Whether any message has one of these nonces: that one comes tells it.
    async fn is_any(
        &mut self,
        scheduler: &SchedulerClient,
        process: ProcessId,
        start: u64,
        end: u64,
    ) -> Result<bool, HttpError> {
        let after = start.checked_sub(1).map_or(String::new(), |from| format!("&from-nonce={from}"));
        // What was spawned may come first, with a nonce or without one.
        let (to, most) = (end - 1, 2);
        let path = format!("/{process}?process-id={process}{after}&to-nonce={to}&limit={most}");
        let page = self.page(scheduler, &path, 1).await?;
        let edges = page.map_or_else(Vec::new, |page| page.edges);
        Ok(edges.iter().any(|edge| is_within(&edge.node, start, end)))
    }

    /// A page of so many messages; none where that is too much, and fewer are to be asked for.
    async fn page(
        &mut self,
        scheduler: &SchedulerClient,
        path: &str,
        count: u64,
    ) -> Result<Option<SpokenPage>, HttpError> {
        let asked = scheduler.answer(path);
        let answer = if count > 1 { timeout(HASTE, asked).await.ok() } else { Some(asked.await) };
        let answer = match answer {
            None | Some(Err(ClientError::TooLong { .. })) if count > 1 => {
                self.step = count / 2;
                return Ok(None);
            }
            None => return Ok(None),
            Some(answer) => told(answer)?,
        };
        if answer.status != 200 {
            return Err(unfit(&format!("of a schedule it answers {}", answer.status)));
        }
        self.step = count.saturating_mul(2);
        understood(&answer).map(Some)
    }
}

fn told_rows(process: ProcessId, newest: Option<u64>, entries: Vec<Value>, next: Option<u64>) -> Spoken {
    Spoken::Json(
        json!({ "process": process.to_string(), "newest": newest, "entries": entries, "next": next }),
    )
}

/// Whether an entry has the spawn of a process.
fn is_spawn(node: &ShownPair, process: ProcessId) -> bool {
    node.message.as_ref().is_some_and(|item| item.id == process.to_string())
}

/// Whether an entry has one of these nonces.
fn is_within(node: &ShownPair, start: u64, end: u64) -> bool {
    node.assignment.as_ref().and_then(nonce).is_some_and(|nonce| (start..end).contains(&nonce))
}

/// What was asked for, the oldest first: some schedulers sort by time, and some show the process wherever one looks.
fn in_order(nodes: Vec<ShownPair>, process: ProcessId, start: u64, end: u64) -> Vec<ShownPair> {
    let mut nodes = nodes;
    nodes.retain(|node| is_within(node, start, end) || is_unassigned_spawn(node, process));
    nodes.sort_by_key(|node| node.assignment.as_ref().and_then(nonce));
    nodes
}

/// Whether that takes no nonce.
fn is_unassigned_spawn(node: &ShownPair, process: ProcessId) -> bool {
    is_spawn(node, process) && node.assignment.as_ref().and_then(nonce).is_none()
}

/// Nonces that nothing has, which whoever took a history over took over with it: nobody tells how many these are, so that it
/// is looked at ever more of them, and where there is something, at the newer half and the half of that.
#[derive(Default)]
struct Gap {
    /// How many nonces are looked at next.
    width: u64,
    /// Whether there is something among these.
    is_near: bool,
}

impl Gap {
    fn look_on(&mut self, is_any: bool) {
        self.is_near |= is_any;
        self.width = if self.is_near { self.width / 2 } else { self.width.saturating_mul(WIDENED) };
    }
}

/// Rows before a nonce, the newest first.
pub(super) async fn rows(
    scheduler: &SchedulerClient,
    process: ProcessId,
    before: Option<u64>,
    limit: u64,
) -> Result<Spoken, HttpError> {
    let last = newest(scheduler, process).await?;
    let newest = last.as_ref().map(|(nonce, _)| *nonce);
    match (before, limit, &last) {
        (None, 0, Some((nonce, _))) => {
            return Ok(told_rows(process, newest, Vec::new(), Some(nonce.saturating_add(1))));
        }
        (None, 1, Some((nonce, node))) => {
            // It is here already, and may be long.
            let next = Some(*nonce).filter(|_| !is_spawn(node, process));
            return Ok(told_rows(process, newest, vec![row(node)], next));
        }
        _ => {}
    }
    let mut end = newest.map_or(0, |newest| newest.saturating_add(1)).min(before.unwrap_or(u64::MAX));
    let (mut pace, mut entries, mut spawn, top) = (Pace::new(), Vec::new(), None, end);
    let (mut gap, mut is_begun) = (Gap::default(), false);
    while end > 0
        && let Some(count) = pace.next(limit.saturating_sub(entries.len() as u64), end < top)
    {
        if gap.width > count {
            let start = end.saturating_sub(gap.width);
            let is_any = pace.is_any(scheduler, process, start, end).await?;
            end = if is_any { end } else { start };
            gap.look_on(is_any);
            continue;
        }
        let start = end.saturating_sub(count);
        let Some(nodes) = pace.between(scheduler, process, start, end).await? else { continue };
        let nodes = in_order(nodes, process, start, end);
        gap = Gap { width: if nodes.is_empty() { count.saturating_mul(WIDENED) } else { 0 }, is_near: false };
        let nodes = nodes.into_iter();
        let (unassigned, nodes): (Vec<_>, Vec<_>) =
            nodes.partition(|node| is_unassigned_spawn(node, process));
        entries.extend(nodes.iter().rev().map(row));
        spawn = unassigned.into_iter().next();
        is_begun = spawn.is_some() || nodes.first().is_some_and(|node| is_spawn(node, process));
        end = start;
    }
    // Not all tell it there.
    if end == 0 && !is_begun {
        spawn = beginning(scheduler, process).await?.map(|found| found.node);
    }
    let spawn = spawn.filter(|node| end == 0 && is_unassigned_spawn(node, process));
    let has_room = (entries.len() as u64) < limit;
    let next = match &spawn {
        _ if end > 0 => Some(end),
        Some(_) if !has_room => Some(0),
        _ => None,
    };
    entries.extend(spawn.filter(|_| has_room).as_ref().map(row));
    Ok(told_rows(process, newest, entries, next))
}

/// Assignments after a nonce, byte by byte.
pub(super) async fn links(
    scheduler: &SchedulerClient,
    process: ProcessId,
    after: Option<u64>,
    limit: u64,
) -> Result<Spoken, HttpError> {
    let (mut pace, mut links, mut after) = (Pace::new(), Vec::new(), after);
    let (mut next, mut last) = (after, None);
    while let Some(count) = pace.next(limit.saturating_sub(links.len() as u64), !links.is_empty()) {
        let from = after.map_or_else(|| "-1".to_owned(), |after| after.to_string());
        // Some tell a spawn without a nonce first.
        let most = count + u64::from(after.is_none());
        let path = format!("/{process}?process-id={process}&from-nonce={from}&limit={most}&show-anchor=true");
        let Some(page) = pace.page(scheduler, &path, count).await? else { continue };
        let assignments = page.edges.iter().filter_map(|edge| edge.node.assignment.as_ref());
        let (total, before) = (assignments.clone().count() as u64, links.len());
        for assignment in assignments.take(usize::try_from(count).unwrap_or(usize::MAX)) {
            last = nonce(assignment);
            let nonce = nonce(assignment).ok_or_else(|| unfit("an assignment has no nonce"))?;
            let bytes = made(assignment);
            let bytes = bytes.map_err(|error| unfit(&format!("the assignment of nonce {nonce}: {error}")))?;
            links.push(json!({ "nonce": nonce, "bytes": base64url::encode(&bytes) }));
        }
        next = last.filter(|_| links.len() > before && (page.page_info.has_next_page || total > count));
        // It goes on behind what it told, or not at all.
        if next.is_none() || next <= after {
            break;
        }
        after = next;
    }
    Ok(Spoken::Json(json!({ "process": process.to_string(), "links": links, "next": next })))
}

#[cfg(test)]
mod tests;
