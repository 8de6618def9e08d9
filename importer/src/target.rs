//! Where rows go.

use std::ops::ControlFlow;

use ans104::Id;
use log::{Body, ChainLink, DeepHash, Engine, Import, LocalLog, Log, ReadError, Receipt};
use protocol::{AssignmentTags, Nonce, ProcessId, Timestamp};

use crate::importing::ImportError;

/// What is in the log already.
pub trait KnownRows: Sync {
    /// Whether nothing is in it because nothing will be: for a plan.
    fn is_plan(&self) -> bool {
        false
    }

    /// The newest link of a process: none when it is not there, and no link in it while it has no assignment.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn head(&self, process: ProcessId) -> Result<Option<Option<ChainLink>>, ReadError>;

    /// The ids of what is at a place: of the assignment, and of the item that came with it.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn at(&self, process: ProcessId, nonce: Option<Nonce>) -> Result<Option<PlacedIds>, ReadError>;

    /// What the log has of a process so far. All of it is read once, event by event, before a first row is added to a
    /// process that is there: as much as to look up its rows in the log, which comes before.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn so_far(&self, process: ProcessId) -> Result<SoFar, ReadError>;

    /// The content hash of what is at a place, if it has one.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn content(&self, process: ProcessId, nonce: Nonce) -> Result<Option<DeepHash>, ReadError>;
}

/// What is in the log of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoFar {
    /// Whether it is spawned there.
    pub is_spawned: bool,
    /// The latest time of an assignment, which need not be that of the last.
    pub latest: Timestamp,
    /// Whether the last of it was scheduled here, and not imported.
    pub is_own: bool,
}

impl SoFar {
    /// Of a process of which nothing is there.
    pub const NOTHING: Self = Self { is_spawned: false, latest: Timestamp::ZERO, is_own: false };
}

/// The ids of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlacedIds {
    /// That of its assignment.
    pub assignment: Option<Id>,
    /// That of its item.
    pub item: Option<Id>,
}

/// A log that rows are imported into.
pub trait ImportTarget: KnownRows {
    /// Appends events together.
    ///
    /// # Errors
    /// When the log takes no more. The receipt refuses what does not come next.
    fn append(&self, batch: Vec<Import>) -> Result<Option<Receipt>, ImportError>;
}

impl<E: Engine> KnownRows for LocalLog<E> {
    fn head(&self, process: ProcessId) -> Result<Option<Option<ChainLink>>, ReadError> {
        Ok(Log::head(self, process)?.map(|head| head.last))
    }

    fn at(&self, process: ProcessId, nonce: Option<Nonce>) -> Result<Option<PlacedIds>, ReadError> {
        let event = self.event(process, nonce)?;
        Ok(event.map(|event| {
            let (item, assignment) = match &event.body {
                Body::Spawned { item, assignment } => (Some(item), assignment.as_ref()),
                Body::Scheduled { item, assignment, .. } => (Some(item), Some(assignment)),
                Body::Assigned { assignment, .. } => (None, Some(assignment)),
                Body::Fact(_) => (None, None),
            };
            let id = |bytes: &Vec<u8>| ans104::Item::split(bytes).ok().map(|item| item.id());
            PlacedIds { assignment: assignment.and_then(id), item: item.and_then(id) }
        }))
    }

    fn so_far(&self, process: ProcessId) -> Result<SoFar, ReadError> {
        let mut found = SoFar::NOTHING;
        self.range(process, true, Nonce::ZERO..=Nonce::MAX, &mut |event| {
            found.is_spawned |= event.item().is_some_and(|item| item.id() == process.id());
            // One without a nonce has the time of the item around it.
            let assignment = event.assignment().filter(|_| event.nonce.is_some());
            let time = assignment.and_then(|assignment| AssignmentTags::of(&assignment).timestamp());
            found.latest = found.latest.max(time.unwrap_or(Timestamp::ZERO));
            found.is_own = !event.imported;
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    fn content(&self, process: ProcessId, nonce: Nonce) -> Result<Option<DeepHash>, ReadError> {
        let body = self.event(process, Some(nonce))?.map(|event| event.body);
        Ok(match body {
            Some(Body::Scheduled { deep_hash, .. } | Body::Assigned { deep_hash, .. }) => deep_hash,
            _ => None,
        })
    }
}

impl<E: Engine> ImportTarget for LocalLog<E> {
    fn append(&self, batch: Vec<Import>) -> Result<Option<Receipt>, ImportError> {
        Ok(Some(self.import(batch)?))
    }
}

/// No log: for a plan, in which everything is as if it went into an empty one.
pub(crate) struct NoLog;

impl KnownRows for NoLog {
    fn is_plan(&self) -> bool {
        true
    }

    fn head(&self, _: ProcessId) -> Result<Option<Option<ChainLink>>, ReadError> {
        Ok(None)
    }

    fn at(&self, _: ProcessId, _: Option<Nonce>) -> Result<Option<PlacedIds>, ReadError> {
        Ok(None)
    }

    fn so_far(&self, _: ProcessId) -> Result<SoFar, ReadError> {
        Ok(SoFar::NOTHING)
    }

    fn content(&self, _: ProcessId, _: Nonce) -> Result<Option<DeepHash>, ReadError> {
        Ok(None)
    }
}

impl ImportTarget for NoLog {
    fn append(&self, _: Vec<Import>) -> Result<Option<Receipt>, ImportError> {
        Ok(None)
    }
}
