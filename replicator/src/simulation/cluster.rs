//! Members with their disks, and the messages between them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use log::{Log, LogDigest, Members, Memory, MemoryDisk, NodeId, Seq, Stepper, Term};
use protocol::{Nonce, ProcessId};

use crate::member::{Member, MemberRole, Rule};
use crate::messages::{
    Acknowledgement, AppendVerdict, Events, FetchRequest, Fetched, PromiseAnswer, PromiseRequest,
};
use crate::promise::Promise;
use crate::promising::StandOutcome;

use super::disk::{KeptPromise, checkpoint, founded, node, open};

/// A message on its way, and to whom.
#[derive(Clone)]
pub(super) enum Message {
    Events(NodeId, Events),
    Acknowledgement(NodeId, Acknowledgement),
    Ask(NodeId, PromiseRequest),
    Answer(NodeId, PromiseAnswer),
    Fetch(NodeId, FetchRequest),
    Fetched(NodeId, Fetched),
}

/// A machine with its disks.
pub(super) struct Machine {
    pub(super) id: NodeId,
    disk: MemoryDisk,
    kept: KeptPromise,
    /// None while it is down.
    pub(super) up: Option<Up>,
}

pub(super) struct Up {
    pub(super) member: Member<Memory, KeptPromise>,
    stepper: Stepper<Memory>,
    /// Up to where what it shows was looked at.
    seen: u64,
    digest: LogDigest,
}

/// Machines, the network, and whatever left any of them.
pub(super) struct Cluster {
    pub(super) machines: Vec<Machine>,
    pub(super) network: Vec<Message>,
    /// A machine that is told nothing by candidates and other leaders, though acknowledgements reach it.
    pub(super) cut: Option<usize>,
    broken: Option<Rule>,
    next_node: usize,
    /// The digest after each number of events, as it was shown first.
    shown: BTreeMap<u64, LogDigest>,
    /// Each event that was shown, by its place in its process.
    nonces: BTreeMap<(ProcessId, Option<Nonce>), Seq>,
    pub(super) counts: super::schedule::Outcome,
    written: u64,
}

impl Cluster {
    pub(super) fn new(voters: usize, acks: u32, broken: Option<Rule>) -> Self {
        let ids: BTreeSet<NodeId> = (0..voters).map(node).collect();
        let members = Members { voters: ids.clone(), acks };
        let first = Promise { term: Term(1), to: NodeId::UNKNOWN };
        let machine = |id| Machine { id, disk: founded(&members), kept: KeptPromise::new(first), up: None };
        let machines = ids.into_iter().map(machine).collect();
        let (shown, nonces) = (BTreeMap::new(), BTreeMap::new());
        let counts = super::schedule::Outcome::default();
        let network = Vec::new();
        let mut cluster = Self {
            machines,
            network,
            cut: None,
            broken,
            next_node: voters,
            shown,
            nonces,
            counts,
            written: 0,
        };
        (0..voters).for_each(|at| cluster.start(at));
        cluster
    }

    pub(super) fn start(&mut self, at: usize) {
        let broken = self.broken;
        let machine = &mut self.machines[at];
        let (log, stepper) = open(&machine.disk);
        machine.kept.syncs = broken != Some(Rule::PromiseOnDisk);
        let mut member = Member::open(machine.id, Arc::new(log), machine.kept.clone()).unwrap();
        member.broken = broken;
        machine.up = Some(Up { member, stepper, seen: 0, digest: LogDigest::EMPTY });
    }

    /// What is not synced is lost.
    pub(super) fn crash(&mut self, at: usize) {
        let machine = &mut self.machines[at];
        machine.up = None;
        machine.kept.crash();
    }

    /// The machine gets a new disk. What comes up on it is another node, which nobody counts before it is taken in.
    pub(super) fn wipe(&mut self, at: usize) {
        self.crash(at);
        let first = Promise { term: Term(1), to: NodeId::UNKNOWN };
        let machine = &mut self.machines[at];
        if self.broken != Some(Rule::WipedIsNew) {
            machine.id = node(self.next_node);
            self.next_node += 1;
        }
        machine.kept = KeptPromise::new(first);
        machine.disk = MemoryDisk::new();
        // It is held from the beginning, as every copy is.
        let (log, mut stepper) = open(&machine.disk);
        let held = log.hold(true).unwrap();
        stepper.turn(1);
        held.wait().unwrap();
        self.counts.wiped += 1;
    }

    /// Who set out from another history gets that of a leader: its log is set aside, and a checkpoint installed.
    fn rejoin(&mut self, at: usize, leader: NodeId, term: Term) {
        let Some(from) = self.up_with(leader).filter(|up| up.member.promise().term == term) else { return };
        let events = from.member.synced();
        let disk = checkpoint(from.member.log(), events);
        self.crash(at);
        self.machines[at].disk = disk;
        self.start(at);
        self.counts.parted += 1;
    }

    fn up_with(&self, id: NodeId) -> Option<&Up> {
        self.machines.iter().find(|machine| machine.id == id)?.up.as_ref()
    }

    pub(super) fn position(&self, id: NodeId) -> Option<usize> {
        self.machines.iter().position(|machine| machine.id == id && machine.up.is_some())
    }

    /// Those that lead, or are about to.
    pub(super) fn leading(&self) -> Vec<usize> {
        let machines = self.machines.iter().enumerate();
        let leads = |up: &Up| matches!(up.member.role(), MemberRole::Leading | MemberRole::Confirming);
        machines.filter(|(_, machine)| machine.up.as_ref().is_some_and(leads)).map(|(at, _)| at).collect()
    }

    fn up(&mut self, at: usize) -> Option<&mut Up> {
        self.machines[at].up.as_mut()
    }

    fn others(&self, at: usize) -> Vec<NodeId> {
        let id = self.machines[at].id;
        self.machines.iter().map(|machine| machine.id).filter(|other| *other != id).collect()
    }

    /// Somebody wants something scheduled.
    pub(super) fn write(&mut self, at: usize) {
        let text = format!("written {}", self.written);
        self.written += 1;
        if let Some(up) = self.up(at)
            && let Some(term) = up.member.leads()
        {
            let body = log::Body::Fact(text.into_bytes());
            let append = log::Append { process: ProcessId::NODE, body, link: None, imported: false };
            drop(up.member.log().enqueue(term, vec![append]).unwrap());
        }
    }

    /// The disk of a machine does what it was asked for.
    pub(super) fn sync(&mut self, at: usize, requests: usize) {
        if let Some(up) = self.up(at) {
            up.stepper.turn(requests);
            up.member.release().unwrap();
            let outcome = up.member.decide().unwrap();
            self.went_on(outcome);
        }
    }

    /// A leader sends some of its log to somebody.
    pub(super) fn ship(&mut self, at: usize, to: usize, back: u64, max: usize) {
        let to = self.machines[to].id;
        if let Some(up) = self.up(at) {
            let from = up.member.synced().saturating_sub(back);
            if let Some(events) = up.member.events_from(from, max).unwrap() {
                self.network.push(Message::Events(to, events));
            }
        }
    }

    pub(super) fn stand(&mut self, at: usize) {
        let id = self.machines[at].id;
        let others = self.others(at);
        if let Some(up) = self.up(at)
            && let Some(request) = up.member.stand().unwrap()
        {
            debug_assert_eq!(request.candidate, id);
            let outcome = up.member.decide().unwrap();
            self.network.extend(others.into_iter().map(|other| Message::Ask(other, request)));
            self.went_on(outcome);
        }
    }

    /// A leader changes who counts, if it may; whether it did.
    pub(super) fn change(&mut self, at: usize, to: impl FnOnce(&Members) -> Members) -> bool {
        let Some(up) = self.up(at) else { return false };
        let Some(now) = up.member.memberships.newest().cloned() else { return false };
        let changed = up.member.change_members(to(&now)).unwrap().is_ok();
        self.counts.changes += u64::from(changed);
        changed
    }

    fn went_on(&mut self, outcome: StandOutcome) {
        match outcome {
            StandOutcome::Fetch(from, request) => self.network.push(Message::Fetch(from, request)),
            StandOutcome::Leads(_) => self.counts.terms += 1,
            StandOutcome::Waits | StandOutcome::GivesWay(_) | StandOutcome::Over => {}
        }
    }

    pub(super) fn deliver(&mut self, message: Message) {
        let cut = self.cut.map(|at| self.machines[at].id);
        match &message {
            Message::Events(to, _) | Message::Ask(to, _) if Some(*to) == cut => return,
            _ => {}
        }
        match message {
            Message::Events(to, events) => self.deliver_events(to, &events),
            Message::Acknowledgement(to, given) => {
                if let Some(at) = self.position(to) {
                    self.up(at).unwrap().member.on_acknowledgement(&given).unwrap();
                }
            }
            Message::Ask(to, request) => {
                if let Some(at) = self.position(to) {
                    let answer = self.up(at).unwrap().member.on_promise_request(&request).unwrap();
                    self.network.push(Message::Answer(request.candidate, answer));
                }
            }
            Message::Answer(to, answer) => {
                if let Some(at) = self.position(to) {
                    let outcome = self.up(at).unwrap().member.on_promise(&answer).unwrap();
                    self.went_on(outcome);
                }
            }
            Message::Fetch(to, request) => {
                if let Some(at) = self.position(to)
                    && let Some(fetched) = self.up(at).unwrap().member.on_fetch(&request, 1000).unwrap()
                {
                    self.network.push(Message::Fetched(request.candidate, fetched));
                }
            }
            Message::Fetched(to, fetched) => {
                if let Some(at) = self.position(to) {
                    let outcome = self.up(at).unwrap().member.on_fetched(&fetched).unwrap();
                    self.went_on(outcome);
                }
            }
        }
    }

    fn deliver_events(&mut self, to: NodeId, events: &Events) {
        let Some(at) = self.position(to) else { return };
        let verdict = self.up(at).unwrap().member.on_events(events);
        let verdict = if self.broken.is_some() {
            // What follows by number alone meets events that cannot come next.
            verdict.unwrap_or(AppendVerdict::Busy)
        } else {
            verdict.unwrap()
        };
        match verdict {
            AppendVerdict::Diverged => self.rejoin(at, events.owner, events.term),
            AppendVerdict::Expects(from) => {
                if let Some(leader) = self.position(events.owner)
                    && let Some(more) = self.up(leader).unwrap().member.events_from(from, 1000).unwrap()
                {
                    self.network.push(Message::Events(to, more));
                }
            }
            AppendVerdict::Follows(_) | AppendVerdict::Busy | AppendVerdict::Promised(_) => {}
        }
    }

    /// A follower tells its leader what it has.
    pub(super) fn acknowledge(&mut self, at: usize) {
        let leader = self.machines[at].kept.now.lock().unwrap().to;
        if let Some(up) = self.up(at)
            && let Some(given) = up.member.acknowledgement()
        {
            self.network.push(Message::Acknowledgement(leader, given));
        }
    }

    /// Looks at what every machine shows by now.
    pub(super) fn look(&mut self) -> Result<(), String> {
        for at in 0..self.machines.len() {
            self.look_at(at)?;
        }
        Ok(())
    }

    fn look_at(&mut self, at: usize) -> Result<(), String> {
        let local = self.broken == Some(Rule::ReadsOfReleased);
        let Some(up) = self.machines[at].up.as_mut() else { return Ok(()) };
        let (shown, nonces) = (&mut self.shown, &mut self.nonces);
        let (log, from) = (up.member.log().clone(), Seq::new(up.seen));
        let mut wrong = None;
        let mut visit = |event: log::EventRef<'_>| {
            up.digest = up.digest.with(&event);
            up.seen = event.seq.next().get();
            let first = *shown.entry(up.seen).or_insert(up.digest);
            let place = *nonces.entry((event.process, event.nonce)).or_insert(event.seq);
            if first != up.digest || place != event.seq {
                wrong =
                    Some(format!("machine {at} shows another event as number {} than was shown", event.seq));
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        };
        let scanned = if local { log.scan_synced(from, &mut visit) } else { log.scan(from, &mut visit) };
        scanned.unwrap();
        wrong.map_or(Ok(()), Err)
    }

    /// How many events were shown.
    pub(super) fn shown(&self) -> u64 {
        self.shown.len() as u64
    }
}
