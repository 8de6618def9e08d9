//! All that is told of what happened: what was noted, what is recorded in the log about the node, and its jobs.

use std::collections::HashMap;
use std::ops::ControlFlow;

use log::{EventKey, EventRef, Fact, Log, Publication, ReadError, Seq};
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
    /// The value of `before` that tells what happened earlier; null when that is all.
    next: Nullable<u64>,
}

/// Something that happened.
#[derive(Debug, Object)]
#[oai(rename = "Happened")]
struct HappenedForm {
    /// When, in milliseconds since 1970. Null where that is not known.
    at_ms: Nullable<u64>,
    /// Whether that is only about when: what a node records in its log when it starts or begins to lead has the time of that, and
    /// other things there that of the next message, which may have come much later, or of one before; a replay that the end of a
    /// node interrupted went on until then at least.
    is_about: bool,
    /// `started` or `stopped`, the node; `role`, it does something else than before, or in another term; `check`, one has
    /// another result; `job`, a replay was started or resumed, or has ended; `log`, the log records something about the node.
    kind: String,
    /// The name of the check or the projection; empty for others.
    about: String,
    /// What happened, in words.
    text: String,
    /// The sequence number of the event that records it; null where none does.
    sequence: Nullable<u64>,
}

/// All that happened since one time and before another, in milliseconds since 1970.
pub(crate) fn told(
    node: &ApiNode,
    since_ms: Option<u64>,
    before_ms: Option<u64>,
) -> Result<HistoryForm, CallError> {
    let mut events: Vec<_> = node.history.list().all().map(noted).collect();
    events.extend(node.parts.jobs.as_ref().map(Jobs::list).unwrap_or_default().iter().flat_map(job));
    let begun: Vec<u64> =
        node.history.list().all().filter(|noted| noted.begins()).map(|noted| noted.at_ms).collect();
    events.extend(facts(node.parts.log.as_ref(), &begun)?);
    if let Some(since) = since_ms {
        // What has no time yet is of the newest.
        events.retain(|event| event.at_ms.0.is_none_or(|at| at >= since));
    }
    events.retain(|event| event.at_ms.0.is_none_or(|at| before_ms.is_none_or(|before| at < before)));
    events.sort_by_key(|event| std::cmp::Reverse((event.at_ms.0, event.sequence.0)));
    let next = cut(&mut events).into();
    Ok(HistoryForm { events, next })
}

/// Leaves the newest, and the time before which it goes on, if it does: what happened at one time is told together, so that
/// nothing is left out between.
fn cut(events: &mut Vec<HappenedForm>) -> Option<u64> {
    let left = events.get(TOLD_MAX)?.at_ms.0;
    events.truncate(TOLD_MAX);
    let whole = events.iter().rposition(|event| event.at_ms.0 != left).map_or(TOLD_MAX, |last| last + 1);
    events.truncate(whole);
    events.last().and_then(|event| event.at_ms.0)
}

fn noted(noted: &Noted) -> HappenedForm {
    HappenedForm {
        at_ms: Some(noted.at_ms).into(),
        is_about: false,
        kind: noted.kind.as_str().to_owned(),
        about: noted.about.clone(),
        text: noted.text.clone(),
        sequence: None.into(),
    }
}

/// The start of a replay, and its end with what came of it, once it has ended.
fn job(job: &ReplayJob) -> Vec<HappenedForm> {
    let happened = |at_ms: u64, is_about, text: String| HappenedForm {
        at_ms: Some(at_ms).into(),
        is_about,
        kind: "job".to_owned(),
        about: job.projection.clone(),
        text,
        sequence: None.into(),
    };
    let outcome = match job.state {
        JobState::Running => None,
        JobState::Done => Some("is done"),
        JobState::Cancelled => Some("was cancelled"),
        JobState::Failed => Some("failed"),
        JobState::Interrupted => Some("was interrupted by the end of the node"),
    };
    let is_running = if outcome.is_none() { ", and is running" } else { "" };
    let begun = happened(job.started_ms, false, format!("replay {} was started{is_running}", job.id));
    let ended = outcome.map(|outcome| {
        let reason = job.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
        let text = format!("replay {} {outcome} after {} of {} events{reason}", job.id, job.done, job.total);
        // How far it was is noted every few seconds.
        let is_about = job.state == JobState::Interrupted;
        happened(job.started_ms.saturating_add(job.took_ms), is_about, text)
    });
    // What is newer comes first where both are of one moment.
    ended.into_iter().chain([begun]).collect()
}

/// What the log records about the node, which began to do something at these times.
fn facts(log: &dyn Log, begun: &[u64]) -> Result<Vec<HappenedForm>, ReadError> {
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
    let mut times = KnownTimes { log, known: HashMap::new() };
    let told = found.into_iter().map(|(seq, fact)| {
        let (at, is_about) = match &fact {
            Fact::Publication(Publication { at, .. })
            | Fact::PublicationTaken { at: Some(at), .. }
            | Fact::RecordsSought { at, .. }
            | Fact::RecordWaits { at, .. } => (Some(at.get()), false),
            Fact::Wallet(_) | Fact::Promotion(_) => {
                let (before, after) = times.around(seq)?;
                (begun_between(begun, before, after).or(after).or(before), true)
            }
            _ => (times.near(seq)?, true),
        };
        Ok(HappenedForm {
            at_ms: at.into(),
            is_about,
            kind: "log".to_owned(),
            about: String::new(),
            text: fact.to_string(),
            sequence: Some(seq.get()).into(),
        })
    });
    told.collect()
}

/// When a node last began to do something after one event and before another one.
fn begun_between(begun: &[u64], before: Option<u64>, after: Option<u64>) -> Option<u64> {
    let is_between =
        |at: &u64| before.is_none_or(|before| *at > before) && after.is_none_or(|after| *at <= after);
    begun.iter().copied().filter(is_between).max()
}

/// The times of events, each read once: an event is read with its item, which may be long, and facts often stand together.
struct KnownTimes<'a> {
    log: &'a dyn Log,
    known: HashMap<EventKey, Option<u64>>,
}

impl KnownTimes<'_> {
    /// The time of one of the next events that has one; else of one before.
    fn near(&mut self, seq: Seq) -> Result<Option<u64>, ReadError> {
        let (before, after) = self.beside(seq)?;
        self.first(after.into_iter().chain(before))
    }

    /// The times of the nearest events before and after one that have a time.
    fn around(&mut self, seq: Seq) -> Result<(Option<u64>, Option<u64>), ReadError> {
        let (before, after) = self.beside(seq)?;
        Ok((self.first(before)?, self.first(after)?))
    }

    /// Events before one and after it, the nearest first.
    fn beside(&self, seq: Seq) -> Result<(Vec<EventKey>, Vec<EventKey>), ReadError> {
        let (mut before, mut after) = (Vec::new(), Vec::new());
        self.log.places(Seq::new(seq.get().saturating_sub(NEAR)), &mut |at, place| {
            // Facts have no time.
            if place.process != ProcessId::NODE {
                if at < seq { before.push(place) } else { after.push(place) }
            }
            // What has a nonce has an assignment, and that a time.
            let is_enough = after.last().is_some_and(|place| place.nonce.is_some());
            let is_far = at.get() >= seq.get().saturating_add(NEAR);
            if is_enough || is_far { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        before.reverse();
        Ok((before, after))
    }

    /// The time of the first of these that has one.
    fn first(&mut self, places: impl IntoIterator<Item = EventKey>) -> Result<Option<u64>, ReadError> {
        for place in places {
            if let Some(time) = self.of(place)? {
                return Ok(Some(time));
            }
        }
        Ok(None)
    }

    fn of(&mut self, place: EventKey) -> Result<Option<u64>, ReadError> {
        if let Some(known) = self.known.get(&place) {
            return Ok(*known);
        }
        let mut found = None;
        // An empty range for the event without a nonce: only the unassigned spawn is visited.
        let nonces = place.nonce.map_or(Nonce::MAX..=Nonce::ZERO, |nonce| nonce..=nonce);
        self.log.range(place.process, place.nonce.is_none(), nonces, &mut |event| {
            found = time(&event);
            ControlFlow::Break(())
        })?;
        self.known.insert(place, found);
        Ok(found)
    }
}

fn time(event: &EventRef<'_>) -> Option<u64> {
    let assignment = event.assignment()?;
    AssignmentTags::of(&assignment).timestamp().map(|time| time.get())
}

#[cfg(test)]
mod tests {
    use super::super::NotedKind;
    use super::*;

    fn at(at_ms: Option<u64>) -> HappenedForm {
        let mut event = noted(&Noted::now(0, NotedKind::Check, "disk", "warn"));
        event.at_ms = at_ms.into();
        event
    }

    #[test]
    fn what_a_node_records_when_it_begins_has_the_time_of_that() {
        let begun = [10, 20, 40];
        for (before, after, expected) in [
            (None, Some(15), Some(10)),
            (None, None, Some(40)),
            (Some(10), Some(30), Some(20)),
            (Some(20), Some(30), None),
            (Some(40), None, None),
        ] {
            assert_eq!(begun_between(&begun, before, after), expected, "{before:?} {after:?}");
        }
    }

    #[test]
    fn what_is_cut_goes_on_where_nothing_is_left_out() {
        let newest_first =
            |count: u64, same: u64| (0..count).rev().map(move |number| at(Some(number / same)));
        let count = TOLD_MAX as u64;
        for (events, expected) in [
            (newest_first(count, 1).collect::<Vec<_>>(), (TOLD_MAX, None)),
            (newest_first(count + 1, 1).collect(), (TOLD_MAX, Some(1))),
            // Three happened at each time, and of one there is no room for all.
            (newest_first(3 * count, 3).collect(), (TOLD_MAX - 1, Some(count - 333))),
            // What has no time comes together, and last.
            (newest_first(count - 1, 1).chain([at(None), at(None)]).collect(), (TOLD_MAX - 1, Some(0))),
            (newest_first(count + 1, count + 1).collect(), (TOLD_MAX, Some(0))),
        ] {
            let mut events = events;
            let next = cut(&mut events);
            assert_eq!((events.len(), next), expected);
        }
    }
}
