//! One process as verification goes along it.

use ans104::{Bundle, Item};
use protocol::{AssignmentId, AssignmentTags, HashChain, MessageId, Nonce, ProcessId, Timestamp};

use crate::event::{BodyRef, EventRef};
use crate::head::{ChainLink, Head};
use crate::ids::Seq;

/// What is known of a process up to some event.
pub(super) struct ProcessCheck {
    pub(super) id: ProcessId,
    newest: Option<Head>,
    /// The message that came last, as which histories from before March 2024 chain it.
    message: Option<AssignmentId>,
    /// Whether what came last could not be read, so that nothing can be said about what follows it.
    torn: bool,
}

impl ProcessCheck {
    pub(super) fn new(id: ProcessId) -> Self {
        Self::behind(id, None)
    }

    /// A process of which this came last.
    pub(super) fn behind(id: ProcessId, newest: Option<Head>) -> Self {
        Self { id, newest, message: None, torn: false }
    }

    /// Where it stands.
    pub(super) fn head(&self) -> Option<Head> {
        self.newest
    }

    /// What is wrong with the stored head, if anything is.
    pub(super) fn difference(&self, stored: Option<Head>) -> Option<String> {
        if self.torn { None } else { difference(stored, self.newest) }
    }

    /// The newest event seen.
    pub(super) fn newest(&self) -> Option<Seq> {
        self.newest.map(|head| head.seq)
    }

    /// Moves on past an event that cannot be read.
    pub(super) fn tear(&mut self) {
        self.torn = true;
    }

    /// Checks the next event and moves on to it.
    pub(super) fn follow(&mut self, event: &EventRef<'_>, fault: &mut dyn FnMut(String)) {
        self.check_place(event, fault);
        self.check_assignment(event, fault);
        self.newest = Some(Head { seq: event.seq, last: event.link(self.last()) });
        self.message = event.item().filter(|_| event.imported).map(|item| item.id().into());
        self.torn = false;
    }

    fn last(&self) -> Option<ChainLink> {
        self.newest.and_then(|head| head.last)
    }

    fn check_place(&self, event: &EventRef<'_>, fault: &mut dyn FnMut(String)) {
        let is_fact = matches!(event.body, BodyRef::Fact(_));
        let is_spawn = matches!(event.body, BodyRef::Spawned { .. });
        if is_fact != (self.id == ProcessId::NODE) {
            fault("facts, and nothing else, belong to the node's own stream".to_owned());
        } else if !is_fact && !self.torn && is_spawn != self.newest.is_none() {
            fault(if is_spawn { "a second spawn" } else { "no spawn before it" }.to_owned());
        }
        if let Some(newest) = self.newest.filter(|newest| newest.seq >= event.seq) {
            fault(format!("it comes after number {} in its process, but not in the log", newest.seq));
        }
        let expected = self.newest.map_or(Nonce::ZERO, |head| head.next_nonce());
        if let Some(nonce) = event.nonce.filter(|nonce| *nonce != expected && !self.torn) {
            fault(format!("nonce {nonce} where {expected} comes next"));
        }
        if is_spawn && let Some(item) = event.item() {
            compare("id of the item", Some(item.id()), self.id.id(), fault);
        }
    }

    fn check_assignment(&self, event: &EventRef<'_>, fault: &mut dyn FnMut(String)) {
        check_tags("item", event.item(), fault);
        let Some(assignment) = event.assignment() else {
            if event.nonce.is_some() && event.item().is_some() {
                fault("a nonce, but no assignment".to_owned());
            }
            return;
        };
        check_tags("assignment", Some(assignment), fault);
        let says = AssignmentTags::of(&assignment);
        // The record of an old spawn that was imported is what the item came in, which names nothing.
        if event.nonce.is_some() || !event.imported || says.process().is_some() {
            compare("assignment's Process", says.process(), self.id, fault);
        }
        let Some(nonce) = event.nonce else {
            // The signed record of a spawn without a nonce says when it was, and chains nothing.
            if !matches!(event.body, BodyRef::Spawned { .. }) {
                fault("an assignment, but no nonce".to_owned());
            }
            return;
        };
        compare("assignment's Nonce", says.nonce(), nonce, fault);
        check_message(event, says.message(), fault);
        self.check_chain(event.imported, nonce, says.hash_chain(), fault);
        self.check_time(says.timestamp(), fault);
    }

    fn check_chain(
        &self,
        imported: bool,
        nonce: Nonce,
        found: Option<HashChain>,
        fault: &mut dyn FnMut(String),
    ) {
        let old = self.last().zip(self.message).map(|(last, message)| last.chain.after(message));
        if imported && found.is_some() && found == old {
            return;
        }
        // Behind a gap there is nothing to compare it with; the gap itself was reported.
        let follows = !self.torn && self.newest.map_or(Nonce::ZERO, |head| head.next_nonce()) == nonce;
        if follows || found.is_none() {
            compare("assignment's Hash-Chain", found, ChainLink::next_chain(self.last(), self.id), fault);
        }
    }

    fn check_time(&self, found: Option<Timestamp>, fault: &mut dyn FnMut(String)) {
        let last = self.last().map(|link| link.timestamp);
        match (found, last) {
            (None, _) => fault("the assignment's Timestamp is no number".to_owned()),
            (Some(found), Some(last)) if last >= found => {
                fault(format!("the assignment's Timestamp {found} does not come after {last}"));
            }
            _ => {}
        }
    }
}

/// What a head of stored bytes and one of events differ in, if they do.
fn difference(stored: Option<Head>, expected: Option<Head>) -> Option<String> {
    if stored == expected {
        return None;
    }
    let seq = |head: Option<Head>| head.map(|head| head.seq);
    let name = |seq: Option<Seq>| seq.map_or("nothing".to_owned(), |seq| format!("number {seq}"));
    if seq(stored) != seq(expected) {
        let (stored, expected) = (name(seq(stored)), name(seq(expected)));
        return Some(format!("it points to {stored}, the newest event is {expected}"));
    }
    let last = |head: Option<Head>| head.and_then(|head| head.last);
    Some(format!("it says {:?}, the newest event {:?}", last(stored), last(expected)))
}

fn check_tags(part: &str, item: Option<Item<'_>>, fault: &mut dyn FnMut(String)) {
    if let Some(Err(error)) = item.and_then(|item| item.tags().find(Result::is_err)) {
        fault(format!("the {part}'s tags cannot be read: {error}"));
    }
}

fn check_message(event: &EventRef<'_>, found: Option<MessageId>, fault: &mut dyn FnMut(String)) {
    match event.body {
        // The earliest form names its message by having it in its data.
        BodyRef::Scheduled { item, assignment, .. }
            if event.imported && found.is_none() && contains(assignment.data(), item) => {}
        BodyRef::Scheduled { item, .. } => compare("assignment's Message", found, item.id().into(), fault),
        BodyRef::Assigned { .. } if found.is_none() => {
            fault("the assignment has no Message".to_owned());
        }
        // Schedulers differ in whether a process's own assignment names it; it must not name anything else.
        BodyRef::Spawned { .. } if found.is_some() => {
            compare("assignment's Message", found, event.process.id().into(), fault);
        }
        _ => {}
    }
}

fn contains(data: &[u8], item: Item<'_>) -> bool {
    Bundle::parse(data).is_ok_and(|mut bundle| {
        bundle.next().is_some_and(|first| first.is_ok_and(|first| first.id == item.id()))
    })
}

fn compare<T: PartialEq + std::fmt::Display>(
    what: &str,
    found: Option<T>,
    expected: T,
    fault: &mut dyn FnMut(String),
) {
    match found {
        Some(found) if found == expected => {}
        Some(found) => fault(format!("the {what} is {found}, not {expected}")),
        None => fault(format!("the {what} is missing or malformed, it should be {expected}")),
    }
}
