//! What is shipped: a log, whatever keeps it.

use std::ops::ControlFlow;

use log::{Engine, EventRef, Identity, LocalLog, Log, LogDigest, ReadError, Seq, Tail, TermStart};
use uuid::Uuid;

/// A log that can be shipped, whatever keeps it.
pub trait ShippedLog: Send + Sync + 'static {
    /// Which store it is and in which term.
    fn identity(&self) -> Identity;
    /// The end of what is released.
    fn released(&self) -> Tail;
    /// The end of what is on disk.
    fn synced(&self) -> Tail;
    /// Which opening of the log it is.
    fn opening(&self) -> Uuid;
    /// Visits what is on disk, released or not, in order.
    ///
    /// # Errors
    /// When it cannot be read.
    fn scan_on_disk(
        &self,
        from: Seq,
        visit: &mut dyn FnMut(EventRef<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError>;
    /// Visits what is released, in order.
    ///
    /// # Errors
    /// When it cannot be read.
    fn scan_released(
        &self,
        from: Seq,
        visit: &mut dyn FnMut(EventRef<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError>;
    /// The digest of its first events; none when there are fewer.
    ///
    /// # Errors
    /// When it cannot be read.
    fn digest_of(&self, events: u64) -> Result<Option<LogDigest>, ReadError>;
    /// About how many bytes of it are on disk behind its first events; none when that is not known.
    fn bytes_behind(&self, events: u64) -> Option<u64>;
    /// Its terms.
    ///
    /// # Errors
    /// When they cannot be read.
    fn terms(&self) -> Result<Vec<TermStart>, ReadError>;
}

impl<E: Engine> ShippedLog for LocalLog<E> {
    fn identity(&self) -> Identity {
        Log::identity(self)
    }

    fn released(&self) -> Tail {
        self.tail()
    }

    fn opening(&self) -> Uuid {
        self.opening()
    }

    fn synced(&self) -> Tail {
        self.synced()
    }

    fn scan_on_disk(
        &self,
        from: Seq,
        visit: &mut dyn FnMut(EventRef<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.scan_synced(from, visit)
    }

    fn scan_released(
        &self,
        from: Seq,
        visit: &mut dyn FnMut(EventRef<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.scan(from, visit)
    }

    fn digest_of(&self, events: u64) -> Result<Option<LogDigest>, ReadError> {
        self.digest_of(events)
    }

    fn bytes_behind(&self, events: u64) -> Option<u64> {
        self.bytes_behind(events)
    }

    fn terms(&self) -> Result<Vec<TermStart>, ReadError> {
        self.terms()
    }
}
