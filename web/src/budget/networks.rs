//! What is made for the clients of one address, so that none keeps the answers of all others from being made.
//!
//! It is the answers of any length that are counted so. Of what clients send, whoever is slow gives way to the others; and
//! short answers have a share of their own, in which those who share an address with somebody greedy get theirs.

use std::collections::HashMap;
use std::net::IpAddr;

use super::share::Share;

/// The part of the answers that one address may hold while less than half of them is left: one of so many.
pub(super) const NETWORK_PART: usize = 4;

/// How much of the answers is held for each address; those that hold nothing are not in it.
#[derive(Debug, Default)]
pub(super) struct HeldByNetworks(HashMap<IpAddr, usize>);

impl HeldByNetworks {
    /// How much is held for this address, if it is counted of this share.
    pub(super) fn held(&self, share: Share, network: IpAddr) -> Option<usize> {
        (share == Share::Answers).then(|| self.0.get(&network).copied().unwrap_or_default())
    }

    /// It holds so much instead of so much.
    pub(super) fn exchange(&mut self, share: Share, network: IpAddr, before: usize, after: usize) {
        match self.held(share, network).map(|held| (held + after).saturating_sub(before)) {
            None => {}
            Some(0) => drop(self.0.remove(&network)),
            Some(held) => drop(self.0.insert(network, held)),
        }
    }

    /// How many addresses hold something.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
