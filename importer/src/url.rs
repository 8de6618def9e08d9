//! A running scheduler, asked over HTTP process by process. What it shows is put together again and taken only where id and
//! signature hold; what lies around it there is not shown, and not kept.
//!
//! It is asked for nonces from one to another and not from page to page: some schedulers sort by time what is asked for by
//! nonce, so that the last of a page may not be the highest.

mod page;
mod spawn;
mod window;

use std::io;
use std::ops::ControlFlow;

use ans104::Id;
use gateway::{GatewayError, Http, Url};
use log::ReadError;
use protocol::{Nonce, ProcessId};
use thiserror::Error;
use tokio::runtime::{Builder, Runtime};

use crate::assemble::ShownItem;
use crate::patience::{BusyPatience, TellWait};
use crate::prepare::NONCE_MAX;
use crate::shown_row::{ShownPair, ShownRow};
use crate::source::{ImportScope, Source, SourceError, SourceRow, SourceTotals, SourceVisit};
use crate::target::KnownRows;
use page::{ServedEntry, ShownPage};
use window::{ENTRY_BYTES_MAX, NonceWindow};

/// How many entries may have the nonces that are asked for at a time.
const ENTRIES: u64 = 1000;
/// What the existing scheduler says of a process that it does not have.
const NEVER_SPAWNED: &str = "Process not found";

/// A scheduler that runs.
pub struct UrlSource {
    base: Url,
    http: Http,
    runtime: Runtime,
    patience: BusyPatience,
}

/// Why a scheduler is not asked.
#[derive(Debug, Error)]
pub enum UrlSourceError {
    /// The runtime does not start.
    #[error("cannot start the async runtime")]
    Runtime(#[source] io::Error),
}

impl UrlSource {
    /// Asks the scheduler at this address.
    ///
    /// # Errors
    /// When there are no resources for it.
    pub fn new(base: Url, http: Http, tell: TellWait) -> Result<Self, UrlSourceError> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(UrlSourceError::Runtime)?;
        Ok(Self { base, http, runtime, patience: BusyPatience::new(tell) })
    }

    fn failed(
        &self,
        what: String,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> SourceError {
        SourceError { source_name: self.name(), what, cause: cause.into() }
    }

    fn url(&self, path: &[&str], query: &[(&str, String)]) -> Url {
        let mut url = self.base.clone();
        // It fails only for addresses that are none of schedulers.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url.query_pairs_mut().extend_pairs(query);
        url
    }

    fn page(&self, process: ProcessId, window: NonceWindow) -> Result<ShownPage, Unasked> {
        let after = window.after.map_or("-1".to_owned(), |after| after.to_string());
        let range = [("from-nonce", after), ("to-nonce", window.to().to_string())];
        self.ask(process, &range, ENTRIES, window.bytes_max())
    }

    /// Whether anything comes behind a nonce.
    fn is_more(&self, process: ProcessId, after: u64) -> Result<bool, Unasked> {
        let range = [("from-nonce", after.to_string())];
        // Some show the process in every list, which is behind no nonce then.
        let page = self.ask(process, &range, 2, ENTRY_BYTES_MAX)?;
        let is_behind = |entry: &ServedEntry| entry.nonce().is_some_and(|nonce| nonce > after);
        Ok(page.edges.iter().any(|edge| !edge.node.is_of(process) || is_behind(&edge.node)))
    }

    fn ask(
        &self,
        process: ProcessId,
        range: &[(&str, String)],
        limit: u64,
        bytes_max: usize,
    ) -> Result<ShownPage, Unasked> {
        let id = process.to_string();
        let mut query = vec![("process-id", id.clone()), ("limit", limit.to_string())];
        query.extend_from_slice(range);
        query.push(("show-anchor", "true".to_owned()));
        let body = self.served(&self.url(&[&id], &query), bytes_max)?;
        serde_json::from_slice(&body)
            .map_err(|error| Unasked::Odd(format!("what it serves is no page: {error}")))
    }

    fn served(&self, url: &Url, bytes_max: usize) -> Result<Vec<u8>, Unasked> {
        match self.patience.ask(|| self.runtime.block_on(self.http.served(url, bytes_max))) {
            Ok(Some(body)) => Ok(body.into()),
            Ok(None) => Err(Unasked::Missing),
            Err(GatewayError::TooLarge { .. }) => Err(Unasked::TooLarge),
            Err(error) if error.is_transient() => Err(Unasked::Failed(Box::new(error))),
            Err(GatewayError::Status { status, excerpt, .. }) if status.is_client_error() => {
                Err(Unasked::Refused(format!("it answers {status}: {excerpt}")))
            }
            Err(error) => Err(Unasked::Failed(Box::new(error))),
        }
    }

    /// Hands over all of a process. What the log has is only looked up in it: of what was left out before nothing else
    /// tells, since it may have the nonce of something that is there.
    fn read_process(
        &self,
        process: ProcessId,
        known: &dyn KnownRows,
        visit: &mut SourceVisit<'_>,
    ) -> Result<ControlFlow<()>, Unasked> {
        // The spawn, where it is known that it comes behind others.
        let (mut window, mut spawn_later) = (NonceWindow::FIRST, None);
        loop {
            let page = self.page(process, window);
            let is_too_much = match &page {
                Ok(page) => page.page_info.has_next_page,
                Err(Unasked::TooLarge) => true,
                Err(_) => false,
            };
            if is_too_much && let Some(halved) = window.halved() {
                window = halved;
                continue;
            }
            let page = page?;
            if page.page_info.has_next_page {
                let reason = format!("more than {ENTRIES} entries have the nonce {}", window.to());
                return Err(Unasked::Odd(reason));
            }
            let (mut entries, later) = entries_of(page, process, window)?;
            let is_empty = entries.is_empty();
            if window.after.is_none() && !entries.iter().any(|entry| entry.is_of(process)) {
                let spawn = if later.is_some() { later } else { self.spawn(process)? };
                spawn_later = self.place_spawn(process, window, spawn, &mut entries);
            } else if let Some(spawn) = spawn_later.take() {
                spawn_later = self.place_spawn(process, window, Some(spawn), &mut entries);
            }
            entries.sort_by_key(ServedEntry::nonce);
            for entry in entries {
                let is_there = is_there(process, &entry, known)?;
                let row = if is_there {
                    SourceRow::There(process, entry.nonce().map(Nonce::new))
                } else {
                    row(process, entry)
                };
                if visit(row).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            if is_empty && spawn_later.is_none() && !self.is_more(process, window.to())? {
                return Ok(ControlFlow::Continue(()));
            }
            if is_empty && window.to() >= NONCE_MAX {
                let reason =
                    format!("it says that more comes, and serves nothing up to nonce {}", window.to());
                return Err(Unasked::Odd(reason));
            }
            window = window.next(is_empty);
        }
    }
}

/// The entries of a page, and the process, where it is shown here and comes later. A scheduler that serves others than it was
/// asked for may serve them without end.
fn entries_of(
    page: ShownPage,
    process: ProcessId,
    window: NonceWindow,
) -> Result<(Vec<ServedEntry>, Option<ServedEntry>), Unasked> {
    let entries = page.edges.into_iter().map(|edge| edge.node);
    // Some show the process in every list.
    let (entries, others): (Vec<_>, Vec<_>) =
        entries.partition(|entry| window.has(entry.nonce()) || !entry.is_of(process));
    let later = others.into_iter().find(|entry| entry.nonce().is_some_and(|nonce| nonce > window.to()));
    let Some(other) = entries.iter().find(|entry| !window.has(entry.nonce())) else {
        return Ok((entries, later));
    };
    let served = other.nonce().map_or("one without a nonce".to_owned(), |nonce| format!("nonce {nonce}"));
    let after = window.after.map_or("the first one".to_owned(), |after| format!("the one behind {after}"));
    let reason = format!("it was asked for the nonces from {after} to {}, and serves {served}", window.to());
    Err(Unasked::Odd(reason))
}

/// Whether the log has an entry at its place.
fn is_there(process: ProcessId, entry: &ServedEntry, known: &dyn KnownRows) -> Result<bool, ReadError> {
    let nonce = entry.nonce().map(Nonce::new);
    let Some(ids) = known.at(process, nonce)? else { return Ok(false) };
    let is = |id: Option<Id>, shown: &ShownItem| id.is_some_and(|id| id.to_string() == shown.id);
    Ok(match (&entry.assignment, &entry.message) {
        (Some(assignment), _) => is(ids.assignment, assignment),
        (None, Some(message)) => is(ids.item, message),
        (None, None) => false,
    })
}

/// Whether the log has the beginning of a process.
fn is_known(process: ProcessId, known: &dyn KnownRows) -> Result<bool, ReadError> {
    Ok(known.head(process)?.is_some())
}

/// What is told of a process that is not served to its end.
fn unserved(process: ProcessId, has_begun: bool, reason: String) -> SourceRow {
    match has_begun {
        true => SourceRow::Unserved { process, reason },
        false => {
            SourceRow::Unreadable { process: Some(process), place: format!("process {process}"), reason }
        }
    }
}

fn row(process: ProcessId, entry: ServedEntry) -> SourceRow {
    let nonce = entry.nonce().map_or("without a nonce".to_owned(), |nonce| format!("nonce {nonce}"));
    let place = format!("process {process}, {nonce}");
    let pair = ShownPair { message: entry.message, assignment: entry.assignment };
    SourceRow::Shown(Box::new(ShownRow { place, process, pair }))
}

/// Why something was not answered.
enum Unasked {
    /// The answer has too many bytes.
    TooLarge,
    /// It answers 404.
    Missing,
    /// The scheduler will not answer this.
    Refused(String),
    /// What it serves of the process cannot be right.
    Odd(String),
    /// What the log has is not known.
    Log(ReadError),
    /// It could not be asked.
    Failed(Box<dyn std::error::Error + Send + Sync>),
}

impl From<ReadError> for Unasked {
    fn from(error: ReadError) -> Self {
        Self::Log(error)
    }
}

impl Source for UrlSource {
    fn name(&self) -> String {
        let mut shown = self.base.clone();
        // Both fail only where there is nothing to leave out.
        let _ = (shown.set_username(""), shown.set_password(None));
        format!("the scheduler at {shown}")
    }

    /// As many as the newest nonces say: what is between may be missing, or be there twice.
    fn totals(&mut self, scope: &ImportScope) -> Result<SourceTotals, SourceError> {
        if scope.rows.is_some() {
            return Err(self.failed(
                "looking for a range".to_owned(),
                "a scheduler shows no numbers of rows; --process names parts",
            ));
        }
        if scope.processes.is_empty() {
            return Err(self.failed(
                "looking for processes".to_owned(),
                "a scheduler has no list of them; --process or --processes names them",
            ));
        }
        let mut messages = 0_u64;
        for process in &scope.processes {
            let id = process.to_string();
            let url = self.url(&[&id, "latest"], &[("process-id", id.clone())]);
            match self.served(&url, ENTRY_BYTES_MAX) {
                Ok(body) => {
                    let newest = serde_json::from_slice::<ServedEntry>(&body).ok();
                    messages = messages.saturating_add(newest.and_then(|newest| newest.nonce()).unwrap_or(0));
                }
                Err(Unasked::Failed(error)) => return Err(self.failed(format!("asking for {id}"), error)),
                Err(_) => {}
            }
        }
        let processes = u64::try_from(scope.processes.len()).unwrap_or(u64::MAX);
        Ok(SourceTotals { processes, messages, is_about: true })
    }

    fn read(
        &mut self,
        scope: &ImportScope,
        known: &dyn KnownRows,
        visit: &mut SourceVisit<'_>,
    ) -> Result<(), SourceError> {
        for process in &scope.processes {
            // Nobody says that there is a process of which nothing comes.
            let mut is_there = false;
            let mut visit_row = |row| {
                is_there = true;
                visit(row)
            };
            let read = self.read_process(*process, known, &mut visit_row);
            let read = match read {
                Err(Unasked::Missing) => Err("it answers 404".to_owned()),
                Err(Unasked::Refused(reason)) => {
                    is_there |= !reason.contains(NEVER_SPAWNED);
                    Err(reason)
                }
                Err(Unasked::TooLarge) => {
                    is_there = true;
                    Err(format!("an entry has more than {ENTRY_BYTES_MAX} bytes"))
                }
                Err(Unasked::Odd(reason)) => {
                    is_there = true;
                    Err(reason)
                }
                Err(Unasked::Failed(error)) => {
                    return Err(self.failed(format!("reading process {process}"), error));
                }
                Err(Unasked::Log(error)) => return Err(self.failed("asking the log".to_owned(), error)),
                Ok(read) => Ok(read),
            };
            let read = match read {
                Ok(read) => read,
                Err(reason) => {
                    let is_known = is_known(*process, known);
                    let is_known =
                        is_known.map_err(|error| self.failed("asking the log".to_owned(), error))?;
                    visit(unserved(*process, is_there || is_known, reason))
                }
            };
            if read.is_break() {
                return Ok(());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
