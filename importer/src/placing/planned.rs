//! What a plan has placed: there is no log in which that could be looked up.

use std::collections::VecDeque;

use protocol::Nonce;

use crate::target::PlacedIds;

/// How many of those that came last are remembered: rows that want one nonce come together.
const ROWS: usize = 256;

/// Rows of one process.
#[derive(Default)]
pub(super) struct PlannedRows {
    unassigned: Option<PlacedIds>,
    last: VecDeque<(Nonce, PlacedIds)>,
}

impl PlannedRows {
    /// A row got its place.
    pub(super) fn note(&mut self, nonce: Option<Nonce>, ids: PlacedIds) {
        let Some(nonce) = nonce else {
            self.unassigned = Some(ids);
            return;
        };
        if self.last.len() >= ROWS {
            self.last.pop_front();
        }
        self.last.push_back((nonce, ids));
    }

    /// What is at a place.
    pub(super) fn at(&self, nonce: Option<Nonce>) -> Option<PlacedIds> {
        match nonce {
            None => self.unassigned,
            Some(nonce) => self.last.iter().rev().find(|(at, _)| *at == nonce).map(|(_, ids)| *ids),
        }
    }
}
