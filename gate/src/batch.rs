//! Events that are put together.
//!
//! ```text
//! for each event   length (4, big-endian), and the event in the form in which it passes from one node to another
//! ```

use bytes::Bytes;
use log::{EventRef, LogDigest, RecordError, Seq};
use thiserror::Error;

use crate::place::GatePlace;

/// About how many bytes are put in one record: more make it no quicker, and whoever reads holds them.
pub const BATCH_BYTES: usize = 4 << 20;

/// Why events are not the batch that they should be.
#[derive(Debug, Error)]
pub enum BatchError {
    /// An event cannot be read or written.
    #[error("event {seq}: {error}")]
    Event {
        /// Its number.
        seq: Seq,
        /// What is wrong with it.
        #[source]
        error: RecordError,
    },
    /// An event is not at its place.
    #[error("event {given} is where {expected} should be")]
    Seq {
        /// The number that comes next.
        expected: Seq,
        /// The one that came.
        given: Seq,
    },
    /// There are more or fewer events than it says.
    #[error("it has {there} events, and says {told}")]
    Count {
        /// How many there are.
        there: u64,
        /// How many it says.
        told: u64,
    },
    /// The events are others.
    #[error("the digest of the first {0} events is another one")]
    Digest(u64),
}

/// Events that come next, all of them or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventBatch {
    count: u64,
    /// That of the log with these events.
    digest: LogDigest,
    bytes: Bytes,
}

impl EventBatch {
    pub(crate) fn from_parts(count: u64, digest: LogDigest, bytes: Bytes) -> Self {
        Self { count, digest, bytes }
    }

    /// How many events.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The digest of the log with these events.
    pub fn digest(&self) -> LogDigest {
        self.digest
    }

    /// The events as they are kept.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The events, each in the form in which it passes from one node to another; nothing of them is looked at.
    ///
    /// # Errors
    /// When these are not what the bytes are.
    pub fn encoded(&self) -> Result<Vec<&[u8]>, RecordError> {
        let (mut events, mut rest) = (Vec::new(), &self.bytes[..]);
        while !rest.is_empty() {
            let (event, behind) = cut(rest)?;
            events.push(event);
            rest = behind;
        }
        Ok(events)
    }

    /// The events, which go on at this place and are those whose digest the batch has. Signatures are not verified.
    ///
    /// # Errors
    /// When one is damaged, or they are others than it says.
    pub fn events(&self, before: &GatePlace) -> Result<Vec<EventRef<'_>>, BatchError> {
        let (mut events, mut place, mut rest) = (Vec::new(), *before, &self.bytes[..]);
        while !rest.is_empty() {
            let seq = Seq::new(place.events);
            let damaged = |error| BatchError::Event { seq, error };
            let (event, behind) = cut(rest).map_err(damaged)?;
            let event = EventRef::decode(event).map_err(damaged)?;
            place = place.with(&event)?;
            events.push(event);
            rest = behind;
        }
        let there = place.events.saturating_sub(before.events);
        if there != self.count || there == 0 {
            return Err(BatchError::Count { there, told: self.count });
        }
        if place.digest != self.digest {
            return Err(BatchError::Digest(place.events));
        }
        Ok(events)
    }
}

/// The first event as it is kept, and what comes behind it.
fn cut(bytes: &[u8]) -> Result<(&[u8], &[u8]), RecordError> {
    let parts = bytes.split_first_chunk::<4>().and_then(|(len, rest)| {
        let len = usize::try_from(u32::from_be_bytes(*len)).ok()?;
        rest.split_at_checked(len)
    });
    parts.ok_or(RecordError::Truncated(bytes.len()))
}

impl GatePlace {
    /// The place with this event more.
    fn with(self, event: &EventRef<'_>) -> Result<Self, BatchError> {
        let expected = Seq::new(self.events);
        if event.seq != expected {
            return Err(BatchError::Seq { expected, given: event.seq });
        }
        Ok(Self { events: self.events.saturating_add(1), digest: self.digest.with(event), ..self })
    }
}

/// A batch that is being put together.
#[derive(Debug)]
pub struct BatchDraft {
    before: GatePlace,
    after: GatePlace,
    bytes: Vec<u8>,
}

impl BatchDraft {
    /// One that goes on at this place.
    pub fn at(before: GatePlace) -> Self {
        Self { before, after: before, bytes: Vec::new() }
    }

    /// Adds the event that comes next; whether the batch has [enough](BATCH_BYTES) now.
    ///
    /// # Errors
    /// When the event cannot be encoded or is not the next one: the batch is as before.
    pub fn push(&mut self, event: &EventRef<'_>) -> Result<bool, BatchError> {
        let after = self.after.with(event)?;
        let seq = event.seq;
        let bytes = event.encode().map_err(|error| BatchError::Event { seq, error })?;
        // The queue of the log takes far less at a time than would not fit.
        let too_long = |_| BatchError::Event { seq, error: RecordError::Truncated(bytes.len()) };
        let len = u32::try_from(bytes.len()).map_err(too_long)?;
        self.bytes.extend_from_slice(&len.to_be_bytes());
        self.bytes.extend_from_slice(&bytes);
        self.after = after;
        Ok(self.bytes.len() >= BATCH_BYTES)
    }

    /// Where it goes on.
    pub fn before(&self) -> GatePlace {
        self.before
    }

    /// The batch; none without an event.
    pub fn finish(self) -> Option<EventBatch> {
        let count = self.after.events.saturating_sub(self.before.events);
        (count > 0).then(|| EventBatch { count, digest: self.after.digest, bytes: self.bytes.into() })
    }
}
