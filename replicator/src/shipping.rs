//! Shipping a log to those who follow it: what is released, read from the log itself, a piece at a time.

mod follower;
mod refusals;
mod shipped_log;
mod voting;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ans104::Address;
use log::{EventRef, Identity, NodeId, ReadError, Seq, Tail, Term};
use uuid::Uuid;

use crate::messages::LogPlace;
use crate::wire::{EventsFrame, Frame, HeartbeatFrame, HelloFrame, PAYLOAD_MAX};
pub use follower::FollowerSeen;
pub use refusals::{ShipError, StreamRefusal};
pub use shipped_log::ShippedLog;
pub use voting::MemberView;

/// About how long a piece is, in bytes.
pub const SHIPPED_PIECE: usize = 256 << 10;
/// How many nodes may follow one at a time, besides its voters.
pub const FOLLOWERS_MAX: usize = 8;
/// How many more that are to become voters.
pub const CANDIDATES_MAX: usize = 8;

/// Where writes go.
pub type LeaderUrl = Arc<dyn Fn() -> Option<String> + Send + Sync>;

/// What a node ships its log with.
pub struct Shipper {
    log: Arc<dyn ShippedLog>,
    node: NodeId,
    wallet: Address,
    /// The port of the public listener.
    port: u16,
    /// Where the leader is, if this node is none.
    leader: LeaderUrl,
    /// What it is among those that keep the log, if it is one of several.
    member: Option<Arc<dyn MemberView>>,
    followers: Mutex<Followers>,
}

#[derive(Default)]
struct Followers {
    next: u64,
    all: BTreeMap<u64, FollowerSeen>,
    /// Which of them came to have their copies count.
    candidates: BTreeSet<u64>,
    /// The latest term that any of them was in.
    latest: Option<Term>,
}

/// Where a stream is to begin, and who asks.
#[derive(Clone, Copy, Debug)]
pub struct StreamRequest {
    /// Where the asker's log ends.
    pub from: LogPlace,
    /// The asker's term.
    pub term: Term,
    /// The asker.
    pub node: NodeId,
    /// Whether its copy is to count.
    pub voter: bool,
}

impl Shipper {
    /// Ships this log.
    pub fn new(
        log: Arc<dyn ShippedLog>,
        node: NodeId,
        wallet: Address,
        port: u16,
        leader: LeaderUrl,
        member: Option<Arc<dyn MemberView>>,
    ) -> Arc<Self> {
        Arc::new(Self { log, node, wallet, port, leader, member, followers: Mutex::default() })
    }

    /// Which node ships.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// Which opening of the log it ships from: another process has another one.
    pub fn opening(&self) -> Uuid {
        self.log.opening()
    }

    /// Which node began a term; reads the log.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn owner(&self, term: Term) -> Result<Option<NodeId>, ReadError> {
        Ok(self.log.terms()?.iter().find(|start| start.term == term).map(|start| start.owner))
    }

    /// Those who follow this node.
    pub fn followers(&self) -> Vec<FollowerSeen> {
        self.followers_locked().all.values().copied().collect()
    }

    /// About how many bytes of the log are behind its first events; none when that is not known.
    pub fn bytes_behind(&self, events: u64) -> Option<u64> {
        self.log.bytes_behind(events)
    }

    /// Begins a stream; reads the log.
    ///
    /// # Errors
    /// When the asker cannot follow from there.
    pub fn stream(self: &Arc<Self>, request: &StreamRequest) -> Result<ShippedStream, StreamRefusal> {
        let own = self.log.identity().term;
        if request.term > own {
            let is_news = self.followers_locked().hear_of(request.term);
            return Err(StreamRefusal::Deposed { asked: request.term, own, is_news });
        }
        let asked = request.from;
        let is_voting = request.voter && self.is_in_lead();
        let tail = count(self.end(is_voting).last());
        let beyond = StreamRefusal::Beyond { asked: asked.events, tail };
        if asked.events > tail {
            return Err(beyond);
        }
        let Some(digest) = self.log.digest_of(asked.events)? else { return Err(beyond) };
        if digest != asked.digest {
            return Err(StreamRefusal::Diverged { asked, own: digest, terms: self.log.terms()? });
        }
        let (turn, is_voter) = (self.enter(request).ok_or(StreamRefusal::Full)?, request.voter);
        Ok(ShippedStream {
            shipper: self.clone(),
            place: asked,
            told: 0,
            owner: None,
            is_voter,
            is_voting,
            turn,
        })
    }

    /// Whoever votes is always let in: others are not to keep the log from being released. Nor do they keep those out who
    /// are to vote, of whom the leader may be waiting for some.
    fn enter(self: &Arc<Self>, request: &StreamRequest) -> Option<Turn> {
        let voters = self.voters();
        let is_candidate = request.voter && self.is_in_lead();
        let mut followers = self.followers_locked();
        // Whoever comes again has lost its stream before.
        followers.all.retain(|_, other| other.node != request.node);
        let Followers { all, candidates, .. } = &mut *followers;
        candidates.retain(|number| all.contains_key(number));
        let max = if is_candidate { CANDIDATES_MAX } else { FOLLOWERS_MAX };
        let alike = |(number, other): &(&u64, &FollowerSeen)| {
            !voters.contains(&other.node) && candidates.contains(*number) == is_candidate
        };
        if !voters.contains(&request.node) && all.iter().filter(alike).count() >= max {
            return None;
        }
        let number = followers.next;
        followers.next += 1;
        if is_candidate {
            followers.candidates.insert(number);
        }
        let mut seen = FollowerSeen::new(request.node);
        seen.mark(request.from.events, count(self.end(is_candidate).last()));
        followers.all.insert(number, seen);
        Some(Turn { shipper: self.clone(), number, node: request.node })
    }

    fn followers_locked(&self) -> MutexGuard<'_, Followers> {
        self.followers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Followers {
    /// Whether nobody was in so late a term before.
    fn hear_of(&mut self, term: Term) -> bool {
        let is_news = Some(term) > self.latest;
        self.latest = self.latest.max(Some(term));
        is_news
    }
}

/// A stream on its way to one who follows.
pub struct ShippedStream {
    shipper: Arc<Shipper>,
    place: LogPlace,
    /// How many events it was told are released.
    told: u64,
    /// The owner of the term that was looked up last.
    owner: Option<(Term, NodeId)>,
    /// Whether who asks wants its copy to count.
    is_voter: bool,
    /// Whether it gets what is not released as well.
    is_voting: bool,
    turn: Turn,
}

impl ShippedStream {
    /// The first frame.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn hello(&self) -> Result<Vec<u8>, ShipError> {
        let shipper = &self.shipper;
        let Identity { store, term } = shipper.log.identity();
        let first = shipper.log.terms()?.first().map_or(term, |first| first.term);
        let writes = (shipper.leader)().unwrap_or_default();
        let hello = HelloFrame {
            store: store.0.into_bytes(),
            node: shipper.node.0.into_bytes(),
            term: term.0,
            first_term: first.0,
            wallet: *shipper.wallet.as_bytes(),
            tail: count(shipper.log.synced().last()),
            released: count(shipper.log.released().last()),
            port: shipper.port,
            writes: &writes,
        };
        let mut frames = Frame::Hello(hello).encode()?;
        frames.extend(self.members()?);
        Ok(frames)
    }

    /// The end of what may be shipped, to wait on.
    pub fn tail(&self) -> Tail {
        self.shipper.end(self.is_voting)
    }

    /// The end of what is released, to wait on.
    pub fn released(&self) -> Tail {
        self.shipper.log.released()
    }

    /// Whether it gets what is not released as well, which is when others wait for its copy.
    pub fn is_voting(&self) -> bool {
        self.is_voting
    }

    /// The first event that it was not told is released.
    pub fn untold(&self) -> Seq {
        Seq::new(self.told)
    }

    /// The event that comes next.
    pub fn next_seq(&self) -> Seq {
        Seq::new(self.place.events)
    }

    /// Whether there is more than was sent.
    pub fn has_more(&self) -> bool {
        self.tail().last() >= Some(self.next_seq())
    }

    /// Why it ends, if another stream took its place, or the node leads by now or no more.
    pub fn replaced(&self) -> Option<ShipError> {
        if self.is_voter && self.is_voting != self.shipper.is_in_lead() {
            return Some(ShipError::Leading(self.shipper.node));
        }
        let is_there = self.shipper.followers_locked().all.contains_key(&self.turn.number);
        (!is_there).then_some(ShipError::Replaced(self.turn.node))
    }

    /// The next events as a frame, about [`SHIPPED_PIECE`] long; none when there are no more. Reads the log.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn events(&mut self) -> Result<Option<Vec<u8>>, ShipError> {
        let (mut place, mut events, mut bytes, mut failed) = (self.place, Vec::new(), 0_usize, None);
        let mut visit = |event: EventRef<'_>| {
            match event.encode() {
                Ok(encoded) if bytes > 0 && bytes.saturating_add(encoded.len()) > PAYLOAD_MAX / 2 => {
                    return ControlFlow::Break(());
                }
                Ok(encoded) => {
                    bytes = bytes.saturating_add(encoded.len());
                    place = LogPlace { events: event.seq.next().get(), digest: place.digest.with(&event) };
                    events.push(encoded);
                }
                Err(error) => failed = Some(ShipError::Event { at: event.seq, error }),
            }
            if bytes < SHIPPED_PIECE && failed.is_none() {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        };
        let log = &self.shipper.log;
        if self.is_voting {
            log.scan_on_disk(self.next_seq(), &mut visit)?;
        } else {
            log.scan_released(self.next_seq(), &mut visit)?;
        }
        if events.is_empty() {
            return failed.map_or(Ok(None), Err);
        }
        let (term, owner) = self.owner()?;
        self.told = count(self.released().last());
        let frame = Frame::Events(EventsFrame {
            term: term.0,
            owner: owner.0.into_bytes(),
            from: self.place.into(),
            released: self.told,
            events: events.iter().map(Vec::as_slice).collect(),
        });
        let frame = frame.encode()?;
        self.place = place;
        self.mark();
        Ok(Some(frame))
    }

    /// How far the stream and the log are, and how many bytes lie between, where that is known.
    ///
    /// # Errors
    /// When no frame can be made of it.
    pub fn heartbeat(&mut self) -> Result<Vec<u8>, ShipError> {
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        self.told = count(self.released().last());
        self.mark();
        let beat = HeartbeatFrame {
            place: self.place.into(),
            tail: count(self.shipper.log.synced().last()),
            released: self.told,
            clock: u64::try_from(clock.as_millis()).unwrap_or(u64::MAX),
        };
        let mut frames = Frame::Heartbeat(beat).encode()?;
        if let Some(bytes) = self.shipper.log.bytes_behind(self.place.events) {
            frames.extend(Frame::Behind(bytes).encode()?);
        }
        Ok(frames)
    }

    /// Notes how far it has come, and whether that is all.
    fn mark(&self) {
        let events = count(self.tail().last());
        if let Some(seen) = self.shipper.followers_locked().all.get_mut(&self.turn.number) {
            seen.mark(self.place.events, events);
        }
    }

    /// The last frame of a stream that cannot go on.
    pub fn error(error: &ShipError) -> Vec<u8> {
        Frame::Error(&error.to_string()).encode().unwrap_or_default()
    }

    fn owner(&mut self) -> Result<(Term, NodeId), ShipError> {
        let term = self.shipper.log.identity().term;
        if let Some(known) = self.owner.filter(|known| known.0 == term) {
            return Ok(known);
        }
        let owner = self.shipper.log.terms()?.last().map_or(NodeId::UNKNOWN, |last| last.owner);
        self.owner = Some((term, owner));
        Ok((term, owner))
    }
}

/// A place among those who follow, until it is dropped.
struct Turn {
    shipper: Arc<Shipper>,
    number: u64,
    /// Whose it is.
    node: NodeId,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.shipper.followers_locked().all.remove(&self.number);
    }
}

/// How many events there are when this is the last one.
pub(crate) fn count(last: Option<Seq>) -> u64 {
    last.map_or(0, |last| last.next().get())
}
