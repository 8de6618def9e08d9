#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use proptest::prelude::*;

use super::*;
use crate::signer::{Draft, Ed25519Wallet};

fn items(data: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let wallet = Ed25519Wallet::from_seed([7; 32]);
    let draft = |data| Draft { data, ..Draft::default() }.sign(&wallet).unwrap();
    data.iter().map(|data| draft(data)).collect()
}

fn bundle_of(items: &[Vec<u8>]) -> Vec<u8> {
    let items: Vec<_> = items.iter().map(|item| Item::parse(item).unwrap()).collect();
    write_bundle(&items)
}

fn first_error(bytes: &[u8]) -> BundleError {
    match Bundle::parse(bytes) {
        Ok(mut bundle) => bundle.find_map(Result::err).expect("an error"),
        Err(error) => error,
    }
}

#[test]
fn says_what_is_wrong() {
    let good = bundle_of(&items(&[b"one".to_vec(), b"two".to_vec()]));
    let len = good.len();
    let changed = |at: usize, to: u8| {
        let mut bytes = good.clone();
        bytes[at] = to;
        first_error(&bytes)
    };
    assert_eq!(first_error(b""), BundleError::Header(0));
    assert_eq!(first_error(&good[..100]), BundleError::Header(100));
    assert_eq!(first_error(&good[..len - 1]), BundleError::Size { index: 1 });
    assert_eq!(first_error(&[good.as_slice(), b"x"].concat()), BundleError::Trailing(1));
    assert_eq!(
        changed(0, 1),
        BundleError::Trailing(HEAD_LEN + items(&[b"two".to_vec()])[0].len()),
        "the second item and its head, behind one item"
    );
    assert_eq!(changed(31, 1), BundleError::Header(len), "2^248 items");
    assert_eq!(changed(7, 0xff), BundleError::Header(len), "a header past all memory");
    assert_eq!(changed(32 + 31, 1), BundleError::Size { index: 0 });
    assert!(matches!(changed(64, good[64] ^ 1), BundleError::Id { index: 0, .. }));
    assert!(matches!(changed(160, 0), BundleError::Item { index: 0, .. }));
}

#[test]
fn an_error_does_not_hide_the_items_behind_it() {
    let mut bytes = bundle_of(&items(&[b"one".to_vec(), b"two".to_vec()]));
    bytes[160] = 0;
    let results: Vec<_> = Bundle::parse(&bytes).unwrap().collect();
    assert!(results[0].is_err());
    assert_eq!(results[1].unwrap().item.data(), b"two");
}

proptest! {
    #[test]
    fn what_is_written_is_read(data in prop::collection::vec(any::<Vec<u8>>(), 0..4)) {
        let items = items(&data);
        let bytes = bundle_of(&items);
        let bundle = Bundle::parse(&bytes).unwrap();
        prop_assert_eq!(bundle.len(), items.len());
        for (bundled, bytes) in bundle.zip(&items) {
            prop_assert_eq!(bundled.unwrap().bytes, bytes);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(mut bytes: Vec<u8>, count in 0u8..4) {
        let header = [vec![count], vec![0; 31]].concat();
        bytes.splice(0..0, header);
        if let Ok(bundle) = Bundle::parse(&bytes) {
            prop_assert!(bundle.count() <= bytes.len());
        }
    }
}
