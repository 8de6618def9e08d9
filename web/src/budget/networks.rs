//! What is made for the clients of one address, so that none keeps the answers of all others from being made.

use std::collections::HashMap;
use std::net::IpAddr;

use super::share::Share;

/// The part of a share that one address may hold while less than half of it is left: one of so many.
pub(super) const NETWORK_PART: usize = 4;

/// How much of each share that is counted so is held for each address; those that hold nothing are not in it.
#[derive(Debug, Default)]
pub(super) struct HeldByNetworks {
    answers: HashMap<IpAddr, usize>,
    brief: HashMap<IpAddr, usize>,
}

impl HeldByNetworks {
    /// How much is held for this address of a share that is counted so.
    pub(super) fn held(&self, share: Share, network: IpAddr) -> Option<usize> {
        let counted = match share {
            Share::Answers => &self.answers,
            Share::Brief => &self.brief,
            // Of what clients send, those that are slow give way to the others.
            Share::Reads | Share::Waits | Share::Small | Share::Large => return None,
        };
        Some(counted.get(&network).copied().unwrap_or_default())
    }

    /// It holds so much instead of so much.
    pub(super) fn exchange(&mut self, share: Share, network: IpAddr, before: usize, after: usize) {
        let Some(held) = self.held(share, network) else { return };
        let counted = if share == Share::Brief { &mut self.brief } else { &mut self.answers };
        match (held + after).saturating_sub(before) {
            0 => drop(counted.remove(&network)),
            held => drop(counted.insert(network, held)),
        }
    }

    /// How many addresses are known.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.answers.len() + self.brief.len()
    }
}
