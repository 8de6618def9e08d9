//! Processes that go from here: whether each that was ended here has come to where it went, which the node there is asked, and
//! which were copied by somebody who does not go on with it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use api::{LeftProcess, WriteSide, Writes};
use log::{LocalLog, Log, MoveStep, ProcessMove, Rocks};
use protocol::ProcessId;
use reqwest::{Client, StatusCode};
use tokio::time::sleep;
use tracing::warn;
use web::ErrorForm;
use web::fleet_headers::VERSION;

use crate::error::NodeError;
use crate::node_client::{node_client, read_answer};
use crate::node_tls::tls_reason;
use crate::options::NodeAccess;

/// How often it is looked which have gone, and how many of those that are not known to have come are asked for then.
const EVERY: Duration = Duration::from_secs(2);
const ASKED_MAX: usize = 16;
/// Each of them this seldom.
const AGAIN: Duration = Duration::from_secs(10);
const ANSWERED: Duration = Duration::from_secs(5);
/// Longer words of it are not told, and more of an answer is not waited for.
const TEXT_MAX: usize = 200;
const ANSWER_MAX: usize = 64 << 10;
/// For so long what was ended may be on its way.
const UNDER_WAY: Duration = Duration::from_secs(10);
/// Whoever copies a process asks for more sooner than that.
const QUIET: Duration = Duration::from_secs(60);
/// What was copied is told for so long, and of no more processes than that.
const TOLD: Duration = Duration::from_secs(3600);
const COPIED_MAX: usize = 256;

/// What is known of processes that go from here.
#[derive(Default)]
pub(super) struct Leaving(Mutex<LeavingState>);

#[derive(Default)]
struct LeavingState {
    /// How many steps of the log are read.
    read: usize,
    ended: BTreeMap<ProcessId, Ended>,
    /// When each was asked for last by whoever copies it.
    copied: HashMap<ProcessId, Instant>,
}

/// One that was ended here and is not known to have come.
struct Ended {
    step: Arc<ProcessMove>,
    since: Instant,
    /// What was found when it was asked for last, and when.
    asked: Option<(Instant, NotCome)>,
}

/// Why one is not known to have come.
#[derive(Clone, Debug, PartialEq, Eq)]
enum NotCome {
    /// The node there says so.
    Told(String),
    /// What answers says nothing of it.
    Unknown(String),
    /// Nobody answers.
    Silent(String),
}

impl Leaving {
    fn state(&self) -> MutexGuard<'_, LeavingState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody copies it; or does so no more, since it stays.
    pub(super) fn copied(&self, process: ProcessId, stays: bool, now: Instant) {
        let copied = &mut self.state().copied;
        copied.remove(&process);
        if stays {
            return;
        }
        if copied.len() >= COPIED_MAX {
            let oldest = copied.iter().min_by_key(|(_, at)| **at).map(|(process, _)| *process);
            oldest.map(|process| copied.remove(&process));
        }
        copied.insert(process, now);
    }

    /// Those that somebody has to look after.
    pub(super) fn told(&self, now: Instant) -> Vec<LeftProcess> {
        let mut state = self.state();
        state.copied.retain(|_, at| now.saturating_duration_since(*at) < TOLD);
        let ended =
            state.ended.iter().filter(|(_, ended)| now.saturating_duration_since(ended.since) >= UNDER_WAY);
        let ended = ended.filter_map(|(process, ended)| {
            let (_, found) = ended.asked.as_ref()?;
            let (NotCome::Told(reason) | NotCome::Unknown(reason) | NotCome::Silent(reason)) = found;
            let is_told = matches!(found, NotCome::Told(_));
            Some(LeftProcess {
                process: *process,
                step: Some(ended.step.clone()),
                reason: reason.clone(),
                is_told,
            })
        });
        let quiet = state.copied.iter().filter_map(|(process, at)| {
            let quiet = now.saturating_duration_since(*at);
            let reason = format!("nobody has asked for more of it for {} s", quiet.as_secs());
            let left = LeftProcess { process: *process, step: None, reason, is_told: true };
            (quiet >= QUIET).then_some(left)
        });
        ended.chain(quiet).collect()
    }

    /// Takes in what the log has more.
    fn read(&self, steps: impl IntoIterator<Item = Arc<ProcessMove>>, now: Instant) {
        let mut state = self.state();
        for step in steps {
            state.read += 1;
            let process = step.process;
            // Whatever it was copied for has come of it.
            state.copied.remove(&process);
            if matches!(step.step, MoveStep::Out(..)) {
                state.ended.insert(process, Ended { step, since: now, asked: None });
            } else {
                state.ended.remove(&process);
            }
        }
    }

    /// Those to be asked for now: first what was not asked for yet, the last one that went first.
    fn to_ask(&self, now: Instant) -> Vec<Arc<ProcessMove>> {
        let state = self.state();
        let is_due = |ended: &&Ended| {
            ended.asked.as_ref().is_none_or(|(at, _)| now.saturating_duration_since(*at) >= AGAIN)
        };
        let mut due: Vec<&Ended> = state.ended.values().filter(is_due).collect();
        due.sort_by_key(|ended| (ended.asked.as_ref().map(|(at, _)| *at), std::cmp::Reverse(ended.since)));
        due.into_iter().take(ASKED_MAX).map(|ended| ended.step.clone()).collect()
    }

    /// What was found of one.
    fn found(&self, step: &Arc<ProcessMove>, found: Option<NotCome>, now: Instant) {
        let mut state = self.state();
        let Some(ended) = state.ended.get_mut(&step.process).filter(|ended| ended.step == *step) else {
            return;
        };
        match found {
            None => drop(state.ended.remove(&step.process)),
            Some(found) => ended.asked = Some((now, found)),
        }
    }

    /// Looks after them until it is dropped, while this node writes its log.
    pub(super) async fn watch(&self, log: Arc<LocalLog<Rocks>>, writes: Arc<Writes>, access: NodeAccess) {
        let http = node_client(&access).and_then(|http| http.build().map_err(NodeError::LeaderClient));
        let http = match http {
            Ok(http) => http,
            Err(error) => {
                warn!(%error, "nodes that processes went to are not asked");
                return pending().await;
            }
        };
        loop {
            if matches!(writes.side(), WriteSide::Open(_)) {
                let read = self.state().read;
                self.read(log.moves(read, usize::MAX), Instant::now());
                self.ask_all(&http).await;
            }
            sleep(EVERY).await;
        }
    }

    /// Asks for those whose turn it is.
    async fn ask_all(&self, http: &Client) {
        // One where nobody answers is not waited for once for each process.
        let mut silent = BTreeSet::new();
        for step in self.to_ask(Instant::now()) {
            let url = step.url().unwrap_or_default();
            let found = match silent.contains(url) {
                true => Some(NotCome::Silent("nobody answers there".to_owned())),
                false => ask(http, &step, url).await,
            };
            if matches!(found, Some(NotCome::Silent(_))) {
                silent.insert(url.to_owned());
            }
            self.found(&step, found, Instant::now());
        }
    }
}

/// Whether a process has come to where it went; if that is not so, or not known, why.
async fn ask(http: &Client, step: &ProcessMove, url: &str) -> Option<NotCome> {
    let asked = http.get(format!("{url}/processes/{}", step.process)).timeout(ANSWERED).send().await;
    let answer = match asked {
        Ok(answer) => answer,
        Err(error) => {
            let reason = tls_reason(&error).unwrap_or_else(|| "nobody answers there".to_owned());
            return Some(NotCome::Silent(reason));
        }
    };
    let (status, headers) = (answer.status(), answer.headers().clone());
    let moved = headers.get(VERSION).and_then(|version| version.to_str().ok()?.parse::<u64>().ok());
    let body = read_answer(answer, ANSWER_MAX).await.unwrap_or_default();
    match status {
        StatusCode::OK => None,
        // It has moved on from there since.
        status if status.is_redirection() && moved.is_some_and(|moved| moved > step.version) => None,
        status if status.is_redirection() => {
            Some(NotCome::Told("it was given up there, and who asks is led away again".to_owned()))
        }
        StatusCode::NOT_FOUND => Some(NotCome::Told("the node there knows nothing of it".to_owned())),
        StatusCode::SERVICE_UNAVAILABLE => {
            let said = ErrorForm::text_of(&body).unwrap_or_else(|| "not all of it is there yet".to_owned());
            Some(NotCome::Told(format!(
                "the node there says: {}",
                said.chars().take(TEXT_MAX).collect::<String>()
            )))
        }
        status => Some(NotCome::Unknown(format!("what answers there says {status}"))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use ans104::Id;
    use log::{MoveEnd, StoreId};
    use uuid::Uuid;

    use super::*;

    fn process(number: u16) -> ProcessId {
        let mut bytes = [7; 32];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        Id::from_bytes(bytes).into()
    }

    fn step(number: u16, version: u64, is_out: bool) -> Arc<ProcessMove> {
        let (process, end) = (process(number), MoveEnd::of(process(number), None));
        let step = match is_out {
            true => MoveStep::Out(end, "http://su2:1".to_owned()),
            false => MoveStep::Back(end, "somebody".to_owned()),
        };
        Arc::new(ProcessMove { process, version, other: StoreId(Uuid::from_u128(2)), step })
    }

    fn names(told: &[LeftProcess]) -> Vec<ProcessId> {
        told.iter().map(|left| left.process).collect()
    }

    #[test]
    fn what_was_ended_is_told_until_it_has_come_or_was_taken_back() {
        let (leaving, began) = (Leaving::default(), Instant::now());
        let later = began + UNDER_WAY;
        let steps = [step(1, 1, true), step(2, 1, true), step(3, 1, true)];
        leaving.read(steps.clone(), began);
        assert!(leaving.told(later).is_empty(), "nobody was asked yet");
        assert_eq!(leaving.to_ask(began).len(), 3);
        leaving.found(&steps[0], Some(NotCome::Told("not yet".to_owned())), began);
        leaving.found(&steps[1], Some(NotCome::Unknown("silent".to_owned())), began);
        leaving.found(&steps[2], None, began);
        assert!(leaving.to_ask(began).is_empty() && leaving.told(began).is_empty(), "it may be on its way");
        let told = leaving.told(later);
        assert_eq!(names(&told), [process(1), process(2)]);
        assert_eq!([told[0].is_told, told[1].is_told], [true, false]);
        assert_eq!(leaving.to_ask(began + AGAIN).len(), 2);
        // Nothing of before counts for a move that began later.
        leaving.read([step(1, 2, false), step(1, 3, true), step(2, 2, false)], later);
        leaving.found(&steps[0], None, later);
        assert_eq!(leaving.to_ask(later), [step(1, 3, true)]);
        leaving.found(&step(1, 3, true), None, later);
        assert!(leaving.told(later + TOLD).is_empty());
        assert_eq!(leaving.state().read, 6);
    }

    #[test]
    fn what_was_copied_is_told_once_nobody_goes_on_with_it() {
        let (leaving, began) = (Leaving::default(), Instant::now());
        for number in 0..4 {
            leaving.copied(process(number), false, began);
        }
        leaving.copied(process(0), false, began + QUIET / 2);
        leaving.copied(process(1), true, began);
        leaving.read([step(2, 1, true)], began);
        assert!(leaving.told(began + QUIET - Duration::from_secs(1)).is_empty());
        assert_eq!(names(&leaving.told(began + QUIET)), [process(3)]);
        assert_eq!(leaving.told(began + QUIET * 2).len(), 2);
        assert!(leaving.told(began + TOLD + QUIET).is_empty(), "nobody is told for ever");
        for number in 0..u16::try_from(COPIED_MAX).unwrap() + 9 {
            leaving.copied(process(number), false, began);
        }
        assert_eq!(leaving.state().copied.len(), COPIED_MAX);
    }
}
