#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use proptest::prelude::*;

use super::*;

/// A tree that owns its blobs.
#[derive(Debug, Clone)]
enum Tree {
    Blob(Vec<u8>),
    List(Vec<Tree>),
}

/// The definition written down once more, on another library.
fn naive(tree: &Tree) -> Vec<u8> {
    fn h(bytes: &[u8]) -> Vec<u8> {
        openssl::hash::hash(openssl::hash::MessageDigest::sha384(), bytes).unwrap().to_vec()
    }
    match tree {
        Tree::Blob(blob) => {
            let head = h(["blob".as_bytes(), blob.len().to_string().as_bytes()].concat().as_slice());
            h(&[head, h(blob)].concat())
        }
        Tree::List(list) => {
            let mut acc = h(["list".as_bytes(), list.len().to_string().as_bytes()].concat().as_slice());
            for element in list {
                acc = h(&[acc, naive(element)].concat());
            }
            acc
        }
    }
}

fn hashed(tree: &Tree) -> Result<DeepHash, TooDeep> {
    fn with_element(tree: &Tree, f: &mut dyn FnMut(Element<'_>)) {
        match tree {
            Tree::Blob(blob) => f(Element::Blob(blob)),
            Tree::List(list) => with_list(list, &mut Vec::new(), f),
        }
    }
    // Elements borrow their children, so the tree is built from the inside out.
    fn with_list(rest: &[Tree], done: &mut Vec<Element<'_>>, f: &mut dyn FnMut(Element<'_>)) {
        match rest.split_first() {
            None => f(Element::List(done)),
            Some((first, rest)) => with_element(first, &mut |element| {
                let mut done = done.clone();
                done.push(element);
                with_list(rest, &mut done, f);
            }),
        }
    }
    let mut result = Err(TooDeep);
    with_element(tree, &mut |element| result = deep_hash(&element));
    result
}

fn tree() -> impl Strategy<Value = Tree> {
    let blob = prop::collection::vec(any::<u8>(), 0..40).prop_map(Tree::Blob);
    blob.prop_recursive(4, 24, 4, |inner| prop::collection::vec(inner, 0..4).prop_map(Tree::List))
}

#[test]
fn depth_is_bounded() {
    fn nest(levels: usize, inner: Element<'_>) -> Result<DeepHash, TooDeep> {
        match levels {
            0 => deep_hash(&inner),
            _ => nest(levels - 1, Element::List(&[inner])),
        }
    }
    assert!(nest(MAX_DEPTH, Element::Blob(b"x")).is_ok());
    assert_eq!(nest(MAX_DEPTH + 1, Element::Blob(b"x")), Err(TooDeep));
}

proptest! {
    #[test]
    fn follows_the_definition(tree in tree()) {
        prop_assert_eq!(hashed(&tree).unwrap().to_vec(), naive(&tree));
    }

    #[test]
    fn a_flat_list_is_the_same_list(blobs: Vec<Vec<u8>>) {
        let slices: Vec<&[u8]> = blobs.iter().map(Vec::as_slice).collect();
        let elements: Vec<_> = slices.iter().map(|blob| Element::Blob(blob)).collect();
        prop_assert_eq!(deep_hash_list(&slices), deep_hash(&Element::List(&elements)).unwrap());
    }

    #[test]
    fn a_blob_in_pieces_is_the_same_blob(pieces: Vec<Vec<u8>>) {
        let mut hasher = BlobHasher::new();
        pieces.iter().for_each(|piece| hasher.update(piece));
        let whole = hasher.finish();
        prop_assert_eq!(whole.to_vec(), naive(&Tree::Blob(pieces.concat())));
        prop_assert_eq!(whole, deep_hash_blob(&pieces.concat()));
    }

    #[test]
    fn a_list_of_hashes_is_the_list_of_what_they_are_of(trees in prop::collection::vec(tree(), 0..4)) {
        let hashes: Vec<DeepHash> = trees.iter().map(|tree| hashed(tree).unwrap()).collect();
        prop_assert_eq!(deep_hash_of_hashes(&hashes).to_vec(), naive(&Tree::List(trees)));
    }
}

#[test]
fn blobs_of_every_length_are_hashed_by_the_definition() {
    for len in [0, 1, 1022, 1023, 1024, 1025, 70_000] {
        let blob = vec![7; len];
        assert_eq!(deep_hash_blob(&blob).to_vec(), naive(&Tree::Blob(blob)), "{len} bytes");
    }
}
