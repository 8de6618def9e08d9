//! An upload node that does as it is told.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::time::Duration;

use ans104::{Id, Item};
use async_trait::async_trait;
use bytes::Bytes;
use gateway::{GatewayError, UploadError};
use tokio::time::{Instant, sleep};

use crate::uploads::{Arrivals, UploadTarget};

/// What an upload node does with an item.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    Hang,
    Refuse,
    /// With this status, again and again.
    Status(u16),
    /// So many times.
    Fail(u32),
    /// Once, asking to be left alone for so long.
    Busy(Duration),
}

/// An upload node that does as it is told.
#[derive(Default)]
pub struct Fake(Mutex<Told>);

#[derive(Default)]
struct Told {
    answers: HashMap<Id, Answer>,
    hang_after: Option<usize>,
    blind: bool,
    taken: Vec<Id>,
    attempts: Vec<Instant>,
    attempted: HashSet<Id>,
}

impl Fake {
    pub fn answer(&self, id: Id, answer: Answer) {
        self.0.lock().unwrap().answers.insert(id, answer);
    }

    /// Takes no more than so many in all.
    pub fn hang_after(&self, taken: usize) {
        self.0.lock().unwrap().hang_after = Some(taken);
    }

    /// Forgets what it took of these.
    pub fn lose(&self, ids: &[Id]) {
        self.0.lock().unwrap().taken.retain(|id| !ids.contains(id));
    }

    /// Whether nobody is told what arrived.
    pub fn blind(&self, blind: bool) {
        self.0.lock().unwrap().blind = blind;
    }

    /// Takes everything from now on.
    pub fn heal(&self) {
        let mut told = self.0.lock().unwrap();
        told.answers.clear();
        told.hang_after = None;
    }

    pub fn taken(&self) -> Vec<Id> {
        self.0.lock().unwrap().taken.clone()
    }

    pub fn taken_of(&self, ids: &[Id]) -> Vec<Id> {
        self.taken().into_iter().filter(|id| ids.contains(id)).collect()
    }

    pub fn attempts(&self) -> usize {
        self.0.lock().unwrap().attempts.len()
    }

    /// Whether this was sent, taken or not, since the last [`Fake::forget_attempts`].
    pub fn attempted(&self, id: Id) -> bool {
        self.0.lock().unwrap().attempted.contains(&id)
    }

    pub fn forget_attempts(&self) {
        self.0.lock().unwrap().attempted.clear();
    }

    /// The times between attempts.
    pub fn waits(&self) -> Vec<Duration> {
        let told = self.0.lock().unwrap();
        told.attempts.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    fn decide(&self, id: Id) -> Option<Answer> {
        let mut told = self.0.lock().unwrap();
        told.attempts.push(Instant::now());
        told.attempted.insert(id);
        if told.hang_after.is_some_and(|most| told.taken.len() >= most) {
            return Some(Answer::Hang);
        }
        match told.answers.get_mut(&id) {
            Some(Answer::Fail(0)) | None => {
                told.taken.push(id);
                None
            }
            Some(Answer::Fail(left)) => {
                *left -= 1;
                Some(Answer::Fail(*left))
            }
            Some(Answer::Busy(_)) => told.answers.insert(id, Answer::Fail(0)),
            Some(answer) => Some(*answer),
        }
    }
}

/// How long a real client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

#[async_trait]
impl UploadTarget for Fake {
    async fn upload(&self, item: Bytes) -> Result<(), UploadError> {
        let decided = self.decide(Item::parse(&item).unwrap().id());
        // Others get their turn.
        tokio::task::yield_now().await;
        match decided {
            None => Ok(()),
            Some(Answer::Refuse) => Err(refusal(400)),
            Some(Answer::Status(status)) => Err(refusal(status)),
            Some(Answer::Fail(_)) => Err(unreachable()),
            Some(Answer::Busy(wait)) => Err(UploadError::Transient(GatewayError::Status {
                call: gateway::Call::Upload,
                url: "here".into(),
                status: "429".parse().unwrap(),
                excerpt: "slower".into(),
                retry_after: Some(wait),
            })),
            Some(Answer::Hang) => {
                sleep(PATIENCE).await;
                Err(unreachable())
            }
        }
    }
}

#[async_trait]
impl Arrivals for Fake {
    async fn arrived(&self, ids: &[Id]) -> Result<HashSet<Id>, GatewayError> {
        let told = self.0.lock().unwrap();
        if told.blind {
            return Err(timed_out());
        }
        Ok(ids.iter().copied().filter(|id| told.taken.contains(id)).collect())
    }
}

/// What a client says of a status, as the real one does.
fn refusal(status: u16) -> UploadError {
    let (url, excerpt) = ("here".into(), "no".into());
    let status = status.to_string().parse().unwrap();
    UploadError::Refused { url, status, excerpt }
}

/// The error of a client that reached nobody.
fn unreachable() -> UploadError {
    UploadError::Transient(timed_out())
}

fn timed_out() -> GatewayError {
    GatewayError::TimedOut { call: gateway::Call::Upload, url: "here".into(), after: PATIENCE }
}
