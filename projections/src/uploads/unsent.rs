//! What is left to be sent of one process.

use std::ops::ControlFlow;

use log::{Log, Seq};
use protocol::{Nonce, ProcessId};

use super::handle::UploadsHandle;
use crate::projection::ProjectionError;

impl UploadsHandle {
    /// How many events of a process are neither confirmed nor dead letters yet: so many, or `most`. It is asked for a process to
    /// which nothing is scheduled any more before the nonce `next`.
    ///
    /// # Errors
    /// When the store or the log cannot be read.
    pub fn unsent_of(&self, process: ProcessId, next: Nonce, most: u64) -> Result<u64, ProjectionError> {
        let (store, log) = (&self.shared.store, self.shared.log.as_ref());
        let (mut unsent, mut from) = (0, Seq::ZERO);
        while unsent < most
            && let Some(stuck) = store.first_stuck_of(process, from)?
        {
            (unsent, from) = (unsent + 1, stuck.next());
        }
        let mut failed = None;
        let cursor = store.cursor()?.map(|cursor| cursor.position);
        let first = first_after(log, process, next, cursor)?;
        log.range(process, false, first..=Nonce::MAX, &mut |event| {
            if unsent >= most || failed.is_some() {
                return ControlFlow::Break(());
            }
            match self.is_open(event.seq) {
                Ok(is_open) => unsent += u64::from(is_open && !event.imported),
                Err(error) => failed = Some(error),
            }
            ControlFlow::Continue(())
        })?;
        failed.map_or(Ok(unsent), Err)
    }

    /// Whether an event beyond the cursor is neither settled nor stuck.
    fn is_open(&self, seq: Seq) -> Result<bool, ProjectionError> {
        let store = &self.shared.store;
        Ok(!store.is_confirmed(seq)? && !store.is_dead(seq)? && !store.is_stuck(seq)?)
    }
}

/// The first nonce of a process, before this one, of which the event is beyond the cursor; else this one.
fn first_after(
    log: &dyn Log,
    process: ProcessId,
    next: Nonce,
    cursor: Option<Seq>,
) -> Result<Nonce, ProjectionError> {
    let (mut low, mut high) = (0, next.get());
    while low < high {
        let middle = low + (high - low) / 2;
        let (nonce, mut seq) = (Nonce::new(middle), None);
        log.range(process, false, nonce..=nonce, &mut |event| {
            seq = Some(event.seq);
            ControlFlow::Break(())
        })?;
        if seq <= cursor {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(Nonce::new(low))
}
