//! Members with their disks, and the messages between them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use log::{Log, LogDigest, Members, Memory, MemoryDisk, NodeId, Seq, Stepper, Term};
use protocol::{Nonce, ProcessId};

use crate::member::{Member, MemberRole, Role, Rule};
use crate::messages::{
    Acknowledgement, AppendVerdict, Events, FetchRequest, Fetched, PromiseAnswer, PromiseRequest,
};
use crate::promise::{Keeper, Kept};
use crate::promising::StandOutcome;

use super::disk::{KeptPromise, founded, node, open};

/// A message on its way, and to whom.
#[derive(Clone)]
pub(super) enum Message {
    Events(NodeId, Events),
    Acknowledgement(NodeId, Acknowledgement),
    Ask(NodeId, PromiseRequest),
    Answer(NodeId, PromiseAnswer),
    Fetch(NodeId, FetchRequest),
    Fetched(NodeId, Fetched),
    /// That it should lead.
    Stand(NodeId),
}

/// A machine with its disks.
pub(super) struct Machine {
    pub(super) id: NodeId,
    pub(super) disk: MemoryDisk,
    pub(super) kept: KeptPromise,
    /// An earlier state of its disk.
    pub(super) copied: Option<(MemoryDisk, Kept)>,
    /// None while it is down.
    pub(super) up: Option<Up>,
}

pub(super) struct Up {
    pub(super) member: Member<Memory, KeptPromise>,
    stepper: Stepper<Memory>,
    /// A writer with the term that it had when it was last told that it may write, as a scheduler is.
    writer: Option<Term>,
    /// To whom it hands over: it takes nothing more to write.
    successor: Option<NodeId>,
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
    /// How many events a candidate gets at a time, and a follower that has fewer than its leader takes it for.
    pub(super) fetched_max: usize,
    pub(super) shipped_max: usize,
    /// Whether who rejoins may get a copy that is not the leader's.
    pub(super) old_copies: bool,
    pub(super) broken: Option<Rule>,
    pub(super) next_node: usize,
    /// The digest after each number of events, as it was shown first.
    shown: BTreeMap<u64, LogDigest>,
    /// Each event that was shown, by its place in its process.
    nonces: BTreeMap<(ProcessId, Option<Nonce>), Seq>,
    pub(super) counts: super::schedule::Outcome,
    written: u64,
}

impl Cluster {
    pub(super) fn new(voters: usize, acks: u32, broken: Option<Rule>) -> Self {
        Self::with_history(voters, acks, 0, broken)
    }

    /// The same with logs that have so many events more when it begins.
    pub(super) fn with_history(voters: usize, acks: u32, more: usize, broken: Option<Rule>) -> Self {
        let ids: BTreeSet<NodeId> = (0..voters).map(node).collect();
        let members = Members { voters: ids.clone(), acks };
        let machine = |id| Machine {
            id,
            disk: founded(&members, more),
            kept: KeptPromise::new(),
            copied: None,
            up: None,
        };
        let machines = ids.into_iter().map(machine).collect();
        let (shown, nonces) = (BTreeMap::new(), BTreeMap::new());
        let counts = super::schedule::Outcome::default();
        let network = Vec::new();
        let mut cluster = Self {
            machines,
            network,
            cut: None,
            fetched_max: 1000,
            shipped_max: 1000,
            old_copies: false,
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
        machine.up =
            Some(Up { member, stepper, writer: None, successor: None, seen: 0, digest: LogDigest::EMPTY });
    }

    /// What is not synced is lost.
    pub(super) fn crash(&mut self, at: usize) {
        let machine = &mut self.machines[at];
        machine.up = None;
        machine.kept.crash();
    }

    pub(super) fn position(&self, id: NodeId) -> Option<usize> {
        self.machines.iter().position(|machine| machine.id == id && machine.up.is_some())
    }

    /// Has a member do something. One that cannot go on crashes, which it must not without a reason.
    fn ask<T, F: std::fmt::Display>(
        &mut self,
        at: usize,
        ask: impl FnOnce(&mut Member<Memory, KeptPromise>) -> Result<T, F>,
    ) -> Option<T> {
        let broken = self.broken;
        let up = self.machines[at].up.as_mut()?;
        match ask(&mut up.member) {
            Ok(done) => Some(done),
            Err(error) => {
                let failed = up.member.log().failure();
                assert!(failed.is_some() || broken.is_some(), "{error}");
                self.crash(at);
                None
            }
        }
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
            && up.successor.is_none()
            && let Some(term) = up.member.leads().or(up.writer)
        {
            up.writer = Some(term);
            let body = log::Body::Fact(text.into_bytes());
            let append = log::Append { process: ProcessId::NODE, body, link: None, imported: false };
            // What a failed log refuses at once is refused.
            let _ = up.member.log().enqueue(term, vec![append]);
        }
    }

    /// The disk of a machine does what it was asked for.
    pub(super) fn sync(&mut self, at: usize, requests: usize) {
        if let Some(up) = self.up(at) {
            up.stepper.turn(requests);
            if up.member.log().failure().is_some() {
                return self.crash(at);
            }
            let outcome = self.ask(at, |member| member.release().and_then(|()| member.decide()));
            self.went_on(outcome);
            self.hand_over_if_due(at);
        }
    }

    /// A leader takes nothing more, so that another one can go on with all that it has; or thinks better of it.
    pub(super) fn hand_over(&mut self, at: usize, to: usize) {
        let to = self.machines[to].id;
        if let Some(up) = self.up(at) {
            let leads = up.member.leads().is_some() && up.member.id() != to;
            up.successor = Some(to).filter(|_| leads && up.successor.is_none());
        }
    }

    /// The other one stands once it has everything.
    fn hand_over_if_due(&mut self, at: usize) {
        let Some(up) = self.machines[at].up.as_mut() else { return };
        let Some(to) = up.successor else { return };
        match &up.member.role {
            Role::Leading(leading) if up.member.log().is_quiet() => {
                if leading.held.get(&to) == Some(&up.member.synced()) {
                    up.successor = None;
                    self.network.push(Message::Stand(to));
                    self.counts.handed += 1;
                }
            }
            Role::Leading(_) => {}
            _ => up.successor = None,
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
        let others = self.others(at);
        if let Some(Some(request)) = self.ask(at, Member::stand) {
            self.network.extend(others.into_iter().map(|other| Message::Ask(other, request)));
            let outcome = self.ask(at, Member::decide);
            self.went_on(outcome);
        }
    }

    /// A leader changes who counts, if it may; whether it did.
    pub(super) fn change(&mut self, at: usize, to: impl FnOnce(&Members) -> Members) -> bool {
        let Some(up) = self.up(at) else { return false };
        let Some(now) = up.member.memberships.newest().cloned() else { return false };
        let changed = self.ask(at, |member| member.change_members(to(&now))).is_some_and(|done| done.is_ok());
        self.counts.changes += u64::from(changed);
        changed
    }

    fn went_on(&mut self, outcome: Option<StandOutcome>) {
        match outcome {
            Some(StandOutcome::Fetch(from, request)) => self.network.push(Message::Fetch(from, request)),
            Some(StandOutcome::Leads(_)) => self.counts.terms += 1,
            Some(StandOutcome::GivesWay(to)) => {
                self.counts.gave_way += 1;
                self.network.push(Message::Stand(to));
            }
            Some(StandOutcome::Waits | StandOutcome::Over) | None => {}
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
                self.ask_node(to, |member| member.on_acknowledgement(&given).map(drop));
                if let Some(at) = self.position(to) {
                    self.hand_over_if_due(at);
                }
            }
            Message::Stand(to) => {
                if let Some(at) = self.position(to) {
                    self.stand(at);
                }
            }
            Message::Ask(to, request) => {
                if let Some(answer) = self.ask_node(to, |member| member.on_promise_request(&request)) {
                    self.network.push(Message::Answer(request.candidate, answer));
                }
            }
            Message::Answer(to, answer) => {
                let outcome = self.ask_node(to, |member| member.on_promise(&answer));
                self.went_on(outcome);
            }
            Message::Fetch(to, request) => {
                let max = self.fetched_max;
                if let Some(Some(fetched)) = self.ask_node(to, |member| member.on_fetch(&request, max)) {
                    self.network.push(Message::Fetched(request.candidate, fetched));
                }
            }
            Message::Fetched(to, fetched) => {
                let outcome = self.ask_node(to, |member| member.on_fetched(&fetched));
                self.went_on(outcome);
            }
        }
    }

    /// The same by the node's id, if it is up.
    fn ask_node<T, F: std::fmt::Display>(
        &mut self,
        id: NodeId,
        ask: impl FnOnce(&mut Member<Memory, KeptPromise>) -> Result<T, F>,
    ) -> Option<T> {
        let at = self.position(id)?;
        self.ask(at, ask)
    }

    fn deliver_events(&mut self, to: NodeId, events: &Events) {
        let Some(at) = self.position(to) else { return };
        let Some(verdict) = self.ask(at, |member| member.on_events(events)) else { return };
        match verdict {
            AppendVerdict::Diverged => self.rejoin(at, events.owner),
            AppendVerdict::Expects(from) => {
                let max = self.shipped_max;
                let more = self.ask_node(events.owner, |member| member.events_from(from, max));
                if let Some(Some(more)) = more {
                    self.network.push(Message::Events(to, more));
                }
            }
            AppendVerdict::Follows(_) | AppendVerdict::Busy | AppendVerdict::Promised(_) => {}
        }
    }

    /// A follower tells its leader what it has.
    pub(super) fn acknowledge(&mut self, at: usize) {
        let leader = self.machines[at].kept.promise().to;
        if let Some(Some(given)) = self.ask(at, Member::acknowledgement) {
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
