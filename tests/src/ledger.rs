//! What was posted and what was acknowledged: the clients' side of the story.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use ans104::Id;
use bytes::Bytes;

use crate::answer::Scheduled;
use crate::check::{Expected, check};
use crate::client::Client;
use crate::history::read_history;
use crate::items::{Signed, User};

/// The accounts of all processes of a test.
#[derive(Default)]
pub struct Ledger(Mutex<HashMap<Id, Account>>);

/// What is known of one process.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// What was acknowledged, and with which timestamp.
    pub acknowledged: HashMap<Id, u64>,
    /// What was posted, whatever became of it.
    pub posted: HashMap<Id, Bytes>,
}

impl Ledger {
    /// Spawns so many processes.
    pub async fn spawn(&self, client: &Client, user: &User, count: usize) -> Vec<Id> {
        let mut processes = Vec::new();
        for _ in 0..count {
            let process = user.process();
            self.schedule(client, process.id, &process).await;
            processes.push(process.id);
        }
        processes
    }

    /// Schedules an item that must be taken, and notes it.
    pub async fn schedule(&self, client: &Client, process: Id, item: &Signed) -> Scheduled {
        self.post(process, item);
        let scheduled = client.schedule(item).await;
        self.acknowledge(process, item.id, scheduled.timestamp);
        scheduled
    }

    /// Schedules so many messages one after the other.
    pub async fn send(&self, client: &Client, user: &User, process: Id, count: usize) {
        for number in 0..count {
            let message = user.message(process, format!("message {number}").as_bytes());
            self.schedule(client, process, &message).await;
        }
    }

    /// Notes that an item is about to be posted.
    pub fn post(&self, process: Id, item: &Signed) {
        self.lock().entry(process).or_default().posted.insert(item.id, item.bytes.clone());
    }

    /// Notes that a client was told that its item is scheduled.
    ///
    /// # Panics
    /// When it was told another time before.
    pub fn acknowledge(&self, process: Id, item: Id, timestamp: u64) {
        let before = self.lock().entry(process).or_default().acknowledged.insert(item, timestamp);
        assert!(
            before.is_none_or(|before| before == timestamp),
            "{item} was acknowledged with two timestamps"
        );
    }

    /// Nobody relies any more on an item that was posted; whether a client had been told that it is scheduled.
    pub fn give_up(&self, process: Id, item: Id) -> bool {
        self.lock().entry(process).or_default().acknowledged.remove(&item).is_some()
    }

    /// How many acknowledgements there are.
    pub fn acknowledged(&self) -> usize {
        self.lock().values().map(|account| account.acknowledged.len()).sum()
    }

    /// What is known of a process.
    pub fn account(&self, process: Id) -> Account {
        self.lock().get(&process).cloned().unwrap_or_default()
    }

    /// Reads all histories and holds them against what is known; how many messages there are.
    ///
    /// # Panics
    /// With what is wrong.
    pub async fn check(&self, client: &Client, verify_every: usize) -> usize {
        let scheduler = client.address().await;
        let processes: Vec<Id> = self.lock().keys().copied().collect();
        let mut messages = 0;
        for process in processes {
            // Clients may go on meanwhile: what was acknowledged before must be there, what is posted later may be.
            let acknowledged = &self.account(process).acknowledged;
            let edges = read_history(client, process, 500).await;
            let posted = &self.account(process).posted;
            messages += edges.len();
            check(&edges, &Expected { process, scheduler: &scheduler, acknowledged, posted, verify_every });
        }
        messages
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Id, Account>> {
        self.0.lock().expect("nobody panics with it")
    }
}
