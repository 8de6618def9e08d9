//! Which nonces below its newest the log does not have.

use std::collections::BTreeSet;

use log::ReadError;
use protocol::{Nonce, ProcessId};

use super::NONCES;
use crate::target::KnownRows;

/// Nonces that are missing, and that are asked for at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) nonces: BTreeSet<u64>,
    /// The nonce before the first.
    pub(super) after: Option<u64>,
    pub(super) last: u64,
}

/// The gaps of a process, one after another, up to a nonce.
pub(super) struct Gaps<'a> {
    process: ProcessId,
    known: &'a dyn KnownRows,
    next: u64,
    newest: Option<u64>,
}

impl<'a> Gaps<'a> {
    pub(super) fn new(process: ProcessId, known: &'a dyn KnownRows, newest: Option<u64>) -> Self {
        Self { process, known, next: 0, newest }
    }
}

impl Iterator for Gaps<'_> {
    type Item = Result<Gap, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let newest = self.newest?;
        while self.next <= newest {
            let last = self.next.saturating_add(NONCES - 1).min(newest);
            let mut missing = BTreeSet::new();
            for nonce in self.next..=last {
                match self.known.at(self.process, Some(Nonce::new(nonce))) {
                    Ok(Some(_)) => {}
                    Ok(None) => {
                        missing.insert(nonce);
                    }
                    Err(error) => return Some(Err(error)),
                }
            }
            self.next = last.saturating_add(1);
            if let (Some(first), Some(last)) = (missing.first().copied(), missing.last().copied()) {
                return Some(Ok(Gap { nonces: missing, after: first.checked_sub(1), last }));
            }
        }
        None
    }
}
