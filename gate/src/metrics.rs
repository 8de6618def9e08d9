//! The names of this crate's metrics, their labels and help texts.

use std::time::Duration;

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

use crate::contract::{GateError, Put};
use crate::record::GateRecord;

const TERM: &str = "quipu_gate_term";
const POSITION: &str = "quipu_gate_position_events";
const BATCH: &str = "quipu_gate_batch_events";
const PUT_SECONDS: &str = "quipu_gate_put_seconds";
const PUTS: &str = "quipu_gate_puts_total";
const WAITING_SECONDS: &str = "quipu_gate_waiting_seconds";
const WAITING_BYTES: &str = "quipu_gate_waiting_bytes";
const OUTCOME: &str = "outcome";

/// Registers the help texts of this crate's metrics.
pub fn describe() {
    describe_gauge!(TERM, Unit::Count, "The term in which this node has claimed its gate");
    describe_gauge!(POSITION, Unit::Count, "Events that the gate is known to have");
    describe_histogram!(BATCH, Unit::Count, "Events in a batch that the gate has taken");
    describe_histogram!(PUT_SECONDS, Unit::Seconds, "Time until the gate has said what became of a record");
    describe_counter!(PUTS, Unit::Count, "Records put, the same one again included, by what became of them");
    describe_gauge!(
        WAITING_SECONDS,
        Unit::Seconds,
        "Time that the oldest write has waited for the gate, 0 while none waits"
    );
    describe_gauge!(WAITING_BYTES, Unit::Bytes, "Bytes of the record that is on its way to the gate");
}

/// Sets for how long the oldest write has waited for the gate, if one does.
pub fn record_waiting(waiting: Option<Duration>) {
    gauge!(WAITING_SECONDS).set(waiting.map_or(0.0, |waiting| waiting.as_secs_f64()));
}

/// What is measured of each record. Looking these up by name each time would be felt.
pub(crate) struct GateMeasures {
    position: Gauge,
    batch: Histogram,
    put: Histogram,
    taken: Counter,
    waiting_bytes: Gauge,
}

impl GateMeasures {
    /// Those of the recorder that is installed by now.
    pub(crate) fn new() -> Self {
        Self {
            position: gauge!(POSITION),
            batch: histogram!(BATCH),
            put: histogram!(PUT_SECONDS),
            taken: counter!(PUTS, OUTCOME => "taken"),
            waiting_bytes: gauge!(WAITING_BYTES),
        }
    }

    /// A record is on its way.
    pub(crate) fn offered(&self, record: &GateRecord) {
        self.waiting_bytes.set(record.size() as f64);
    }

    /// A record was put: what became of it, after how long.
    pub(crate) fn put(&self, record: &GateRecord, outcome: &Result<Put, GateError>, took: Duration) {
        self.put.record(took.as_secs_f64());
        if !outcome.as_ref().is_err_and(GateError::may_pass) {
            // It is put no more.
            self.waiting_bytes.set(0.0);
        }
        let outcome = match outcome {
            Ok(Put::Taken) => return self.taken(record),
            Ok(Put::Refused(_)) => "refused",
            Err(GateError::Away(_)) => "away",
            Err(GateError::Unknown(_)) => "unknown",
            Err(GateError::Unfit(_)) => "unfit",
            Err(_) => "wrong",
        };
        counter!(PUTS, OUTCOME => outcome).increment(1);
    }

    fn taken(&self, record: &GateRecord) {
        self.taken.increment(1);
        self.position.set(record.after().events as f64);
        match record.batch() {
            Some(batch) => self.batch.record(batch.count() as f64),
            None => gauge!(TERM).set(record.claim.term.0 as f64),
        }
    }
}
