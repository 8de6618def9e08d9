//! A store that is read as it is at a moment, without a log over it: also beside a node that has it open.

use std::ops::ControlFlow;

use crate::digest::LogDigest;
use crate::error::ReadError;
use crate::event::EventRef;
use crate::identity::Identity;
use crate::ids::Seq;
use crate::reader::LogReader;
use crate::rocks::Rocks;

/// All that was on disk of a log when its store was opened to read it alone, see [`Rocks::open_read_only`].
pub struct StoreView {
    reader: LogReader<Rocks>,
    identity: Identity,
    last: Option<Seq>,
}

impl StoreView {
    /// A view of what is in this store.
    ///
    /// # Errors
    /// When it cannot be read, or was never made whole.
    pub fn new(store: Rocks) -> Result<Self, ReadError> {
        let reader = LogReader::new(store.into());
        let missing = || ReadError::corrupt("the store's identity", "it is missing");
        let (identity, _) = reader.identity()?.ok_or_else(missing)?;
        let last = reader.last()?;
        Ok(Self { reader, identity, last })
    }

    /// Which store it is, and its term.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// How many events are in it, released or not.
    pub fn events(&self) -> u64 {
        self.last.map_or(0, |last| last.next().get())
    }

    /// The digest of the first of them; none when there are fewer.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn digest_of(&self, events: u64) -> Result<Option<LogDigest>, ReadError> {
        if events > self.events() { Ok(None) } else { self.reader.digest_of(events).map(Some) }
    }

    /// Visits its events in order, from a sequence number on.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn scan(
        &self,
        from: Seq,
        visit: &mut dyn FnMut(EventRef<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.reader.scan(from, self.last, visit)
    }
}
