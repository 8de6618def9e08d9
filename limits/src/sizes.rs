//! How long a message may be, and whose may be longer.

use std::collections::HashSet;

use ans104::{Address, Id, Item};
use protocol::tags;

use crate::refusal::LimitRefusal;

/// How long a message may be.
#[derive(Clone, Debug, Default)]
pub struct SizeLimit {
    /// The longest item that is taken, in bytes, with its signature and tags.
    pub bytes_max: usize,
    /// Whose messages may be longer.
    pub owners: HashSet<Address>,
    /// Whose messages may be longer when they are from a process of `from`: anybody could name such a process.
    pub from_owners: HashSet<Address>,
    /// The processes whose messages may be longer when one of `from_owners` signed them.
    pub from: HashSet<Id>,
}

impl SizeLimit {
    /// Refuses a message that is too long.
    ///
    /// # Errors
    /// When it is, and none of the exceptions is for it.
    pub fn check(&self, message: &Item<'_>) -> Result<(), LimitRefusal> {
        let (bytes, bytes_max) = (message.len(), self.bytes_max);
        if bytes <= bytes_max || self.is_exempt(message) {
            return Ok(());
        }
        Err(LimitRefusal::TooLong { bytes, bytes_max })
    }

    fn is_exempt(&self, message: &Item<'_>) -> bool {
        let owner = message.address();
        if self.owners.contains(&owner) {
            return true;
        }
        let from = || tags::find(message, tags::FROM_PROCESS)?.parse().ok();
        self.from_owners.contains(&owner) && from().is_some_and(|from: Id| self.from.contains(&from))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use ans104::{Draft, Ed25519Wallet, Signer, Tag};

    use super::*;

    #[test]
    fn long_messages_are_of_some_alone() {
        let wallets = [1, 2, 3].map(|seed| Ed25519Wallet::from_seed([seed; 32]));
        let [owner, from_owner, other] = wallets.each_ref().map(Signer::address);
        let (process, strange) = (Id::from_bytes([7; 32]), Id::from_bytes([8; 32]));
        let limit = SizeLimit {
            bytes_max: 400,
            owners: HashSet::from([owner]),
            from_owners: HashSet::from([from_owner]),
            from: HashSet::from([process]),
        };
        let check = |wallet: &Ed25519Wallet, from: Option<Id>, bytes: usize, is_taken: bool| {
            let from = from.map(|from| from.to_string());
            let tags: Vec<_> = from.iter().map(|from| Tag::new(tags::FROM_PROCESS, from)).collect();
            let data = vec![b'x'; bytes];
            let item = Draft { tags: &tags, data: &data, ..Draft::default() }.sign(wallet).unwrap();
            let item = Item::parse(&item).unwrap();
            assert_eq!(limit.check(&item).is_ok(), is_taken, "{from:?} {bytes} of {}", item.address());
        };
        assert_ne!(owner, other);
        check(&wallets[2], None, 100, true);
        check(&wallets[2], None, 400, false);
        check(&wallets[2], Some(process), 400, false);
        check(&wallets[0], None, 400, true);
        check(&wallets[1], None, 400, false);
        check(&wallets[1], Some(strange), 400, false);
        check(&wallets[1], Some(process), 400, true);
    }

    #[test]
    fn the_bound_is_the_length_of_the_whole_item() {
        let item = Draft { data: b"x", ..Draft::default() }.sign(&Ed25519Wallet::from_seed([1; 32])).unwrap();
        for (bytes_max, is_taken) in [(item.len(), true), (item.len() - 1, false)] {
            let limit = SizeLimit { bytes_max, ..SizeLimit::default() };
            assert_eq!(limit.check(&Item::parse(&item).unwrap()).is_ok(), is_taken);
        }
    }
}
