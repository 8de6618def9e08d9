//! Clients that post without pause, while the node comes and goes.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ans104::Id;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::answer::Scheduled;
use crate::client::Client;
use crate::items::{Signed, User};
use crate::ledger::Ledger;

/// When a message that was refused for now is sent again.
const AGAIN: Duration = Duration::from_millis(200);
/// How often a node that takes nothing refuses the clients of a load, of which there are few, in a second.
const REFUSED_A_SECOND: usize = 40;

/// Clients that post messages until they are told to stop.
pub struct Load {
    target: watch::Sender<Target>,
    clients: Vec<JoinHandle<Outcome>>,
    acknowledged: Arc<AtomicUsize>,
}

/// What became of the messages of a load.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// How many were acknowledged at the first try.
    pub acknowledged: usize,
    /// How many were there already when they were sent again.
    pub already_there: usize,
    /// How often the node said that it takes nothing now.
    pub unavailable: usize,
    /// Process and id of each message whose connection broke before an answer came.
    pub unanswered: Vec<(Id, Id)>,
}

impl Outcome {
    /// Nobody was refused, but for what waited while the machine had other things to do: one of a hundred at most, and no
    /// more than are refused in a second.
    ///
    /// # Panics
    /// When more were.
    pub fn assert_none_refused(&self) {
        let is_rare = 100 * self.unavailable <= self.acknowledged;
        assert!(is_rare && self.unavailable <= REFUSED_A_SECOND, "{self:?}");
    }
}

/// Where to post.
#[derive(Clone)]
enum Target {
    Nowhere,
    Node(usize, Client),
    End,
}

impl Load {
    /// Starts so many clients, which take turns among the processes. They post nothing before [`Load::aim`].
    pub fn start(ledger: &Arc<Ledger>, processes: &[Id], clients: usize) -> Self {
        let (target, watched) = watch::channel(Target::Nowhere);
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let clients = (0..clients).map(|number| {
            let poster = Poster {
                user: User::new(number as u8),
                ledger: ledger.clone(),
                processes: processes.to_vec(),
                target: watched.clone(),
                acknowledged: acknowledged.clone(),
                outcome: Outcome::default(),
            };
            tokio::spawn(poster.run(number))
        });
        Self { target, clients: clients.collect(), acknowledged }
    }

    /// Sends the clients to a node that has just started; messages that got no answer are sent again.
    pub fn aim(&self, client: Client) {
        self.target.send_modify(|target| {
            let round = if let Target::Node(round, _) = target { *round + 1 } else { 0 };
            *target = Target::Node(round, client);
        });
    }

    /// How many messages were acknowledged so far.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Ends the clients, each with its message; what became of all of them.
    ///
    /// # Panics
    /// When one of them met an answer that there is no reason for.
    pub async fn stop(self) -> Outcome {
        self.target.send_replace(Target::End);
        let mut sum = Outcome::default();
        for client in self.clients {
            let outcome = client.await.expect("a client does not panic");
            sum.acknowledged += outcome.acknowledged;
            sum.already_there += outcome.already_there;
            sum.unavailable += outcome.unavailable;
            sum.unanswered.extend(outcome.unanswered);
        }
        sum
    }
}

/// One client.
struct Poster {
    user: User,
    ledger: Arc<Ledger>,
    processes: Vec<Id>,
    target: watch::Receiver<Target>,
    acknowledged: Arc<AtomicUsize>,
    outcome: Outcome,
}

impl Poster {
    async fn run(mut self, start: usize) -> Outcome {
        for turn in start.. {
            let process = self.processes[turn % self.processes.len()];
            let message = self.user.message(process, format!("turn {turn}").as_bytes());
            self.ledger.post(process, &message);
            if !self.post_until_done(process, &message).await {
                break;
            }
        }
        self.outcome
    }

    /// Posts a message until it is scheduled; false when the end came first.
    async fn post_until_done(&mut self, process: Id, message: &Signed) -> bool {
        let (mut last_round, mut is_retry) = (None, false);
        loop {
            let Some((round, client)) = self.next_target(last_round).await else { return false };
            last_round = Some(round);
            let sent_before = mem::replace(&mut is_retry, true);
            match client.try_post(message.bytes.clone()).await {
                Ok(answer) if answer.status == 200 => {
                    let scheduled: Scheduled = answer.json();
                    assert_eq!(scheduled.id, message.id.to_string(), "the answer is about another message");
                    self.ledger.acknowledge(process, message.id, scheduled.timestamp);
                    self.acknowledged.fetch_add(1, Ordering::Relaxed);
                    self.outcome.acknowledged += 1;
                    return true;
                }
                // What was not acknowledged may be there all the same, when the node ended before it knew.
                Ok(answer) if answer.status == 409 && sent_before => {
                    self.outcome.already_there += 1;
                    return true;
                }
                Ok(answer) => {
                    assert_eq!(answer.refusal(503), "unavailable");
                    self.outcome.unavailable += 1;
                    // It is to be sent again, and nobody may say that there is another node.
                    sleep(AGAIN).await;
                    last_round = None;
                }
                Err(_) => self.outcome.unanswered.push((process, message.id)),
            }
        }
    }

    /// A node that this message was not sent to yet; none at the end.
    async fn next_target(&mut self, last: Option<usize>) -> Option<(usize, Client)> {
        let wanted = |target: &Target| match target {
            Target::Nowhere => false,
            Target::Node(round, _) => Some(*round) != last,
            Target::End => true,
        };
        match &*self.target.wait_for(wanted).await.ok()? {
            Target::Node(round, client) => Some((*round, client.clone())),
            _ => None,
        }
    }
}
