//! A gate over an engine that keeps records by their numbers and takes each number once, and compares nothing else.
//!
//! What a record must go on from is read before it is put: what is there never changes, and as its number is taken once, it
//! is still the last when its successor is created.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};

use crate::contract::{Durability, Gate, GateError, Put};
use crate::place::GateContents;
use crate::record::GateRecord;
use crate::rule::{PutVerdict, judge};

/// How many records are fetched at a time at most: an engine takes long to answer, whatever it is asked for.
const AT_A_TIME: usize = 16;
/// For so long what was last in the engine is taken to be there still: one that is set back is found out by then.
pub(crate) const SEEN_FOR: Duration = Duration::from_secs(1);

/// What such an engine can do.
#[async_trait]
pub trait NumberedRecords: Send + Sync + 'static {
    /// What kind of engine this is, for people.
    fn kind(&self) -> &'static str;

    /// Sees that the engine does what is relied on: how safely it keeps what it takes. Where records are kept is made for
    /// the first of them alone; none where it is missing. Whoever knows of records would make it empty in the place of what
    /// was lost.
    async fn prepare(&self, is_first: bool) -> Result<Option<Durability>, GateError>;

    /// How many records there are, of which so many were seen before, and how safely they are kept. Nothing is made.
    async fn look(&self, known: u64) -> Result<(u64, Durability), GateError>;

    /// Creates a record where its number comes next or may be free; whether it did. What it did not create may be there.
    async fn create(&self, number: u64, record: Bytes) -> Result<bool, GateError>;

    /// What is there by a number.
    async fn bytes(&self, number: u64) -> Result<Option<Bytes>, GateError>;

    /// Whether a number that was taken is free, and not only for the moment that an engine takes to go on elsewhere.
    async fn stays_missing(&self, number: u64) -> Result<bool, GateError> {
        Ok(self.bytes(number).await?.is_none())
    }

    /// Ends what is kept open towards the engine.
    async fn close(&self) {}
}

/// A gate over such an engine.
pub struct NumberedGate<R> {
    pub(crate) records: R,
    seen_for: Duration,
    /// The newest record, and when it was known to be there.
    seen: Mutex<Option<(GateContents, Instant)>>,
    /// How large the largest of the records is that were asked for last: so large the next ones may be.
    largest: AtomicUsize,
    /// How many were asked for then.
    asked: AtomicUsize,
}

impl<R: NumberedRecords> NumberedGate<R> {
    pub(crate) fn over(records: R) -> Self {
        let (largest, asked) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { records, seen_for: SEEN_FOR, seen: Mutex::default(), largest, asked }
    }

    /// The same, which looks each time.
    #[cfg(test)]
    pub(crate) fn looking(records: R) -> Self {
        Self { seen_for: Duration::ZERO, ..Self::over(records) }
    }

    fn seen(&self) -> MutexGuard<'_, Option<(GateContents, Instant)>> {
        // Nothing is done under this lock that could panic half-way.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The record of a number; none where there is none.
    async fn record(&self, number: u64) -> Result<Option<GateRecord>, GateError> {
        let Some(bytes) = self.records.bytes(number).await? else { return Ok(None) };
        let damaged = |reason: String| GateError::Damaged { number, reason };
        let record = GateRecord::decode(&bytes).map_err(|error| damaged(error.to_string()))?;
        if record.number() != number {
            return Err(damaged("another one is there".to_owned()));
        }
        self.largest.fetch_max(record.size(), Ordering::Relaxed);
        Ok(Some(record))
    }

    async fn end(&self) -> Result<Option<GateContents>, GateError> {
        let known = self.seen().map_or(0, |(contents, _)| contents.end.records);
        let (count, durability) = self.records.look(known).await?;
        if let Some(last) = known.checked_sub(1).filter(|_| count < known)
            && !self.records.stays_missing(last).await?
        {
            return Err(changing());
        }
        let Some(last) = count.checked_sub(1) else { return Ok(None) };
        let contents = up_to(&self.record(last).await?.ok_or_else(changing)?, durability);
        self.note(contents);
        Ok(Some(contents))
    }

    fn note(&self, contents: GateContents) {
        *self.seen() = Some((contents, Instant::now()));
    }

    /// What the gate holds before a record.
    async fn before(
        &self,
        record: &GateRecord,
        durability: Durability,
    ) -> Result<Option<GateContents>, GateError> {
        let Some(last) = record.number().checked_sub(1) else { return Ok(None) };
        let seen = *self.seen();
        let is_fresh = |(there, at): &(GateContents, Instant)| {
            there.end.records == record.number() && at.elapsed() < self.seen_for
        };
        if let Some((there, _)) = seen.filter(is_fresh) {
            return Ok(Some(there));
        }
        match self.record(last).await? {
            Some(last) => Ok(Some(up_to(&last, durability))),
            None => Err(self.missing(last).await?),
        }
    }

    /// Why a record that was there is not.
    async fn missing(&self, number: u64) -> Result<GateError, GateError> {
        if !self.records.stays_missing(number).await? {
            return Ok(changing());
        }
        let (there, _) = self.records.look(0).await?;
        Ok(GateError::Forgot { there, known: number.saturating_add(1) })
    }

    /// How many records are asked for at once where so many bytes are wanted: what is answered beyond them is carried in
    /// vain, and servers end a connection on which too much waits. As a small one may be among large ones, never many more
    /// than before.
    fn fitting(&self, bytes: usize) -> usize {
        let fitting = bytes.checked_div(self.largest.load(Ordering::Relaxed)).unwrap_or(1);
        fitting.min(self.asked.load(Ordering::Relaxed).saturating_mul(2).clamp(1, AT_A_TIME))
    }

    async fn refused(&self) -> Result<Put, GateError> {
        Ok(Put::Refused(self.end().await?.ok_or_else(changing)?))
    }

    /// Why a record is not there that was not created either.
    async fn not_created(&self, number: u64) -> GateError {
        let before = number.checked_sub(1);
        match before {
            Some(before) if self.record(before).await.is_ok_and(|record| record.is_none()) => {
                self.missing(before).await.unwrap_or_else(|error| error)
            }
            _ => GateError::unknown("it is there, and cannot be read"),
        }
    }
}

/// What a gate holds up to this record.
fn up_to(last: &GateRecord, durability: Durability) -> GateContents {
    let GateRecord { store, claim, .. } = *last;
    GateContents { store, end: last.after(), claim, durability }
}

fn changing() -> GateError {
    GateError::away("the end of the gate was changing")
}

#[async_trait]
impl<R: NumberedRecords> Gate for NumberedGate<R> {
    fn kind(&self) -> &'static str {
        self.records.kind()
    }

    async fn contents(&self) -> Result<Option<GateContents>, GateError> {
        self.records.prepare(false).await?;
        self.end().await
    }

    async fn look(&self) -> Result<Option<GateContents>, GateError> {
        self.end().await
    }

    async fn put(&self, record: &GateRecord) -> Result<Put, GateError> {
        let first = record.number().checked_sub(1);
        let Some(durability) = self.records.prepare(first.is_none()).await? else {
            return Err(self.missing(first.unwrap_or_default()).await?);
        };
        let before = self.before(record, durability).await?;
        match judge(before.as_ref(), record)? {
            PutVerdict::Next => {}
            PutVerdict::Earlier | PutVerdict::Refused => return self.refused().await,
        }
        if !self.records.create(record.number(), record.encode()).await? {
            match self.record(record.number()).await? {
                Some(there) if there == *record => {}
                Some(_) => return self.refused().await,
                None => return Err(self.not_created(record.number()).await),
            }
        }
        self.note(up_to(record, durability));
        Ok(Put::Taken)
    }

    async fn read(&self, from: u64, bytes: usize) -> Result<Vec<GateRecord>, GateError> {
        let (mut page, mut size) = (Vec::new(), 0_usize);
        let mut numbers = from..=u64::MAX;
        'page: loop {
            let fitting = self.fitting(bytes.saturating_sub(size));
            if fitting == 0 && !page.is_empty() {
                break;
            }
            let round: Vec<u64> = numbers.by_ref().take(fitting.max(1)).collect();
            if round.is_empty() {
                break;
            }
            self.largest.store(0, Ordering::Relaxed);
            self.asked.store(round.len(), Ordering::Relaxed);
            let mut round = stream::iter(round).map(|number| self.record(number)).buffered(AT_A_TIME);
            while let Some(record) = round.next().await {
                let Some(record) = record? else { break 'page };
                size = size.saturating_add(record.size());
                if !page.is_empty() && size > bytes {
                    break 'page;
                }
                page.push(record);
            }
        }
        let was_seen = self.seen().is_some_and(|(there, _)| from < there.end.records);
        if page.is_empty() && was_seen && !self.records.stays_missing(from).await? {
            return Err(changing());
        }
        Ok(page)
    }

    async fn close(&self) {
        self.records.close().await;
    }
}

#[cfg(test)]
mod tests;
