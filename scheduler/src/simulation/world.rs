//! One world: a node, its disk, its clients, and the chance that moves them.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ans104::Id;
use log::{DeepHash, FailHow, MemoryDisk};
use protocol::ProcessId;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::oneshot::{self, error::TryRecvError};

use super::items::{ITEMS, PROCESSES, Sent, answer, pusher};
use super::ledger::Ledger;
use super::node::{JumpingClock, Node};
use crate::classes::Pushed;
use crate::error::ScheduleError;
use crate::order::{Answer, Intake, Order, Scheduled};

pub(super) struct World {
    chance: StdRng,
    disk: MemoryDisk,
    clock: Arc<JumpingClock>,
    node: Option<Node>,
    /// Dropped after the node: an index whose folder is gone waits a second for it when it is closed.
    folder: TempDir,
    pending: Vec<Pending>,
    ledger: Ledger,
    tally: Tally,
    runtime: Runtime,
}

/// A client that waits for its answer.
struct Pending {
    process: ProcessId,
    /// What was sent is known by in the process, if it is told apart by its content.
    content: Option<DeepHash>,
    answer: oneshot::Receiver<Result<Scheduled, ScheduleError>>,
}

/// What happened in a world.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) acknowledged: u64,
    pub(super) duplicates: u64,
    pub(super) same_content: u64,
    pub(super) shed: u64,
    pub(super) halted: u64,
    pub(super) crashes: u64,
    pub(super) hung_up: u64,
}

impl Tally {
    pub(super) fn add(&mut self, other: Tally) {
        self.acknowledged += other.acknowledged;
        self.duplicates += other.duplicates;
        self.same_content += other.same_content;
        self.shed += other.shed;
        self.halted += other.halted;
        self.crashes += other.crashes;
        self.hung_up += other.hung_up;
    }
}

/// The index is opened thousands of times here: in memory where the system has a folder for that.
fn folder() -> TempDir {
    TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).expect("a folder")
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let mut world = Self {
            chance: StdRng::seed_from_u64(seed),
            disk: MemoryDisk::new(),
            folder: folder(),
            clock: Arc::new(JumpingClock::new()),
            node: None,
            pending: Vec::new(),
            ledger: Ledger::default(),
            tally: Tally::default(),
            runtime,
        };
        world.start();
        world
    }

    pub(super) fn play(mut self, steps: usize) -> Tally {
        for _ in 0..steps {
            self.step();
        }
        self.node().settle();
        self.collect();
        assert!(self.pending.is_empty(), "a client waits for ever");
        self.crash();
        self.tally
    }

    fn start(&mut self) {
        let index = self.folder.path().join("index");
        let node = Node::start(&self.disk, &index, self.clock.clone(), self.runtime.handle().clone());
        self.node = Some(node);
    }

    fn node(&mut self) -> &mut Node {
        self.node.as_mut().expect("the node runs")
    }

    fn step(&mut self) {
        match self.chance.random_range(0..1000) {
            0..220 => self.send(),
            220..450 => {
                let (number, quick) = (self.chance.random_range(0..8), self.chance.random_bool(0.6));
                self.node().work(number, quick);
            }
            450..500 => {
                let number = self.chance.random_range(0..8);
                self.node().finish(number);
            }
            500..640 => {
                let most = self.chance.random_range(1..5);
                self.node().stepper.turn(most);
            }
            640..780 => {
                self.node().index();
            }
            780..930 => {
                self.node().complete();
                self.collect();
            }
            930..960 => self.hang_up(),
            960..980 => self.jump(),
            980..985 => self.change_pace(),
            985..992 => self.fail_next_commit(),
            _ => self.crash(),
        }
        // What is stopped is restarted by its operator, sooner or later.
        if self.node().shared.check_open().is_err() && self.chance.random_bool(0.2) {
            self.crash();
        }
    }

    fn send(&mut self) {
        let sent = &ITEMS[self.chance.random_range(0..PROCESSES)];
        let shared = self.node().shared.clone();
        match shared.check_door() {
            Ok(()) => {}
            // The door is shut to it, so it must not be in the log if it never comes again.
            Err(ScheduleError::Overloaded { .. }) => return self.tally.shed += 1,
            Err(_) => return,
        }
        let (answer, receiver) = answer(&shared.sequencer);
        let mut pending = Pending { process: sent.process, content: None, answer: receiver };
        let (id, item) = match self.chance.random_range(0..10) {
            0 => (sent.process.id(), sent.spawn.clone()),
            1 => return self.assign(sent, pending, answer),
            _ => {
                let message = &sent.messages[self.chance.random_range(0..sent.messages.len())];
                pending.content = message.content;
                (message.id, message.item.clone())
            }
        };
        self.ledger.let_in(sent.process, id);
        self.pending.push(pending);
        shared.queue_check(item, None, answer);
    }

    fn assign(&mut self, sent: &Sent, mut pending: Pending, answer: Answer) {
        let transaction = Id::from_bytes([self.chance.random_range(1..6); 32]);
        let pushed = self.chance.random_bool(0.3).then(|| {
            let hash = [self.chance.random_range(1..4); 48];
            Pushed { hash, hash_as_written: None, signer: pusher(self.chance.random_range(0..9)) }
        });
        pending.content = pushed.map(|pushed| sent.classes.key(&pushed));
        self.ledger.let_in(sent.process, transaction);
        self.pending.push(pending);
        let intake = Intake::Assign { transaction, exclude: vec!["data".to_owned()], pushed };
        self.node().shared.submit(Order { process: sent.process, intake, answer });
    }

    /// The wallet becomes so slow that hardly anything may wait, or quick again.
    fn change_pace(&mut self) {
        let took = Duration::from_millis(if self.chance.random_bool(0.3) { 400 } else { 1 });
        for _ in 0..500 {
            self.node().shared.sequencer.backlog.ordered(took);
        }
    }

    fn hang_up(&mut self) {
        if !self.pending.is_empty() {
            let number = self.chance.random_range(0..self.pending.len());
            self.pending.swap_remove(number);
            self.tally.hung_up += 1;
        }
    }

    fn jump(&mut self) {
        let by = self.chance.random_range(0..100_000);
        let clock = &self.clock.now;
        if self.chance.random_bool(0.5) {
            clock.fetch_add(by, Ordering::Relaxed);
        } else {
            clock.fetch_sub(by, Ordering::Relaxed);
        }
    }

    fn fail_next_commit(&mut self) {
        let survives = self.chance.random_bool(0.5);
        let how = match self.chance.random_bool(0.5) {
            true => FailHow::BeforeWrite,
            false => FailHow::AfterWrite { survives },
        };
        self.disk.fail_next_commit(how);
    }

    /// Everything in memory is gone; what the clients were told until then must hold.
    fn crash(&mut self) {
        self.tally.crashes += 1;
        self.collect();
        self.pending.clear();
        self.node = None;
        if self.chance.random_bool(0.2) {
            fs::remove_dir_all(self.folder.path().join("index")).expect("the index can be deleted");
        }
        self.start();
        let log = self.node().log.clone();
        self.ledger.audit(log.as_ref());
    }

    /// Hears what the clients were answered.
    fn collect(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        for mut client in pending {
            match client.answer.try_recv() {
                Err(TryRecvError::Empty) => self.pending.push(client),
                Err(TryRecvError::Closed) => panic!("an answer was dropped"),
                Ok(result) => self.hear(client.process, client.content, result),
            }
        }
    }

    fn hear(
        &mut self,
        process: ProcessId,
        content: Option<DeepHash>,
        result: Result<Scheduled, ScheduleError>,
    ) {
        match result {
            Ok(scheduled) => {
                self.tally.acknowledged += 1;
                let index = &self.node().shared.sequencer.index;
                let found = index.find(process, scheduled.id).expect("the index can be read");
                assert!(found.is_some(), "acknowledged, and not to be read: {process} {}", scheduled.id);
                self.ledger.acknowledge(process, scheduled);
            }
            Err(ScheduleError::Duplicate { process, id }) => {
                self.tally.duplicates += 1;
                self.ledger.duplicate(process, id);
            }
            Err(ScheduleError::Halted(_)) => self.tally.halted += 1,
            Err(ScheduleError::DuplicateContent { process, .. }) => {
                self.tally.same_content += 1;
                self.ledger.same_content(process, content.expect("it is told apart by its content"));
            }
            Err(ScheduleError::Overloaded { .. }) => self.tally.shed += 1,
            Err(ScheduleError::UnknownProcess(_)) => {}
            Err(other) => panic!("nobody should be told this: {other}"),
        }
    }
}
