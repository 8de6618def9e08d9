//! What the simulation holds the log against: everything that anybody was told, and everything ever read.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use ans104::Id;
use log::{DeepHash, EventRef, Log, Seq};
use protocol::{AssignmentId, HashChain, Nonce, ProcessId, Timestamp};

use crate::order::Scheduled;

#[derive(Default)]
pub(super) struct Ledger {
    /// What was acknowledged: the message (or the assignment of something on chain), and its time.
    acknowledged: HashMap<(ProcessId, Id), Timestamp>,
    /// What was told to be there already.
    said_duplicate: HashSet<(ProcessId, Id)>,
    /// Contents that were told to be there already.
    said_content: HashSet<(ProcessId, DeepHash)>,
    /// What was let in at least once; the door was shut to everything else.
    let_in: HashSet<(ProcessId, Id)>,
    /// What was read once is there for ever.
    seen: HashMap<(ProcessId, Nonce), AssignmentId>,
}

#[derive(Default)]
struct Walk {
    next: HashMap<ProcessId, (Nonce, HashChain, Timestamp)>,
    messages: HashSet<(ProcessId, Id)>,
    contents: HashSet<(ProcessId, DeepHash)>,
    times: HashMap<(ProcessId, Id), Timestamp>,
    last: Option<Seq>,
}

impl Ledger {
    pub(super) fn acknowledge(&mut self, process: ProcessId, scheduled: Scheduled) {
        let before = self.acknowledged.insert((process, scheduled.id), scheduled.timestamp);
        // Only a spawn may be acknowledged again, and then with the same answer.
        if let Some(before) = before {
            assert_eq!(scheduled.id, process.id(), "a message was acknowledged twice");
            assert_eq!(before, scheduled.timestamp, "a second spawn got another answer");
        }
    }

    pub(super) fn duplicate(&mut self, process: ProcessId, id: Id) {
        self.said_duplicate.insert((process, id));
    }

    pub(super) fn same_content(&mut self, process: ProcessId, content: DeepHash) {
        self.said_content.insert((process, content));
    }

    pub(super) fn let_in(&mut self, process: ProcessId, id: Id) {
        self.let_in.insert((process, id));
    }

    /// Walks the whole log and checks every promise.
    pub(super) fn audit(&mut self, log: &dyn Log) {
        let mut walk = Walk::default();
        log.scan(Seq::ZERO, &mut |event| {
            self.audit_event(&mut walk, &event);
            ControlFlow::Continue(())
        })
        .expect("the log can be read");
        assert_eq!(walk.last, log.tail().last(), "the scan ends at the tail");
        for (key, time) in &self.acknowledged {
            assert_eq!(walk.times.get(key), Some(time), "acknowledged, and not in the log as told: {key:?}");
        }
        for key in &self.said_duplicate {
            assert!(walk.messages.contains(key), "called a duplicate, and not in the log: {key:?}");
        }
        for key in &self.said_content {
            assert!(walk.contents.contains(key), "a content called a duplicate, and not in the log: {key:?}");
        }
        for key in &walk.messages {
            assert!(self.let_in.contains(key), "in the log, and never let in: {key:?}");
        }
        for (process, nonce) in self.seen.keys() {
            assert!(walk.next[process].0 > *nonce, "read once, and gone: {process} {nonce}");
        }
    }

    fn audit_event(&mut self, walk: &mut Walk, event: &EventRef<'_>) {
        let process = event.process;
        assert_eq!(
            Some(event.seq),
            walk.last.map_or(Some(Seq::ZERO), |last| Some(last.next())),
            "a gap in the log"
        );
        walk.last = Some(event.seq);
        let assignment = event.assignment().expect("every event here has an assignment");
        let text = |name: &str| assignment.tag(name).unwrap_or_else(|| panic!("no {name}")).to_owned();
        let nonce = event.nonce.expect("every event here has a nonce");
        let time = Timestamp::new(text("Timestamp").parse().unwrap());
        let id = AssignmentId::from(assignment.id());
        let (expected, chain) = match walk.next.get(&process) {
            Some((next, chain, last)) => {
                assert!(time > *last, "timestamps do not rise: {process} {nonce}");
                (*next, *chain)
            }
            None => (Nonce::ZERO, HashChain::seed(process)),
        };
        assert_eq!(nonce, expected, "a nonce is skipped or given twice: {process}");
        assert_eq!(text("Nonce"), nonce.to_string());
        assert_eq!(text("Process"), process.to_string());
        assert_eq!(text("Hash-Chain"), chain.to_string(), "the hash chain is broken: {process} {nonce}");
        walk.next.insert(process, (nonce.next(), chain.after(id), time));

        let message = match assignment.tag("Message") {
            Some(id) => id.parse().unwrap(),
            None => process.id(),
        };
        assert!(walk.messages.insert((process, message)), "scheduled twice: {message}");
        if let Some(hash) = event.deep_hash() {
            assert!(walk.contents.insert((process, *hash)), "a content scheduled twice: {message}");
        }
        let told = if event.item().is_some() { message } else { id.id() };
        walk.times.insert((process, told), time);
        match self.seen.insert((process, nonce), id) {
            Some(seen) => assert_eq!(seen, id, "a fork: {process} {nonce}"),
            None => assignment.verify().expect("the assignment's signature is right"),
        }
    }
}
