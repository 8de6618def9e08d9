//! All that is told of what happened: what was noted, what is recorded in the log about the node, and its jobs.

use std::ops::ControlFlow;

use log::{EventRef, Fact, Log, ReadError, Seq};
use poem_openapi::Object;
use projections::{JobState, Jobs, ReplayJob};
use protocol::{AssignmentTags, Nonce, ProcessId};
use web::Nullable;

use super::noted::Noted;
use crate::error::CallError;
use crate::node::ApiNode;

/// How many facts are told: the newest.
const FACTS_MAX: u64 = 100;
/// How many events behind a fact are looked at for one that has a time.
const NEAR: u64 = 32;
/// How much is told at most: the newest.
const TOLD_MAX: usize = 1_000;

/// What happened to a node.
#[derive(Debug, Object)]
#[oai(rename = "History")]
pub(crate) struct HistoryForm {
    /// What happened, the newest first; what has no time comes last.
    events: Vec<HappenedForm>,
}

/// Something that happened.
#[derive(Debug, Object)]
#[oai(rename = "Happened")]
struct HappenedForm {
    /// When, in milliseconds since 1970; of what is recorded in the log, about when. Null where that is not known.
    at_ms: Nullable<u64>,
    /// `started` or `stopped`, the node; `role`, it does something else than before, or in another term; `check`, one has
    /// another result; `job`, a replay was started or resumed; `log`, the log records something about the node.
    kind: String,
    /// The name of the check or the projection; empty for others.
    about: String,
    /// What happened, in words.
    text: String,
    /// The sequence number of the event that records it; null where none does.
    sequence: Nullable<u64>,
}

/// All that happened since a time, in milliseconds since 1970.
pub(crate) fn told(node: &ApiNode, since_ms: Option<u64>) -> Result<HistoryForm, CallError> {
    let mut events: Vec<_> = node.history.list().all().map(noted).collect();
    events.extend(node.parts.jobs.as_ref().map(Jobs::list).unwrap_or_default().iter().map(job));
    events.extend(facts(node.parts.log.as_ref())?);
    if let Some(since) = since_ms {
        events.retain(|event| event.at_ms.0.is_some_and(|at| at >= since));
    }
    events.sort_by_key(|event| std::cmp::Reverse((event.at_ms.0, event.sequence.0)));
    events.truncate(TOLD_MAX);
    Ok(HistoryForm { events })
}

fn noted(noted: &Noted) -> HappenedForm {
    HappenedForm {
        at_ms: Some(noted.at_ms).into(),
        kind: noted.kind.as_str().to_owned(),
        about: noted.about.clone(),
        text: noted.text.clone(),
        sequence: None.into(),
    }
}

fn job(job: &ReplayJob) -> HappenedForm {
    let what = match job.state {
        JobState::Running => "is running",
        JobState::Done => "is done",
        JobState::Cancelled => "was cancelled",
        JobState::Failed => "failed",
        JobState::Interrupted => "was interrupted by the end of the node",
    };
    let reason = job.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
    HappenedForm {
        at_ms: Some(job.started_ms).into(),
        kind: "job".to_owned(),
        about: job.projection.clone(),
        text: format!("replay {} {what}{reason}", job.id),
        sequence: None.into(),
    }
}

fn facts(log: &dyn Log) -> Result<Vec<HappenedForm>, ReadError> {
    let last = log.head(ProcessId::NODE)?.and_then(|head| head.last).map(|last| last.nonce.get());
    let Some(last) = last else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    let nonces = Nonce::new(last.saturating_sub(FACTS_MAX - 1))..=Nonce::new(last);
    log.range(ProcessId::NODE, false, nonces, &mut |event| {
        // The bytes of a record are nothing to read; the fact behind them says what it is.
        let told = Fact::of(&event).filter(|fact| !matches!(fact, Fact::PublishedRecord(_)));
        found.extend(told.map(|fact| (event.seq, fact)));
        ControlFlow::Continue(())
    })?;
    let told = found.into_iter().map(|(seq, fact)| {
        let at = match &fact {
            Fact::Publication(publication) => Some(publication.at.get()),
            _ => near(log, seq)?,
        };
        Ok(HappenedForm {
            at_ms: at.into(),
            kind: "log".to_owned(),
            about: String::new(),
            text: fact.to_string(),
            sequence: Some(seq.get()).into(),
        })
    });
    told.collect()
}

/// The time of one of the next events that has one; else of one before.
fn near(log: &dyn Log, seq: Seq) -> Result<Option<u64>, ReadError> {
    let mut before = None;
    let mut after = None;
    log.scan(Seq::new(seq.get().saturating_sub(NEAR)), &mut |event| {
        let time = time(&event);
        if event.seq < seq {
            before = time.or(before);
        } else {
            after = time;
        }
        let is_far = event.seq.get() >= seq.get().saturating_add(NEAR);
        if after.is_some() || is_far { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(after.or(before))
}

fn time(event: &EventRef<'_>) -> Option<u64> {
    let assignment = event.assignment()?;
    AssignmentTags::of(&assignment).timestamp().map(|time| time.get())
}
