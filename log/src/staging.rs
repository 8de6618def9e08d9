//! One commit in the making: requests are staged in order, each as a whole or not at all.

use std::collections::BTreeMap;
use std::sync::Arc;

use ans104::Address;
use protocol::ProcessId;
use quick_cache::unsync::Cache;

use crate::digest_chain::DigestChain;
use crate::engine::{Engine, StoreBatch};
use crate::error::{AppendError, ReadError};
use crate::head::Head;
use crate::identity::{Identity, NodeId, Term};
use crate::ids::Seq;
use crate::keys::{EventKey, OwnerNumber, StoreKey, StoreTable, parse_owner_number};
use crate::moves::ProcessMove;
use crate::placing::{check_term, place};
use crate::reader::LogReader;
use crate::record::LongOwner;
use crate::released::{Committed, Release};
use crate::request::{Ready, RequestDone, RequestWork};
use crate::stored;

/// How many heads, and how many numbers of public keys, are remembered: 2 MB and 1 MB at most.
const REMEMBERED: usize = 16_384;

/// What the appender knows of the log: where it ends, and what it looked up lately.
pub(crate) struct KnownLog {
    next_seq: Seq,
    next_owner: Option<OwnerNumber>,
    identity: Identity,
    /// Whether what is appended waits for its release.
    held: bool,
    /// None where an event is damaged.
    digest: Option<DigestChain>,
    heads: Cache<ProcessId, Head>,
    numbers: Cache<Address, OwnerNumber>,
}

impl KnownLog {
    pub(crate) fn new<E: Engine>(
        reader: &LogReader<E>,
        identity: Identity,
        held: bool,
        digest: Option<DigestChain>,
    ) -> Result<Self, ReadError> {
        let last = reader.engine().last_key(StoreTable::Owners).map_err(|e| e.reading(StoreTable::Owners))?;
        let last = last.as_deref().and_then(parse_owner_number);
        Ok(Self {
            next_seq: reader.last()?.map_or(Seq::ZERO, Seq::next),
            next_owner: last.map_or(Some(OwnerNumber::FIRST), OwnerNumber::next),
            identity,
            held,
            digest,
            heads: Cache::new(REMEMBERED),
            numbers: Cache::new(REMEMBERED),
        })
    }
}

/// A request is not staged.
pub(crate) enum StageError {
    /// It is refused; the others go on.
    Refused(AppendError),
    /// The log does not know where it stands: nothing can go on.
    Lost(ReadError),
}

impl From<ReadError> for StageError {
    fn from(error: ReadError) -> Self {
        Self::Lost(error)
    }
}

/// A commit in the making, on top of what is known.
pub(crate) struct Staging<'a, E> {
    reader: &'a LogReader<E>,
    release: &'a Release,
    known: &'a mut KnownLog,
    batch: StoreBatch,
    heads: BTreeMap<ProcessId, Head>,
    /// Where each event leaves its process.
    placed: Vec<(ProcessId, Head)>,
    /// Steps of moves among them.
    steps: Vec<(Seq, Arc<ProcessMove>)>,
    numbers: BTreeMap<Address, OwnerNumber>,
    next_seq: Seq,
    next_owner: Option<OwnerNumber>,
    identity: Identity,
    held: bool,
    digest: Option<DigestChain>,
    /// Up to where the heads are in their table with this batch.
    stored: Option<Seq>,
    lifted: u64,
    undo: Vec<Undo>,
}

/// How to take back one step of a request.
enum Undo {
    Head(ProcessId, Option<Head>),
    Number(Address),
}

impl<'a, E: Engine> Staging<'a, E> {
    pub(crate) fn new(reader: &'a LogReader<E>, release: &'a Release, known: &'a mut KnownLog) -> Self {
        Self {
            reader,
            release,
            batch: StoreBatch::default(),
            heads: BTreeMap::new(),
            placed: Vec::new(),
            steps: Vec::new(),
            numbers: BTreeMap::new(),
            next_seq: known.next_seq,
            next_owner: known.next_owner,
            identity: known.identity,
            held: known.held,
            digest: known.digest,
            stored: None,
            lifted: release.lifted(),
            undo: Vec::new(),
            known,
        }
    }

    /// Stages a request, or leaves no trace of it.
    pub(crate) fn stage(&mut self, work: RequestWork) -> Result<RequestDone, StageError> {
        match work {
            RequestWork::Append { term, events, fences } => {
                self.append(term, events, fences).map(RequestDone::Appended)
            }
            RequestWork::Follow { first, events } => self.follow(first, events).map(RequestDone::Appended),
            RequestWork::Hold(hold) => {
                self.hold(hold);
                Ok(RequestDone::Held)
            }
        }
    }

    /// What is to be written, and how many events that are.
    pub(crate) fn batch(&mut self) -> (&StoreBatch, usize) {
        let events = self.next_seq.get().saturating_sub(self.known.next_seq.get());
        self.batch.last = self.next_seq.prev();
        if let Some(digest) = self.digest.filter(|_| events > 0) {
            digest.put(&mut self.batch);
        }
        if events > 0 || self.held != self.known.held {
            self.put_heads();
        }
        (&self.batch, usize::try_from(events).unwrap_or(usize::MAX))
    }

    /// The heads of what is released, or of everything where nothing is held.
    fn put_heads(&mut self) {
        let (released, mut heads) = self.release.ripe();
        self.stored = released;
        if self.held {
            let key = StoreKey::released();
            let events = released.map_or(0, |last| last.next().get());
            self.batch.put(StoreTable::Meta, key, stored::seal(&key, stored::write_released(events)));
        } else {
            if self.known.held {
                heads.extend(self.release.newest_heads());
            }
            heads.extend(&self.heads);
            self.stored = self.next_seq.prev();
        }
        for (process, head) in &heads {
            let key = StoreKey::head(*process);
            self.batch.put(StoreTable::Heads, key, stored::seal(&key, stored::write_head(head)));
        }
    }

    /// Puts the heads that are released into their table, and nothing else: before the log is closed.
    pub(crate) fn put_released(&mut self) {
        if self.held {
            self.put_heads();
        }
    }

    /// Takes what was staged for known, once it is on disk; what has changed, and the identity.
    pub(crate) fn committed(self) -> (Committed, Identity) {
        for (process, head) in self.heads {
            self.known.heads.insert(process, head);
        }
        for (address, number) in self.numbers {
            self.known.numbers.insert(address, number);
        }
        self.known.next_seq = self.next_seq;
        self.known.next_owner = self.next_owner;
        self.known.identity = self.identity;
        self.known.held = self.held;
        self.known.digest = self.digest;
        let synced = self.next_seq.prev();
        let (held, placed, steps) = (self.held, self.placed, self.steps);
        let (stored, lifted) = (self.stored, self.lifted);
        let done = Committed { held, synced, placed, steps, stored, lifted };
        (done, self.identity)
    }

    fn hold(&mut self, hold: bool) {
        if self.held != hold {
            self.held = hold;
            self.put_identity();
        }
    }

    fn put_identity(&mut self) {
        let key = StoreKey::identity();
        let identity = stored::write_identity(&self.identity, self.held);
        self.batch.put(StoreTable::Meta, key, stored::seal(&key, identity));
    }

    fn append(&mut self, given: Term, events: Vec<Ready>, fences: u64) -> Result<Seq, StageError> {
        let current = self.identity.term;
        let begins = check_term(current, given, &events).map_err(StageError::Refused)?;
        // A promotion lifts the fences that whoever wants it knew of, and no later one.
        let lifted = if begins { fences } else { self.lifted };
        if self.release.fences() > lifted {
            return Err(StageError::Refused(AppendError::Fenced));
        }
        let last = self.append_all(events)?;
        self.lifted = lifted;
        Ok(last)
    }

    /// Appends what another log has, whose terms begin where they begin there.
    fn follow(&mut self, first: Seq, events: Vec<Ready>) -> Result<Seq, StageError> {
        let mut current = self.identity.term;
        for given in events.iter().filter_map(|event| Some(event.promotion.as_ref()?.term)) {
            if given <= current {
                return Err(StageError::Refused(AppendError::WrongTerm { current, given }));
            }
            current = given;
        }
        if first != self.next_seq {
            let expected = self.next_seq;
            return Err(StageError::Refused(AppendError::UnexpectedSeq { expected, given: first }));
        }
        self.append_all(events)
    }

    fn append_all(&mut self, events: Vec<Ready>) -> Result<Seq, StageError> {
        let (puts, placed, steps) = (self.batch.puts.len(), self.placed.len(), self.steps.len());
        let (seq, owner, identity, digest) = (self.next_seq, self.next_owner, self.identity, self.digest);
        self.undo.clear();
        for event in events {
            if let Err(error) = self.append_one(event) {
                self.batch.puts.truncate(puts);
                self.placed.truncate(placed);
                self.steps.truncate(steps);
                (self.next_seq, self.next_owner, self.identity, self.digest) = (seq, owner, identity, digest);
                self.take_back();
                return Err(error);
            }
        }
        Ok(self.next_seq.prev().unwrap_or(Seq::ZERO))
    }

    /// The term of the event that comes next, which takes the right to write from whoever has it.
    fn begin_term(&mut self, term: Term, owner: NodeId) {
        self.identity.term = term;
        self.put_identity();
        let key = StoreKey::term(self.next_seq);
        self.batch.put(StoreTable::Meta, key, stored::seal(&key, stored::write_term(term, owner)));
    }

    fn append_one(&mut self, event: Ready) -> Result<(), StageError> {
        let process = event.process;
        if let Some(promotion) = &event.promotion {
            self.begin_term(promotion.term, promotion.owner);
        }
        self.check_moves(&event)?;
        let head = self.head(process)?;
        let last = place(&event, head).map_err(StageError::Refused)?;
        let item_owner = self.number(event.draft.item_owner.as_ref())?;
        let assignment_owner = self.number(event.draft.assignment_owner.as_ref())?;
        let seq = self.next_seq;
        self.next_seq = seq.next();
        let key = StoreKey::event(EventKey { process, nonce: last.map(|link| link.nonce) });
        self.batch.put(StoreTable::Events, key, event.draft.finish(&key, seq, item_owner, assignment_owner));
        self.batch.put(StoreTable::Order, StoreKey::order(seq), key.as_ref().to_vec());
        if let Some(digest) = &mut self.digest {
            digest.follow(&key, &event.digest, &mut self.batch);
        }
        let head = Head { seq, last };
        self.placed.push((process, head));
        self.steps.extend(event.step.map(|step| (seq, step)));
        let staged = self.heads.insert(process, head);
        self.undo.push(Undo::Head(process, staged));
        Ok(())
    }

    /// Refuses what comes to a process that is not here, and a step of a move that does not come next.
    fn check_moves(&mut self, event: &Ready) -> Result<(), StageError> {
        let misplaced = |process, reason| StageError::Refused(AppendError::Misplaced { process, reason });
        let before = |process| {
            let staged = self.steps.iter().rev().find(|(_, step)| step.process == process);
            staged.map(|(_, step)| step.clone()).or_else(|| self.release.moves.newest(process))
        };
        if let Some(reason) = before(event.process).and_then(|step| step.refusal(event.imported)) {
            return Err(misplaced(event.process, reason));
        }
        let Some(step) = &event.step else { return Ok(()) };
        let before = before(step.process);
        let head = self.head(step.process)?;
        step.check(before.as_deref(), head).map_err(|reason| misplaced(step.process, reason))
    }

    fn head(&mut self, process: ProcessId) -> Result<Option<Head>, StageError> {
        if let Some(head) = self.heads.get(&process).or_else(|| self.known.heads.get(&process)) {
            return Ok(Some(*head));
        }
        let late = self.release.newest_head(process);
        let head = late.map_or_else(|| self.reader.head(process), |head| Ok(Some(head)))?;
        if let Some(head) = head {
            self.known.heads.insert(process, head);
        }
        Ok(head)
    }

    /// The number of a public key, which gets one when it is new.
    fn number(&mut self, owner: Option<&LongOwner>) -> Result<Option<OwnerNumber>, StageError> {
        let Some(owner) = owner else {
            return Ok(None);
        };
        let address = &owner.address;
        if let Some(number) = self.numbers.get(address).or_else(|| self.known.numbers.get(address)) {
            return Ok(Some(*number));
        }
        let key = StoreKey::address(address);
        let stored = self.reader.engine().get(StoreTable::Owners, key.as_ref());
        if let Some(bytes) = stored.map_err(|error| error.reading(StoreTable::Owners))? {
            let number = stored::open(key.as_ref(), &bytes).and_then(stored::read_number);
            let number = number.map_err(|error| ReadError::corrupt("the number of a public key", error))?;
            self.known.numbers.insert(*address, number);
            return Ok(Some(number));
        }
        let full = || ReadError::corrupt("the dictionary of public keys", "all numbers are taken");
        let number = self.next_owner.ok_or_else(full)?;
        self.next_owner = number.next();
        let entry = StoreKey::owner(number);
        self.batch.put(StoreTable::Owners, entry, stored::seal(&entry, owner.key.clone()));
        self.batch.put(StoreTable::Owners, key, stored::seal(&key, stored::write_number(number)));
        self.numbers.insert(*address, number);
        self.undo.push(Undo::Number(*address));
        Ok(Some(number))
    }

    fn take_back(&mut self) {
        for step in self.undo.drain(..).rev() {
            match step {
                Undo::Head(process, Some(head)) => {
                    self.heads.insert(process, head);
                }
                Undo::Head(process, None) => {
                    self.heads.remove(&process);
                }
                Undo::Number(address) => {
                    self.numbers.remove(&address);
                }
            }
        }
    }
}
