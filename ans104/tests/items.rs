//! Items of any shape: written, read, cut, changed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use ans104::{Draft, Ed25519Wallet, EthereumWallet, Item, LimitError, ParseError, Signer, Tag};
use proptest::prelude::*;

/// What a draft borrows.
#[derive(Debug, Clone)]
struct Shape {
    target: Option<[u8; 32]>,
    anchor: Option<[u8; 32]>,
    tags: Vec<(String, String)>,
    data: Vec<u8>,
}

impl Shape {
    fn tags(&self) -> Vec<Tag<'_>> {
        self.tags.iter().map(|(name, value)| Tag::new(name, value)).collect()
    }

    fn sign(&self, signer: &dyn Signer) -> Vec<u8> {
        let draft = Draft {
            target: self.target.as_ref(),
            anchor: self.anchor.as_ref(),
            tags: &self.tags(),
            data: &self.data,
        };
        draft.sign(signer).unwrap()
    }
}

fn shape() -> impl Strategy<Value = Shape> {
    let tags = prop::collection::vec((".{0,20}", ".{0,80}"), 0..12);
    let data = prop::collection::vec(any::<u8>(), 0..300);
    (any::<Option<[u8; 32]>>(), any::<Option<[u8; 32]>>(), tags, data)
        .prop_map(|(target, anchor, tags, data)| Shape { target, anchor, tags, data })
}

fn ed25519() -> Ed25519Wallet {
    Ed25519Wallet::from_seed([3; 32])
}

proptest! {
    #[test]
    fn what_is_signed_is_read_and_verified(shape in shape()) {
        let wallets: [&dyn Signer; 2] =
            [&ed25519(), &EthereumWallet::from_bytes([5; 32]).unwrap()];
        for wallet in wallets {
            let bytes = shape.sign(wallet);
            let item = Item::parse(&bytes).unwrap();
            prop_assert_eq!(item.verify(), Ok(()));
            prop_assert_eq!(item.owner(), wallet.owner());
            prop_assert_eq!(item.address(), wallet.address());
            prop_assert_eq!(item.signature_type(), wallet.signature_type());
            prop_assert_eq!(item.target(), shape.target.as_ref());
            prop_assert_eq!(item.anchor(), shape.anchor.as_ref());
            prop_assert_eq!(item.tags().collect::<Result<Vec<_>, _>>().unwrap(), shape.tags());
            prop_assert_eq!(item.data(), &shape.data);
            prop_assert_eq!(item.len(), bytes.len());
            prop_assert_eq!(item.to_vec(), bytes);
        }
    }

    #[test]
    fn a_detached_owner_changes_nothing(shape in shape()) {
        let bytes = shape.sign(&ed25519());
        let item = Item::parse(&bytes).unwrap();
        let mut detached = b"kept".to_vec();
        item.write_detached(&mut detached);
        prop_assert_eq!(detached.len() - 4, item.detached_len());
        prop_assert_eq!(Item::split_detached(&detached[4..], item.owner()), Ok(item));
        prop_assert_eq!(
            Item::split_detached(&detached[4..], &item.owner()[1..]),
            Err(ParseError::OwnerLength { expected: 32, found: 31 })
        );
    }

    #[test]
    fn the_first_tag_of_a_name_counts(shape in shape(), name in ".{0,2}") {
        let bytes = shape.sign(&ed25519());
        let item = Item::parse(&bytes).unwrap();
        let names = shape.tags.iter().map(|(name, _)| name).chain([&name]);
        for name in names {
            let expected = shape.tags.iter().find(|tag| &tag.0 == name).map(|tag| tag.1.as_str());
            prop_assert_eq!(item.tag(name), expected);
        }
    }

    #[test]
    fn a_changed_bit_is_noticed(shape in shape(), at: prop::sample::Index, bit in 0u8..8) {
        let mut bytes = shape.sign(&ed25519());
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(item) = Item::parse(&bytes) {
            prop_assert!(item.verify().is_err(), "byte {}, bit {}", at, bit);
            prop_assert_eq!(item.to_vec(), bytes);
        }
    }

    #[test]
    fn a_cut_item_is_refused(shape in shape(), at: prop::sample::Index) {
        let bytes = shape.sign(&ed25519());
        let cut = &bytes[..at.index(bytes.len())];
        let accepted = Item::parse(cut).is_ok_and(|item| item.verify().is_ok());
        prop_assert!(!accepted);
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        code in 0u16..9,
        rest in prop::collection::vec(prop_oneof![Just(0u8), Just(1), any::<u8>()], 0..3500),
    ) {
        let bytes = [code.to_le_bytes().to_vec(), rest].concat();
        if let Ok(item) = Item::split(&bytes) {
            prop_assert_eq!(item.to_vec(), bytes.clone());
            prop_assert_eq!(Item::parse(&bytes).is_ok(), item.tags().all(|tag| tag.is_ok()));
            prop_assert!(item.verify().is_err());
        }
    }
}

#[test]
fn limits_are_those_of_the_peers() {
    let check = |tags: &[Tag<'_>]| {
        let draft = Draft { tags, ..Draft::default() };
        Item::parse(&draft.sign(&ed25519()).unwrap()).unwrap().check_limits()
    };
    let long = "x".repeat(5000);
    let tag = |name: usize, value: usize| Tag::new(&long[..name], &long[..value]);
    assert_eq!(check(&[tag(1024, 3066)]), Ok(()), "4096 bytes of Avro");
    assert_eq!(check(&[tag(1024, 3067)]), Err(LimitError(4097)));
    assert_eq!(check(&[tag(1, 3073)]), Ok(()), "a value longer than ANS-104 says");
    assert_eq!(check(&[tag(1025, 1)]), Ok(()), "a name longer than ANS-104 says");
    assert_eq!(check(&[tag(0, 0); 128]), Ok(()), "empty names and values pass");
    assert_eq!(check(&[tag(0, 0); 2046]), Ok(()), "as many as fit");
    assert_eq!(check(&[tag(0, 0); 2047]), Err(LimitError(4097)));
}

#[test]
fn debug_text_is_short_whatever_the_item_holds() {
    let draft = Draft { data: &[7; 100_000], ..Draft::default() };
    let bytes = draft.sign(&ed25519()).unwrap();
    let item = Item::parse(&bytes).unwrap();
    let text = format!("{item:?}");
    assert!(text.len() < 200, "{text}");
    assert!(text.contains(&item.id().to_string()), "{text}");
}
