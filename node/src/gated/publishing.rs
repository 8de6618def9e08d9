//! What a node with a gate does all the time: what is on disk goes to the gate, one batch at a time, and leaves the node
//! once it is there.

use std::convert::Infallible;
use std::fmt::Display;
use std::future::pending;
use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use api::{GateNow, GateSeen};
use gate::{BatchDraft, BatchError, Durability, GatePlace, GatePublisher, PublishError, record_waiting};
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

/// What becomes of publishing, for whoever looks.
#[derive(Clone)]
pub(super) struct PublishingSeen(watch::Receiver<GateStanding>);

/// How the gate is found.
#[derive(Clone)]
enum GateStanding {
    /// It takes what is written.
    Well,
    /// It has not since then, for this reason.
    Away(Instant, Arc<str>),
    /// Nothing is published any more, for this reason.
    Lost(Arc<str>),
}

/// Publishes what is on disk.
struct Publishing {
    log: Arc<LocalLog<Rocks>>,
    publisher: GatePublisher,
    standing: watch::Sender<GateStanding>,
    /// Whether clients are told that it takes nothing.
    is_told: bool,
}

/// Publishes from here on.
pub(super) fn start(
    parts: &mut NodeParts,
    publisher: GatePublisher,
    log: Arc<LocalLog<Rocks>>,
) -> PublishingSeen {
    let (standing, seen) = watch::channel(GateStanding::Well);
    let publishing = Publishing { log, publisher, standing, is_told: false };
    let measured = publishing.log.clone();
    let publishing = async move {
        tokio::select! {
            never = publishing.run() => match never {},
            never = measure(&measured) => match never {},
        }
    };
    // Wherever it is broken off, what was put is found by the next claim.
    parts.push(TaskPart { name: "gate", task: tokio::spawn(publishing) });
    PublishingSeen(seen)
}

impl PublishingSeen {
    /// Why nothing is published any more.
    pub(super) fn lost(&self) -> Option<Arc<str>> {
        match &*self.0.borrow() {
            GateStanding::Lost(reason) => Some(reason.clone()),
            GateStanding::Well | GateStanding::Away(..) => None,
        }
    }

    /// What the checks look at.
    pub(super) fn for_checks(
        &self,
        kind: &'static str,
        durability: Durability,
        log: Arc<LocalLog<Rocks>>,
    ) -> GateSeen {
        let (seen, is_single_copy) = (self.0.clone(), durability == Durability::SingleCopy);
        Arc::new(move || {
            let (away, lost) = match &*seen.borrow() {
                GateStanding::Well => (None, None),
                GateStanding::Away(since, reason) => (Some((since.elapsed(), reason.to_string())), None),
                GateStanding::Lost(reason) => (None, Some(reason.to_string())),
            };
            GateNow { kind, is_single_copy, away, waiting: log.unreleased_for(), lost }
        })
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
            _ = lost.wait_for(|standing| matches!(standing, GateStanding::Lost(_))) => {}
            _ = cancelled.wait_for(|cancelled| *cancelled) => {}
        }
        progress.go_on()?;
        let reason = self
            .lost()
            .map_or_else(|| "publishing ended with a panic".to_owned(), |reason| reason.to_string());
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
    async fn run(mut self) -> Infallible {
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
        self.standing.send_replace(GateStanding::Lost(reason));
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
                () = sleep(LOOK_EVERY) => tell_clients(&self.log, &self.standing.borrow(), &mut self.is_told),
            }
        }
    }

    fn is_away(&mut self, reason: String) {
        let before = self.standing.borrow().clone();
        let since = if let GateStanding::Away(since, _) = before {
            since
        } else {
            warn!(reason, "the gate does not take what is written; it waits");
            Instant::now()
        };
        let standing = GateStanding::Away(since, reason.into());
        tell_clients(&self.log, &standing, &mut self.is_told);
        self.standing.send_replace(standing);
    }

    fn is_back(&mut self) {
        if std::mem::take(&mut self.is_told) {
            self.log.set_unconfirmed(None);
        }
        if matches!(*self.standing.borrow(), GateStanding::Well) {
            return;
        }
        if let GateStanding::Away(since, _) = self.standing.send_replace(GateStanding::Well) {
            info!(milliseconds = since.elapsed().as_millis(), "the gate takes what is written again");
        }
    }
}

/// Measures what waits for the gate, whatever becomes of that: also what is refused at once, and what goes there no more.
async fn measure(log: &LocalLog<Rocks>) -> Infallible {
    loop {
        record_waiting(log.unreleased_for());
        sleep(LOOK_EVERY).await;
    }
}

/// Takes nothing more where what is written waits for too long.
fn tell_clients(log: &LocalLog<Rocks>, standing: &GateStanding, is_told: &mut bool) {
    let Some(waited) = log.unreleased_for().filter(|waited| *waited >= WAITS_MAX) else { return };
    let reason = match standing {
        GateStanding::Away(_, reason) => reason,
        GateStanding::Well | GateStanding::Lost(_) => "it does not answer",
    };
    *is_told = true;
    let waited = waited.as_secs();
    log.set_unconfirmed(Some(
        format!("the gate has not taken what was written for {waited} s: {reason}").into(),
    ));
}

/// What is on disk behind this place, as much as a batch holds.
fn draft(log: &LocalLog<Rocks>, end: GatePlace) -> Result<BatchDraft, Ended> {
    let (mut draft, mut failed) = (BatchDraft::at(end), None::<BatchError>);
    let scanned: Result<(), ReadError> =
        log.scan_synced(Seq::new(end.events), &mut |event| match draft.push(&event) {
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
