//! Events: what was scheduled, as it happened.

pub use ans104::DeepHash;
use ans104::Item;
use protocol::{AssignmentTags, Nonce, ProcessId, Timestamp};

use crate::ids::Seq;

/// What kind of thing an event records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A process was spawned: its item is there, its assignment unless it was spawned the old way.
    Spawned,
    /// A message was scheduled: item and assignment are there.
    Scheduled,
    /// Something that is on chain was assigned: only the assignment is there.
    Assigned,
    /// A fact about the node itself, in the stream of [`ProcessId::NODE`].
    Fact,
}

/// What an event carries, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A process, with its assignment unless it was spawned without one (before AOP-6).
    Spawned {
        /// The bytes of the process's data item.
        item: Vec<u8>,
        /// The bytes of the signed assignment. A spawn that takes no nonce has the signed record of its time and
        /// height here, or, imported, nothing.
        assignment: Option<Vec<u8>>,
    },
    /// A message that came with its data item.
    Scheduled {
        /// The bytes of the message's data item.
        item: Vec<u8>,
        /// The bytes of the signed assignment.
        assignment: Vec<u8>,
        /// The content hash, when one was computed.
        deep_hash: Option<DeepHash>,
    },
    /// An assignment of something that is on chain.
    Assigned {
        /// The bytes of the signed assignment.
        assignment: Vec<u8>,
        /// The content hash, when one was computed.
        deep_hash: Option<DeepHash>,
    },
    /// A fact about the node, see [`Fact`](crate::Fact).
    Fact(Vec<u8>),
}

/// One event, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The place in the whole log.
    pub seq: Seq,
    /// Whose event it is.
    pub process: ProcessId,
    /// The place in the process; none for a process that was spawned without an assignment.
    pub nonce: Option<Nonce>,
    /// Whether it was taken over from another scheduler, with whatever flaws it had there.
    pub imported: bool,
    /// What else the other scheduler had around it, for whoever writes it back; the log does not look into it.
    pub envelope: Option<Vec<u8>>,
    /// What happened.
    pub body: Body,
}

/// What an event carries, borrowed from the store.
#[derive(Clone, Copy, Debug)]
pub enum BodyRef<'a> {
    /// See [`Body::Spawned`].
    Spawned {
        /// The process's data item.
        item: Item<'a>,
        /// The signed assignment.
        assignment: Option<Item<'a>>,
    },
    /// See [`Body::Scheduled`].
    Scheduled {
        /// The message's data item.
        item: Item<'a>,
        /// The signed assignment.
        assignment: Item<'a>,
        /// The content hash, when one was computed.
        deep_hash: Option<&'a DeepHash>,
    },
    /// See [`Body::Assigned`].
    Assigned {
        /// The signed assignment.
        assignment: Item<'a>,
        /// The content hash, when one was computed.
        deep_hash: Option<&'a DeepHash>,
    },
    /// See [`Body::Fact`].
    Fact(&'a [u8]),
}

/// One event, borrowed from the store while a reader visits it.
#[derive(Clone, Copy, Debug)]
pub struct EventRef<'a> {
    /// The place in the whole log.
    pub seq: Seq,
    /// Whose event it is.
    pub process: ProcessId,
    /// The place in the process; none for a process that was spawned without an assignment.
    pub nonce: Option<Nonce>,
    /// Whether it was taken over from another scheduler.
    pub imported: bool,
    /// See [`Event::envelope`].
    pub envelope: Option<&'a [u8]>,
    /// What happened.
    pub body: BodyRef<'a>,
}

impl<'a> EventRef<'a> {
    /// What kind of thing happened.
    pub fn kind(&self) -> Kind {
        match self.body {
            BodyRef::Spawned { .. } => Kind::Spawned,
            BodyRef::Scheduled { .. } => Kind::Scheduled,
            BodyRef::Assigned { .. } => Kind::Assigned,
            BodyRef::Fact(_) => Kind::Fact,
        }
    }

    /// The data item that came with it, if one did.
    pub fn item(&self) -> Option<Item<'a>> {
        match self.body {
            BodyRef::Spawned { item, .. } | BodyRef::Scheduled { item, .. } => Some(item),
            BodyRef::Assigned { .. } | BodyRef::Fact(_) => None,
        }
    }

    /// The signed assignment, if there is one.
    pub fn assignment(&self) -> Option<Item<'a>> {
        match self.body {
            BodyRef::Spawned { assignment, .. } => assignment,
            BodyRef::Scheduled { assignment, .. } | BodyRef::Assigned { assignment, .. } => Some(assignment),
            BodyRef::Fact(_) => None,
        }
    }

    /// When it was scheduled, as its assignment says.
    pub fn timestamp(&self) -> Option<Timestamp> {
        AssignmentTags::of(&self.assignment()?).timestamp()
    }

    /// The content hash, when one was computed.
    pub fn deep_hash(&self) -> Option<&'a DeepHash> {
        match self.body {
            BodyRef::Scheduled { deep_hash, .. } | BodyRef::Assigned { deep_hash, .. } => deep_hash,
            BodyRef::Spawned { .. } | BodyRef::Fact(_) => None,
        }
    }

    /// The event with its own copy of everything.
    pub fn to_owned(&self) -> Event {
        let body = match self.body {
            BodyRef::Spawned { item, assignment } => {
                Body::Spawned { item: item.to_vec(), assignment: assignment.map(|a| a.to_vec()) }
            }
            BodyRef::Scheduled { item, assignment, deep_hash } => Body::Scheduled {
                item: item.to_vec(),
                assignment: assignment.to_vec(),
                deep_hash: deep_hash.copied(),
            },
            BodyRef::Assigned { assignment, deep_hash } => {
                Body::Assigned { assignment: assignment.to_vec(), deep_hash: deep_hash.copied() }
            }
            BodyRef::Fact(bytes) => Body::Fact(bytes.to_vec()),
        };
        let envelope = self.envelope.map(<[u8]>::to_vec);
        let Self { seq, process, nonce, imported, .. } = *self;
        Event { seq, process, nonce, imported, envelope, body }
    }
}
