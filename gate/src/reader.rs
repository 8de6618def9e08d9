//! Reads a gate from a place on, and sees that its records go on from each other.

use std::sync::Arc;

use crate::contract::{Gate, GateError};
use crate::place::{GateClaim, GateContents, GatePlace};
use crate::record::{GateRecord, RecordBody};

/// About how many bytes are read at a time.
const PAGE_BYTES: usize = 8 << 20;

/// Reads what a gate was seen to hold.
pub struct GateReader {
    gate: Arc<dyn Gate>,
    contents: GateContents,
    at: GatePlace,
    /// The newest claim before `at`, once that is known.
    claim: Option<GateClaim>,
}

impl GateReader {
    /// Reads up to the end of these contents, from the first record on.
    pub fn new(gate: Arc<dyn Gate>, contents: GateContents) -> Self {
        Self { gate, contents, at: GatePlace::START, claim: None }
    }

    /// Goes to the last place that has no more than so many events before it, whose digest is for whoever has these
    /// events to compare.
    ///
    /// # Errors
    /// When the gate does not answer, or lacks a record.
    pub async fn seek(&mut self, events: u64) -> Result<GatePlace, GateError> {
        let (mut at, mut low, mut high) = (GatePlace::START, 0, self.contents.end.records);
        while low < high {
            // Of the records low..high it is known neither that they begin at or before so many events nor that they do not.
            let middle = low.midpoint(high);
            let place = self.record(middle).await?.before;
            if place.events <= events {
                (at, low) = (place, middle.saturating_add(1));
            } else {
                high = middle;
            }
        }
        if self.contents.end.events <= events {
            at = self.contents.end;
        }
        (self.at, self.claim) = (at, None);
        Ok(at)
    }

    /// Where it is.
    pub fn at(&self) -> GatePlace {
        self.at
    }

    /// The next records, none at the end. The events in them are for whoever takes them to look at, see
    /// [`EventBatch::events`](crate::EventBatch::events).
    ///
    /// # Errors
    /// When the gate does not answer, lacks a record, or one does not go on from the one before.
    pub async fn next(&mut self) -> Result<Vec<GateRecord>, GateError> {
        if self.at.records >= self.contents.end.records {
            return Ok(Vec::new());
        }
        let mut page = self.gate.read(self.at.records, PAGE_BYTES).await?;
        page.retain(|record| record.number() < self.contents.end.records);
        if page.is_empty() {
            return Err(self.missing(self.at.records));
        }
        for record in &page {
            self.pass(record)?;
        }
        if self.at.records == self.contents.end.records && self.at != self.contents.end {
            return Err(GateError::Differs { events: self.at.events });
        }
        Ok(page)
    }

    async fn record(&self, number: u64) -> Result<GateRecord, GateError> {
        let page = self.gate.read(number, 1).await?;
        page.into_iter().next().ok_or_else(|| self.missing(number))
    }

    fn missing(&self, number: u64) -> GateError {
        GateError::Forgot { there: number, known: self.contents.end.records }
    }

    /// Moves on behind a record.
    fn pass(&mut self, record: &GateRecord) -> Result<(), GateError> {
        let number = self.at.records;
        let damaged = |reason: &str| GateError::Damaged { number, reason: reason.to_owned() };
        if record.store != self.contents.store {
            return Err(damaged("it is that of another store"));
        }
        if record.before != self.at {
            return Err(damaged("it does not go on from the record before"));
        }
        match (&record.body, self.claim) {
            (RecordBody::Claim, Some(before)) if record.claim.term <= before.term => {
                return Err(damaged("its term is no higher than the one before"));
            }
            (RecordBody::Batch(_), Some(before)) if record.claim != before => {
                return Err(damaged("it is not of the newest claim"));
            }
            (RecordBody::Batch(_), None) if number == 0 => {
                return Err(damaged("there is no claim before it"));
            }
            _ => {}
        }
        (self.at, self.claim) = (record.after(), Some(record.claim));
        Ok(())
    }
}
