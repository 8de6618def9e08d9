//! One writer at a time, who never guesses.

use std::sync::Arc;
use std::time::Instant;

use log::{NodeId, StoreId, Term};
use thiserror::Error;

use crate::batch::BatchDraft;
use crate::contract::{Gate, GateError, Put};
use crate::metrics::GateMeasures;
use crate::place::{ClaimId, GateClaim, GateContents, GatePlace};
use crate::record::{GateRecord, RecordBody};

/// Why a record was not taken, or is not known to be.
#[derive(Clone, Debug, Error)]
pub enum PublishError {
    /// The gate did not do it. Where that [may pass](GateError::may_pass) the record is put again by the next
    /// [`GatePublisher::settle`]; else nothing more is published.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// Another record is where this one should be: this claim counts no more, nothing more is published on it.
    #[error(
        "another node writes to the gate: {} has claimed term {}, and {} is there",
        .0.claim.owner, .0.claim.term, .0.end
    )]
    Deposed(GateContents),
    /// What came of the record before is not known yet.
    #[error("the record before is not settled")]
    Unsettled,
    /// The batch does not go on where the gate ends.
    #[error("the batch goes on behind {given}, and the gate ends behind {end}")]
    Misplaced {
        /// Where the gate ends.
        end: GatePlace,
        /// Where the batch goes on.
        given: GatePlace,
    },
    /// No term is higher than that of the newest claim.
    #[error("there is no term behind {0}")]
    NoTerm(Term),
}

/// Writes to a gate on the strength of one claim, one record at a time.
///
/// What may be there or not stays *pending*, and is put again as it is until it is settled: whatever happens, also when a
/// future is dropped, nothing else is put before.
pub struct GatePublisher {
    gate: Arc<dyn Gate>,
    store: StoreId,
    claim: GateClaim,
    /// Where what is known to be taken ends.
    end: GatePlace,
    pending: Option<GateRecord>,
    /// Why nothing more is published.
    lost: Option<PublishError>,
    measures: GateMeasures,
}

impl GatePublisher {
    /// A claim behind what the gate was seen to hold, of a term above that and above this one. Nothing is asked before it
    /// is [settled](GatePublisher::settle).
    ///
    /// # Errors
    /// When the gate is that of another store, or there is no such term.
    pub fn claim(
        gate: Arc<dyn Gate>,
        contents: Option<&GateContents>,
        store: StoreId,
        owner: NodeId,
        above: Term,
    ) -> Result<Self, PublishError> {
        if let Some(there) = contents.map(|contents| contents.store).filter(|there| *there != store) {
            return Err(GateError::OtherStore { there, here: store }.into());
        }
        let above = contents.map_or(above, |contents| above.max(contents.claim.term));
        let term = Term(above.0.checked_add(1).ok_or(PublishError::NoTerm(above))?);
        let claim = GateClaim { id: ClaimId::random(), term, owner };
        let end = contents.map_or(GatePlace::START, |contents| contents.end);
        let record = GateRecord { store, before: end, claim, body: RecordBody::Claim };
        let measures = GateMeasures::new();
        measures.offered(&record);
        Ok(Self { gate, store, claim, end, pending: Some(record), lost: None, measures })
    }

    /// The claim on the strength of which it writes, once that is settled.
    pub fn held(&self) -> GateClaim {
        self.claim
    }

    /// Where what is known to be taken ends.
    pub fn end(&self) -> GatePlace {
        self.end
    }

    /// Whether a record may be there or not.
    pub fn is_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// Has a batch be next, to be [settled](GatePublisher::settle). One without events is none.
    ///
    /// # Errors
    /// When nothing is published any more, the record before is not settled, or the batch does not go on at
    /// [`GatePublisher::end`].
    pub fn offer(&mut self, batch: BatchDraft) -> Result<(), PublishError> {
        if let Some(lost) = &self.lost {
            return Err(lost.clone());
        }
        if self.pending.is_some() {
            return Err(PublishError::Unsettled);
        }
        if batch.before() != self.end {
            return Err(PublishError::Misplaced { end: self.end, given: batch.before() });
        }
        let (store, before, claim) = (self.store, self.end, self.claim);
        let record = |batch| GateRecord { store, before, claim, body: RecordBody::Batch(batch) };
        self.pending = batch.finish().map(record);
        if let Some(record) = &self.pending {
            self.measures.offered(record);
        }
        Ok(())
    }

    /// Puts what is pending, once: where the gate ends when that is taken.
    ///
    /// # Errors
    /// When it is not known to be taken, or is known not to be. See [`PublishError`] for what comes next.
    pub async fn settle(&mut self) -> Result<GatePlace, PublishError> {
        if let Some(lost) = &self.lost {
            return Err(lost.clone());
        }
        let Some(record) = &self.pending else { return Ok(self.end) };
        let asked = Instant::now();
        let put = self.gate.put(record).await;
        self.measures.put(record, &put, asked.elapsed());
        let lost = match put {
            Ok(Put::Taken) => {
                self.end = record.after();
                self.pending = None;
                return Ok(self.end);
            }
            Ok(Put::Refused(contents)) => PublishError::Deposed(contents),
            Err(error) if error.may_pass() => return Err(error.into()),
            Err(error) => error.into(),
        };
        self.lost = Some(lost.clone());
        Err(lost)
    }

    /// Publishes a batch: [`GatePublisher::offer`] and [`GatePublisher::settle`].
    ///
    /// # Errors
    /// As these.
    pub async fn publish(&mut self, batch: BatchDraft) -> Result<GatePlace, PublishError> {
        self.offer(batch)?;
        self.settle().await
    }
}
