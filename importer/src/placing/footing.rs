//! What a source has to have for what comes behind it there to come behind what the log has.

use log::ChainLink;
use protocol::{HashChain, Nonce, ProcessId};

use super::PlacedProcess;
use crate::prepare::SaidLink;

/// Whether the source has what the log has last of a process, so that what comes behind it there may come behind it here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Footing {
    Same,
    /// It has not told so: it was not asked, or has something else.
    Unknown {
        /// Whether what is last was scheduled here.
        is_own: bool,
    },
    /// It has not: whatever it has from here on is of another history.
    Parted,
}

impl PlacedProcess {
    /// Whether this chain is that of whatever comes behind the last.
    pub(super) fn is_followed_by(&self, chain: HashChain) -> bool {
        let old = self.last.zip(self.last_item).map(|(last, item)| last.chain.after(item.into()));
        chain == ChainLink::next_chain(self.last, self.id) || old == Some(chain)
    }

    /// What the next row tells of the footing, which none that comes later can change.
    pub(super) fn footing_of(&self, said: SaidLink, expected: Nonce) -> Footing {
        let Footing::Unknown { is_own } = self.footing else { return self.footing };
        // Behind a gap there is nothing to compare it with.
        let follows = said.chain.filter(|_| said.nonce == expected).map(|chain| self.is_followed_by(chain));
        match follows {
            Some(true) => Footing::Same,
            None if !is_own => Footing::Same,
            Some(false) | None => Footing::Parted,
        }
    }

    /// That the source has what the log has last may be told behind other rows of it, and counts all the same.
    pub(super) fn stand_on(&mut self, there: Option<(ProcessId, Nonce)>) {
        let last = self.last.map(|last| (self.id, last.nonce));
        if matches!(self.footing, Footing::Unknown { .. }) && last.is_some() && there == last {
            self.footing = Footing::Same;
        }
    }
}
