//! Where digests of a log are kept, and how any other is found from these.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use crate::digest::{EventDigest, LogDigest};
use crate::engine::{Engine, StoreBatch};
use crate::error::{EngineError, ReadError};
use crate::ids::Seq;
use crate::keys::{EventKey, StoreKey, StoreTable};
use crate::reader::LogReader;
use crate::stored;

/// After how many events a digest is kept; between two of these it is computed again.
const KEPT_EVERY: u64 = 1024;
/// How many digests are written together while those of a log from before they were kept are made.
const CATCH_UP_BATCH: usize = 256;
const PROGRESS: Duration = Duration::from_secs(2);

/// Digests as they are made along a log, and what of them is to be stored.
#[derive(Clone, Copy)]
pub(crate) struct DigestChain {
    /// Of how many events.
    events: u64,
    digest: LogDigest,
}

impl DigestChain {
    const START: Self = Self { events: 0, digest: LogDigest::EMPTY };

    /// Moves on past an event; the digest is put into the batch where one is kept.
    pub(crate) fn follow(&mut self, key: &StoreKey, event: &EventDigest, batch: &mut StoreBatch) {
        self.digest = self.digest.after(Seq::new(self.events), key, event);
        self.events = self.events.saturating_add(1);
        if self.events.is_multiple_of(KEPT_EVERY) {
            let key = StoreKey::kept_digest(self.events);
            batch.put(StoreTable::Meta, key, stored::seal(&key, self.digest.as_bytes().to_vec()));
        }
    }

    /// Puts where it stands into the batch.
    pub(crate) fn put(&self, batch: &mut StoreBatch) {
        let key = StoreKey::digest();
        batch.put(
            StoreTable::Meta,
            key,
            stored::seal(&key, stored::write_digest(self.events, self.digest.as_bytes())),
        );
    }
}

impl<E: Engine> LogReader<E> {
    /// The digest of the first `events` events, all of which must be on disk.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(crate) fn digest_of(&self, events: u64) -> Result<LogDigest, ReadError> {
        let mut chain = self.kept_before(events)?;
        let Some(end) = Seq::new(events).prev() else {
            return Ok(LogDigest::EMPTY);
        };
        self.scan(Seq::new(chain.events), Some(end), &mut |event| {
            chain = DigestChain { events: event.seq.next().get(), digest: chain.digest.with(&event) };
            ControlFlow::Continue(())
        })?;
        Ok(chain.digest)
    }

    /// The nearest digest that is kept, of as many events or fewer.
    fn kept_before(&self, events: u64) -> Result<DigestChain, ReadError> {
        let events = events.checked_div(KEPT_EVERY).unwrap_or(0).saturating_mul(KEPT_EVERY);
        if events == 0 {
            return Ok(DigestChain::START);
        }
        let missing = || ReadError::corrupt(format!("the digest of {events} events"), "it is missing");
        Ok(DigestChain { events, digest: self.kept_digest(events)?.ok_or_else(missing)? })
    }

    /// The digest that is kept of so many events, if one is.
    pub(crate) fn kept_digest(&self, events: u64) -> Result<Option<LogDigest>, ReadError> {
        if !events.is_multiple_of(KEPT_EVERY) {
            return Ok(None);
        }
        let place = || format!("the digest of {events} events");
        let kept = self.meta(&StoreKey::kept_digest(events), place, stored::read_kept_digest)?;
        Ok(kept.map(LogDigest::from_bytes))
    }

    /// Where the stored digest stands: of how many events it is.
    pub(crate) fn stored_digest(&self) -> Result<Option<(u64, LogDigest)>, ReadError> {
        let stored = self.meta(&StoreKey::digest(), || "the log's digest".to_owned(), stored::read_digest)?;
        Ok(stored.map(|(events, digest)| (events, LogDigest::from_bytes(digest))))
    }

    /// The digest of a log with so many events, to go on with. What a version of this program appended that kept none
    /// is read once, and its digests are kept. None when an event is damaged: the log goes on without digests then, as
    /// it goes on without that event.
    ///
    /// # Errors
    /// When the log has fewer events than its digest says, or does not answer.
    pub(crate) fn catch_up_digest(&self, events: u64) -> Result<Option<DigestChain>, CatchUpError> {
        let mut chain = match self.stored_digest()? {
            Some((events, digest)) => DigestChain { events, digest },
            None => DigestChain::START,
        };
        if chain.events > events {
            let reason =
                format!("it is that of {} events, and {events} are there: events are lost", chain.events);
            return Err(ReadError::corrupt("the log's digest", reason).into());
        }
        let Some(end) = Seq::new(events).prev().filter(|_| chain.events < events) else {
            return Ok(Some(chain));
        };
        let scanned = self.catch_up(&mut chain, end);
        match scanned {
            Ok(()) => Ok(Some(chain)),
            Err(CatchUpError::Read(error @ ReadError::Corrupt { .. })) => {
                warn!(%error, "the log gets no digests, by which it could be compared with others");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Moves on to the end; what was come to is kept from time to time, so that it need not be done again.
    fn catch_up(&self, chain: &mut DigestChain, end: Seq) -> Result<(), CatchUpError> {
        let (mut batch, mut failed, mut told) = (StoreBatch::default(), None, Instant::now());
        let scanned = self.scan(Seq::new(chain.events), Some(end), &mut |event| {
            let key = StoreKey::event(EventKey { process: event.process, nonce: event.nonce });
            chain.follow(&key, &EventDigest::of(&event), &mut batch);
            let is_due = told.elapsed() > PROGRESS;
            if is_due {
                told = Instant::now();
                info!(done = chain.events, "making the digests of a log that has none, once");
            }
            if !is_due && batch.puts.len() < CATCH_UP_BATCH {
                return ControlFlow::Continue(());
            }
            failed = self.keep(chain, &mut batch).err();
            if failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        failed.map_or(Ok(()), Err)?;
        self.keep(chain, &mut batch)?;
        Ok(scanned?)
    }

    fn keep(&self, chain: &DigestChain, batch: &mut StoreBatch) -> Result<(), EngineError> {
        let mut batch = std::mem::take(batch);
        chain.put(&mut batch);
        self.engine().commit(&batch)
    }
}

/// Why the digest of a log is not known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CatchUpError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Write(#[from] EngineError),
}
