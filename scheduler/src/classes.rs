//! Within which class a pushed message counts as a duplicate.
//!
//! The content hash leaves the owner out, so anybody could sign what an authority is about to push and send it first:
//! the authority's would be refused, and a process that trusts its authorities alone would never hear it. So where a
//! process names authorities, what others say is not taken for what they say.

use std::sync::Arc;

use ans104::{Address, Item, deep_hash_blob, deep_hash_of_hashes};
use log::DeepHash;
use protocol::tags;

/// What is known of a message that is told apart by its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pushed {
    /// The hash of its content.
    pub(crate) hash: DeepHash,
    /// The same with the names of tags as they are written, where that is another one: messages of which the log is from
    /// before names were compared without case are known by it.
    pub(crate) hash_as_written: Option<DeepHash>,
    /// Who signed it.
    pub(crate) signer: Address,
}

impl Pushed {
    /// The same as it was known before names were compared without case, where it was known otherwise.
    pub(crate) fn as_written(&self) -> Option<Self> {
        self.hash_as_written.map(|hash| Self { hash, hash_as_written: None, ..*self })
    }
}

/// The classes of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Classes {
    /// The process names no authorities: everybody is in one class.
    One,
    /// Its authorities are in one class, and everybody else is in one of their own.
    ByAuthority(Arc<[Address]>),
}

impl Classes {
    /// Those of the process with this item. It may name several authorities in one tag, with commas between them.
    pub(crate) fn of(process: &Item<'_>) -> Self {
        let all = process.tags().filter_map(Result::ok);
        let named: Vec<_> =
            all.filter(|tag| tags::has_name(tag, tags::AUTHORITY)).map(|tag| tag.value).collect();
        if named.is_empty() {
            return Self::One;
        }
        // A name that is no address is nobody's.
        let authorities = named.iter().flat_map(|names| names.split(','));
        Self::ByAuthority(authorities.filter_map(|name| name.trim().parse().ok()).collect())
    }

    /// What a pushed message is known by in the process: equal for equal contents of one class.
    pub(crate) fn key(&self, pushed: &Pushed) -> DeepHash {
        match self {
            Self::One => pushed.hash,
            Self::ByAuthority(_) if self.has_authority(pushed.signer) => {
                deep_hash_of_hashes(&[pushed.hash, deep_hash_blob(b"authority")])
            }
            Self::ByAuthority(_) => {
                let owner = deep_hash_blob(pushed.signer.as_bytes());
                deep_hash_of_hashes(&[pushed.hash, deep_hash_blob(b"owner"), owner])
            }
        }
    }

    /// Whether two signers are in one class.
    pub(crate) fn are_one(&self, signer: Address, other: Address) -> bool {
        match self {
            Self::One => true,
            Self::ByAuthority(_) => {
                signer == other || (self.has_authority(signer) && self.has_authority(other))
            }
        }
    }

    fn has_authority(&self, signer: Address) -> bool {
        match self {
            Self::One => false,
            Self::ByAuthority(authorities) => authorities.contains(&signer),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use testing::SampleUser;

    use super::*;

    fn address(number: u8) -> Address {
        SampleUser::new(number).signer().address()
    }

    fn pushed(hash: u8, user: u8) -> Pushed {
        Pushed { hash: [hash; 48], hash_as_written: None, signer: address(user) }
    }

    fn classes(authorities: &[&str]) -> Classes {
        let names = ["Authority", "authority"].into_iter().cycle();
        let tags: Vec<_> = names.zip(authorities).map(|(name, named)| (name, *named)).collect();
        Classes::of(&Item::split(&SampleUser::new(9).process(&tags, "")).unwrap())
    }

    /// Holds which of the users 1 to 4 are in one class.
    fn check(classes: &Classes, expected: [u8; 4]) {
        let key = |hash: u8, user| classes.key(&pushed(hash, user));
        for one in 1..=4_u8 {
            for other in 1..=4_u8 {
                let together = expected[usize::from(one) - 1] == expected[usize::from(other) - 1];
                assert_eq!(classes.are_one(address(one), address(other)), together, "{one} and {other}");
                assert_eq!(key(1, one) == key(1, other), together, "{one} and {other}");
                assert_ne!(key(1, one), key(2, other), "another content");
            }
        }
    }

    #[test]
    fn authorities_are_one_class_and_everybody_else_is_their_own() {
        let [one, two] = [1, 2].map(|number| address(number).to_string());
        check(&classes(&[]), [0, 0, 0, 0]);
        check(&classes(&[&one]), [1, 2, 3, 4]);
        // In lower case, too, as HyperBEAM has it.
        check(&classes(&[&one, &two]), [1, 1, 3, 4]);
        check(&classes(&[&format!("{two}, {one}")]), [1, 1, 3, 4]);
        // A process that names somebody trusts not everybody.
        check(&classes(&["0x8ba1f109551bD432803012645Ac136ddd64DBA72"]), [1, 2, 3, 4]);
        check(&classes(&[""]), [1, 2, 3, 4]);
    }

    #[test]
    fn without_authorities_a_content_is_known_by_its_hash_alone() {
        // As in every log from before there were classes.
        assert_eq!(Classes::One.key(&pushed(7, 1)), [7; 48]);
    }
}
