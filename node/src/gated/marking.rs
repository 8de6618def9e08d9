//! Which gate a log is remembered by, as the log itself says.

use std::ops::ControlFlow;
use std::sync::Arc;

use log::{Engine, Fact, LocalLog, ReadError, Rocks, Seq};
use protocol::{Nonce, ProcessId};
use tokio::task::spawn_blocking;

use super::GatedError;
use crate::error::NodeError;

/// The gate of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GateMark {
    /// What kind of engine it is.
    pub(crate) kind: String,
    /// The event that says so first: once that is released, all is in the gate that is.
    pub(super) since: Seq,
}

/// The gate that remembers this log, if one does; also where what says so is not released. A new life of the store, which a
/// person began, has none.
///
/// # Errors
/// When the log cannot be read.
pub(crate) fn gate_of<E: Engine>(log: &LocalLog<E>) -> Result<Option<GateMark>, ReadError> {
    let mut mark: Option<GateMark> = None;
    log.range_synced(ProcessId::NODE, Nonce::ZERO, &mut |event| {
        match Fact::of(&event) {
            Some(Fact::Gated(kind)) if mark.is_none() => mark = Some(GateMark { kind, since: event.seq }),
            Some(Fact::Promotion(promotion)) if promotion.forced_by.is_some() => mark = None,
            _ => {}
        }
        ControlFlow::Continue(())
    })?;
    Ok(mark)
}

/// Refuses to go on without a gate where one remembers the log.
///
/// # Errors
/// When one does, or the log cannot be read.
pub(crate) async fn check_alone(log: &Arc<LocalLog<Rocks>>) -> Result<(), NodeError> {
    let log = log.clone();
    match spawn_blocking(move || gate_of(log.as_ref())).await?? {
        Some(mark) => Err(GatedError::WithoutGate(mark.kind).into()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use log::{Log, Memory, MemoryDisk, NodeId, Promotion, Term};

    use super::*;

    #[test]
    fn a_log_is_that_of_its_gate_until_a_person_begins_a_new_life() {
        let log = LocalLog::open(Memory::open(&MemoryDisk::new()), None).unwrap();
        assert_eq!(gate_of(&log).unwrap(), None);
        let promotion = |term, forced_by: Option<&str>| {
            let forced_by = forced_by.map(ToOwned::to_owned);
            Fact::Promotion(Promotion {
                term: Term(term),
                owner: NodeId::random(),
                promises: vec![],
                forced_by,
            })
        };
        log.hold(true).unwrap().wait().unwrap();
        let gated = Fact::Gated("postgres".to_owned()).append();
        // What nobody has released counts: it may be there.
        let appended = log.enqueue(Term(2), vec![promotion(2, None).append(), gated]).unwrap();
        while !log.is_quiet() {
            std::thread::yield_now();
        }
        let mark = gate_of(&log).unwrap().unwrap();
        assert_eq!((mark.kind.as_str(), mark.since), ("postgres", Seq::new(1)));
        log.release(Seq::new(9));
        appended.wait().unwrap();
        let restored = log.enqueue(Term(3), vec![promotion(3, Some("somebody")).append()]).unwrap();
        restored.wait().unwrap();
        assert_eq!(gate_of(&log).unwrap(), None);
    }
}
