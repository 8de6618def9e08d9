//! What a node with a gate does all the time: what is on disk goes to the gate, one batch at a time, and leaves the node
//! once it is there.

use std::fmt::Display;
use std::future::pending;
use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use gate::{BatchDraft, BatchError, GatePlace, GatePublisher, PublishError};
use log::{LocalLog, ReadError, Rocks, Seq};
use projections::Progress;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};
use tracing::{error, info, warn};

use super::GatedError;
use crate::error::NodeError;
use crate::part::NodeParts;
use crate::task_part::TaskPart;

/// How long what is written may wait for the gate before nothing more is taken.
const WAITS_MAX: Duration = Duration::from_secs(5);
/// How often that is looked at while the gate does not answer.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long until it is asked again, at first and at most.
const AGAIN: Duration = Duration::from_millis(20);
const AGAIN_MAX: Duration = Duration::from_secs(1);

/// What became of publishing.
#[derive(Clone)]
pub(super) struct PublishingSeen(watch::Receiver<Option<Arc<str>>>);

/// Publishes what is on disk.
struct Publishing {
    log: Arc<LocalLog<Rocks>>,
    publisher: GatePublisher,
    /// Since when the gate does not take what is written, and why.
    away: Option<(Instant, String)>,
    /// Whether clients are told so.
    is_told: bool,
    lost: watch::Sender<Option<Arc<str>>>,
}

/// Publishes from here on.
pub(super) fn start(
    parts: &mut NodeParts,
    publisher: GatePublisher,
    log: Arc<LocalLog<Rocks>>,
) -> PublishingSeen {
    let (lost, seen) = watch::channel(None);
    let publishing = Publishing { log, publisher, away: None, is_told: false, lost };
    // Wherever it is broken off, what was put is found by the next claim.
    parts.push(TaskPart { name: "gate", task: tokio::spawn(publishing.run()) });
    PublishingSeen(seen)
}

impl PublishingSeen {
    /// Why nothing is published any more.
    pub(super) fn lost(&self) -> Option<Arc<str>> {
        self.0.borrow().clone()
    }

    /// Does this, which may wait for the gate, unless nothing is published any more or the start is cancelled.
    pub(super) async fn or_lost<T>(
        &self,
        progress: &Progress,
        work: impl Future<Output = T>,
    ) -> Result<T, NodeError> {
        let (mut lost, mut cancelled) = (self.0.clone(), progress.cancelled());
        tokio::select! {
            done = work => return Ok(done),
            _ = lost.wait_for(Option::is_some) => {}
            _ = cancelled.wait_for(|cancelled| *cancelled) => {}
        }
        progress.go_on()?;
        let reason = self.lost().map_or_else(|| "publishing ended with a panic".to_owned(), |reason| reason.to_string());
        Err(GatedError::Lost(reason).into())
    }
}

/// Nothing more is published.
enum Ended {
    /// The log is closed, or has failed: whoever has it says so.
    Closed,
    /// Another node writes to the gate.
    Deposed(String),
    /// The gate, or the log, is not what it was.
    Wrong(String),
}

impl Ended {
    fn wrong(error: impl Display) -> Self {
        Self::Wrong(error.to_string())
    }
}

impl Publishing {
    async fn run(mut self) {
        let ended = loop {
            if let Err(ended) = self.publish_next().await {
                break ended;
            }
        };
        match ended {
            Ended::Closed => {}
            Ended::Deposed(reason) => {
                // Nothing that is signed here from now on could ever leave.
                self.log.fence();
                self.lose(reason);
            }
            Ended::Wrong(reason) => self.lose(reason),
        }
        // What was released can be read still.
        pending().await
    }

    fn lose(&self, reason: String) {
        error!(reason, "nothing is scheduled here any more");
        let reason: Arc<str> = reason.into();
        self.log.set_unconfirmed(Some(reason.clone()));
        self.lost.send_replace(Some(reason));
    }

    /// Has the gate take what comes next, and releases that.
    async fn publish_next(&mut self) -> Result<(), Ended> {
        let end = self.publisher.end();
        if !self.log.synced().reached(Seq::new(end.events)).await {
            return Err(Ended::Closed);
        }
        let log = self.log.clone();
        let draft = spawn_blocking(move || draft(&log, end)).await.map_err(Ended::wrong)??;
        self.publisher.offer(draft).map_err(Ended::wrong)?;
        let mut pause = AGAIN;
        loop {
            match self.settle().await {
                Ok(end) => {
                    if let Some(last) = Seq::new(end.events).prev() {
                        self.log.release(last);
                    }
                    self.is_back();
                    return Ok(());
                }
                Err(PublishError::Gate(error)) if error.may_pass() => self.is_away(error.to_string()),
                Err(PublishError::Deposed(there)) => {
                    return Err(Ended::Deposed(format!(
                        "another node, {}, has claimed the gate in term {}, and schedules there",
                        there.claim.owner, there.claim.term
                    )));
                }
                Err(error) => return Err(Ended::wrong(error)),
            }
            sleep(pause).await;
            pause = pause.saturating_mul(2).min(AGAIN_MAX);
        }
    }

    /// Puts what is pending once. Clients are told when that takes long.
    async fn settle(&mut self) -> Result<GatePlace, PublishError> {
        let mut settling = pin!(self.publisher.settle());
        loop {
            tokio::select! {
                settled = &mut settling => return settled,
                () = sleep(LOOK_EVERY) => tell_clients(&self.log, self.away.as_ref(), &mut self.is_told),
            }
        }
    }

    fn is_away(&mut self, reason: String) {
        match &mut self.away {
            Some((_, before)) => *before = reason,
            None => {
                warn!(reason, "the gate does not take what is written; it waits");
                self.away = Some((Instant::now(), reason));
            }
        }
        tell_clients(&self.log, self.away.as_ref(), &mut self.is_told);
    }

    fn is_back(&mut self) {
        if let Some((since, _)) = self.away.take() {
            info!(milliseconds = since.elapsed().as_millis(), "the gate takes what is written again");
        }
        if std::mem::take(&mut self.is_told) {
            self.log.set_unconfirmed(None);
        }
    }
}

/// Takes nothing more where what is written waits for too long.
fn tell_clients(log: &LocalLog<Rocks>, away: Option<&(Instant, String)>, is_told: &mut bool) {
    let Some(waited) = log.unreleased_for().filter(|waited| *waited >= WAITS_MAX) else { return };
    let reason = away.map_or("it does not answer", |(_, reason)| reason.as_str());
    *is_told = true;
    let waited = waited.as_secs();
    log.set_unconfirmed(Some(format!("the gate has not taken what was written for {waited} s: {reason}").into()));
}

/// What is on disk behind this place, as much as a batch holds.
fn draft(log: &LocalLog<Rocks>, end: GatePlace) -> Result<BatchDraft, Ended> {
    let (mut draft, mut failed) = (BatchDraft::at(end), None::<BatchError>);
    let scanned: Result<(), ReadError> = log.scan_synced(Seq::new(end.events), &mut |event| match draft.push(&event) {
        Ok(false) => ControlFlow::Continue(()),
        Ok(true) => ControlFlow::Break(()),
        Err(error) => {
            failed = Some(error);
            ControlFlow::Break(())
        }
    });
    scanned.map_err(Ended::wrong)?;
    failed.map_or(Ok(draft), |error| Err(Ended::wrong(error)))
}
