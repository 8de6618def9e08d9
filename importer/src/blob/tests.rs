#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use ans104::{Draft, Ed25519Wallet, Signer, Tag, write_bundle};
use proptest::prelude::*;

use super::*;
use crate::envelope::{seal_envelope, unseal_envelope};

fn item(seed: u8, tags: &[(&str, &str)], data: &[u8]) -> Vec<u8> {
    let tags: Vec<Tag<'_>> = tags.iter().map(|(name, value)| Tag { name, value }).collect();
    let wallet = Ed25519Wallet::from_seed([seed; 32]);
    Draft { target: None, anchor: Some(&[seed; 32]), tags: &tags, data }.sign(&wallet as &dyn Signer).unwrap()
}

fn bundle(items: &[&[u8]]) -> Vec<u8> {
    let items: Vec<Item<'_>> = items.iter().map(|bytes| Item::parse(bytes).unwrap()).collect();
    write_bundle(&items)
}

const PLACE: [(&str, &str); 4] = [("Epoch", "0"), ("Nonce", "7"), ("Block-Height", "1"), ("Timestamp", "9")];
const BUNDLE: [(&str, &str); 1] = [("Bundle-Format", "binary")];

/// What each form looks like, and what of it says the place.
fn forms() -> [(BlobForm, Vec<u8>); 4] {
    let (assignment, message) = (item(1, &PLACE, b""), item(2, &[("Type", "Message")], b"data"));
    [
        (BlobForm::Early, item(1, &PLACE, &bundle(&[&message]))),
        (BlobForm::Paired, item(1, &BUNDLE, &bundle(&[&assignment, &message]))),
        (BlobForm::AssignmentOnly, item(1, &BUNDLE, &bundle(&[&assignment]))),
        (BlobForm::Unassigned, item(1, &PLACE[2..], &bundle(&[&message]))),
    ]
}

#[test]
fn each_form_is_told_apart() {
    for (form, bytes) in forms() {
        let blob = Blob::parse(&bytes).unwrap();
        assert_eq!(blob.form, form);
        assert_eq!(blob.item.is_none(), form == BlobForm::AssignmentOnly);
        let nonce = AssignmentTags::of(&blob.assignment).nonce();
        assert_eq!(nonce.is_none(), form == BlobForm::Unassigned, "{form:?}");
    }
}

#[test]
fn more_items_than_are_read_are_counted() {
    let parts = [item(1, &PLACE, b""), item(2, &[], b"a"), item(3, &[], b"b")];
    let bytes = item(1, &BUNDLE, &bundle(&[&parts[0], &parts[1], &parts[2]]));
    let blob = Blob::parse(&bytes).unwrap();
    assert_eq!((blob.form, blob.more), (BlobForm::Paired, 1));
    let envelope = seal_envelope(&blob).unwrap();
    assert_eq!(unseal_envelope(&envelope, blob.assignment, blob.item).unwrap(), bytes);
}

#[test]
fn ids_and_high_bytes_in_the_header_are_not_looked_at() {
    let mut data = bundle(&[&item(1, &PLACE, b""), &item(2, &[], b"a")]);
    data[40] = 9;
    data[70] ^= 1;
    let bytes = item(1, &BUNDLE, &data);
    let blob = Blob::parse(&bytes).unwrap();
    assert_eq!(blob.form, BlobForm::Paired);
    let envelope = seal_envelope(&blob).unwrap();
    assert_eq!(unseal_envelope(&envelope, blob.assignment, blob.item).unwrap(), bytes);
}

#[test]
fn what_is_none_of_them_is_told() {
    let empty = item(1, &BUNDLE, &bundle(&[]));
    assert_eq!(Blob::parse(&empty).unwrap_err(), BlobError::Empty);
    let short = item(1, &BUNDLE, b"no bundle");
    assert_eq!(Blob::parse(&short).unwrap_err(), BlobError::Bundle(9));
    assert!(matches!(Blob::parse(b"no item").unwrap_err(), BlobError::Outer(_)));
    let mut huge = [0; 40];
    huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    let huge = item(1, &BUNDLE, &huge);
    assert_eq!(Blob::parse(&huge).unwrap_err(), BlobError::Bundle(40));
}

#[test]
fn another_wallet_around_it_is_kept() {
    let bytes = item(9, &BUNDLE, &bundle(&[&item(1, &PLACE, b""), &item(2, &[], b"a")]));
    let blob = Blob::parse(&bytes).unwrap();
    let envelope = seal_envelope(&blob).unwrap();
    assert_eq!(unseal_envelope(&envelope, blob.assignment, blob.item).unwrap(), bytes);
    assert_eq!(unseal_envelope(&[7], blob.assignment, blob.item), None);
    assert_eq!(unseal_envelope(&[], blob.assignment, blob.item), None);
}

proptest! {
    #[test]
    fn noise_does_not_panic(noise: Vec<u8>) {
        let _ = Blob::parse(&noise);
        let _ = Blob::parse(&item(1, &BUNDLE, &noise));
    }

    #[test]
    fn changed_and_cut_blobs_do_not_panic_and_what_is_read_is_made_again(
        form in 0..4_usize, at: prop::sample::Index, bit in 0..8_u8, cut: prop::sample::Index,
    ) {
        let mut bytes = forms()[form].1.clone();
        *at.get_mut(&mut bytes) ^= 1 << bit;
        let _ = Blob::parse(&bytes[..cut.index(bytes.len())]);
        if let Ok(blob) = Blob::parse(&bytes)
            && let Some(envelope) = seal_envelope(&blob)
        {
            prop_assert_eq!(unseal_envelope(&envelope, blob.assignment, blob.item).unwrap(), bytes);
        }
    }
}
