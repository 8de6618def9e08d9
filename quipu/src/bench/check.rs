//! Fetching the whole history of every process, to check it.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use indicatif::ProgressBar;
use protocol::{MessageId, ProcessId};
use tokio::runtime::Builder;

use crate::client::{ClientEdge, ClientError, ClientPage, Range, SchedulerClient};
use crate::failure::{Failure, chain};

use super::BenchError;
use super::floor::cores;
use super::history::{Findings, HistoryCheck, Wrong};
use super::progress::bar;
use super::report::CheckReport;

/// Small enough that checking a page does not keep a thread for long.
const PAGE_LIMIT: u32 = 200;
/// No more flaws than that are told one by one.
const TOLD_FLAWS: usize = 20;

/// What must be found of one process.
#[derive(Debug)]
pub struct ExpectedHistory {
    /// The process.
    pub process: ProcessId,
    /// What was acknowledged: must be there.
    pub acknowledged: HashSet<MessageId>,
    /// What was posted, if that is known: nothing else may be there.
    pub posted: Option<HashMap<MessageId, Bytes>>,
}

/// Checks the histories of all processes, on all cores.
///
/// # Errors
/// When the node is not reached. What is wrong with its answers is in the report.
pub fn check_all(url: &str, expected: Vec<ExpectedHistory>) -> Result<CheckReport, Failure> {
    let acknowledged = expected.iter().map(|expected| expected.acknowledged.len() as u64).sum();
    let progress = bar("checking", acknowledged);
    let processes = expected.len();
    let runtime = Builder::new_multi_thread().enable_all().build().map_err(Failure::Runtime)?;
    let scheduler = SchedulerClient::new(url)?;
    let findings = runtime.block_on(async {
        let checks = expected
            .into_iter()
            .map(|expected| tokio::spawn(check_one(scheduler.clone(), expected, progress.clone())));
        stream::iter(checks.collect::<Vec<_>>()).buffer_unordered(cores()).collect::<Vec<_>>().await
    });
    progress.finish_and_clear();
    let mut report = CheckReport { processes, acknowledged, ..CheckReport::default() };
    for found in findings {
        add(&mut report, found.map_err(|_| BenchError::Panicked)??);
    }
    Ok(report)
}

fn add(report: &mut CheckReport, found: Findings) {
    report.messages += found.messages;
    report.signatures_verified += found.signatures;
    report.signatures_not_verifiable += found.not_verifiable;
    report.acknowledged_found += found.acknowledged_found;
    report.flaw_count += found.flaws.len() as u64;
    let room = TOLD_FLAWS.saturating_sub(report.flaws.len());
    report.flaws.extend(found.flaws.into_iter().take(room));
}

async fn check_one(
    scheduler: SchedulerClient,
    expected: ExpectedHistory,
    progress: ProgressBar,
) -> Result<Findings, ClientError> {
    let mut history = HistoryCheck::new(expected.process, expected.posted.as_ref());
    match walk(&scheduler, expected.process, &mut history, &progress).await {
        Ok(()) => {}
        Err(error) if error.is_connection() => return Err(error),
        // The node is there and does not give what it must.
        Err(error) => history.flaw(None, Wrong::Unreadable(chain(&error))),
    }
    Ok(history.finish(&expected.acknowledged))
}

async fn walk(
    scheduler: &SchedulerClient,
    process: ProcessId,
    history: &mut HistoryCheck<'_>,
    progress: &ProgressBar,
) -> Result<(), ClientError> {
    let mut range = Range { limit: PAGE_LIMIT, show_anchor: true, ..Range::default() };
    loop {
        let page: ClientPage<ClientEdge> = scheduler.page(process, range).await?;
        for edge in &page.edges {
            history.push(edge);
        }
        progress.inc(page.edges.len() as u64);
        if !page.page_info.has_next_page {
            return Ok(());
        }
        let last = page.edges.last().ok_or(ClientError::EmptyPage)?;
        let cursor = last.cursor_nonce().ok_or_else(|| ClientError::Cursor(last.cursor.clone()))?;
        if range.after.is_some_and(|after| cursor <= after) {
            return Err(ClientError::Cursor(last.cursor.clone()));
        }
        range.after = Some(cursor);
    }
}
