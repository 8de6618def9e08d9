//! `arweave-rs`, the library that the existing scheduler signs with, as the oracle: it takes what we sign, and we take
//! what it signs.

use ans104::{Address, Draft, Element, Item, SignError, SignatureType, Signer, Tag, deep_hash};
use arweave_rs::ArweaveSigner;
use arweave_rs::crypto::hash::{self, DeepHashItem};
use quipu_tests::{Gateway, Launch, Signed, User, read_history, rebuild, wallet_file};
use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};

use crate::folder;

#[tokio::test]
async fn assignments_are_verified_by_the_library_of_the_existing_scheduler() {
    let (folder, gateway) = (folder(), Gateway::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let (client, user) = (node.client(), User::new(1));
    let process = user.process();
    client.schedule(&process).await;
    for data in ["", "one", "\u{1f9f6}"] {
        client.schedule(&user.message(process.id, data.as_bytes())).await;
    }
    let oracle = Oracle::new();
    assert_eq!(client.address().await, oracle.signer.wallet_address().to_string());
    let history = read_history(&client, process.id, 10).await;
    assert_eq!(history.len(), 4);
    for edge in history {
        let bytes = rebuild(&edge.node.assignment.unwrap(), SignatureType::Arweave, "an assignment");
        let item = Item::parse(&bytes).unwrap();
        let message = signed_by_oracle(&item);
        ArweaveSigner::verify(item.owner(), &message, item.signature()).unwrap();
        let mut forged = message;
        forged[7] ^= 1;
        assert!(ArweaveSigner::verify(item.owner(), &forged, item.signature()).is_err());
    }
}

#[tokio::test]
async fn items_that_the_library_of_the_existing_scheduler_signed_are_taken() {
    let (folder, gateway) = (folder(), Gateway::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let (client, oracle) = (node.client(), Oracle::new());
    let process = User::new(1).process();
    client.schedule(&process).await;
    let tags = [Tag::new("Data-Protocol", "ao"), Tag::new("Type", "Message"), Tag::new("Name", "\u{1f9f6}")];
    for (nonce, (anchor, data)) in [(None, &b""[..]), (Some(&[b'a'; 32]), b"data")].into_iter().enumerate() {
        let draft = Draft { target: Some(process.id.as_bytes()), anchor, tags: &tags, data };
        let signed = Signed::read(draft.sign(&oracle).unwrap().into());
        let item = Item::parse(&signed.bytes).unwrap();
        item.verify().unwrap();
        assert_eq!(item.signature_message(), signed_by_oracle(&item));
        client.schedule(&signed).await;
        assert_eq!(client.newest(process.id).await, nonce as u64 + 1);
    }
}

#[test]
fn deep_hashes_agree() {
    let seed = rand::random();
    let mut rng = StdRng::seed_from_u64(seed);
    for round in 0..500 {
        let tree = Tree::grow(&mut rng, 5);
        let ours = tree.with_element(&mut |element| deep_hash(element).unwrap());
        assert_eq!(ours, hash::deep_hash(tree.for_oracle()), "seed {seed}, round {round}: {tree:?}");
    }
}

/// What is signed of an item, as the oracle finds it.
fn signed_by_oracle(item: &Item<'_>) -> [u8; 48] {
    let code = item.signature_type().code().to_string();
    let optional = |bytes: Option<&[u8; 32]>| bytes.map_or_else(Vec::new, |bytes| bytes.to_vec());
    let (target, anchor) = (optional(item.target()), optional(item.anchor()));
    let parts = [
        b"dataitem",
        &b"1"[..],
        code.as_bytes(),
        item.owner(),
        &target,
        &anchor,
        item.raw_tags(),
        item.data(),
    ];
    hash::deep_hash(DeepHashItem::List(parts.map(DeepHashItem::from_item).into()))
}

/// The scheduler's wallet in the hands of the oracle.
struct Oracle {
    signer: ArweaveSigner,
    owner: Vec<u8>,
}

impl Oracle {
    fn new() -> Self {
        let signer = ArweaveSigner::from_keypair_path(wallet_file()).unwrap();
        let owner = signer.keypair_modulus().0;
        Self { signer, owner }
    }
}

impl Signer for Oracle {
    fn signature_type(&self) -> SignatureType {
        SignatureType::Arweave
    }

    fn owner(&self) -> &[u8] {
        &self.owner
    }

    fn address(&self) -> Address {
        Address::of_owner(&self.owner)
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let signed = self.signer.sign(message);
        signed.map(|signature| signature.0).map_err(|_| SignError::Key(self.signature_type()))
    }
}

/// Something to hash.
#[derive(Debug)]
enum Tree {
    Blob(Vec<u8>),
    List(Vec<Tree>),
}

impl Tree {
    /// Any tree of no more levels than this.
    fn grow(rng: &mut StdRng, levels: usize) -> Self {
        if levels == 0 || rng.random_bool(0.4) {
            let length = [0, 1, 47, 48, 49, 300][rng.random_range(0..6)];
            let mut blob = vec![0; length];
            rng.fill_bytes(&mut blob);
            return Self::Blob(blob);
        }
        Self::List((0..rng.random_range(0..5)).map(|_| Self::grow(rng, levels - 1)).collect())
    }

    fn for_oracle(&self) -> DeepHashItem {
        match self {
            Self::Blob(blob) => DeepHashItem::from_item(blob),
            Self::List(list) => DeepHashItem::from_children(list.iter().map(Self::for_oracle).collect()),
        }
    }

    /// Our form of it borrows, so it is there for a moment only.
    fn with_element<T>(&self, look: &mut dyn FnMut(&Element<'_>) -> T) -> T {
        match self {
            Self::Blob(blob) => look(&Element::Blob(blob)),
            Self::List(list) => with_elements(list, Vec::new(), look),
        }
    }
}

/// Makes the rest of a list's elements, each inside of the one before.
fn with_elements<T>(rest: &[Tree], made: Vec<Element<'_>>, look: &mut dyn FnMut(&Element<'_>) -> T) -> T {
    let Some((first, rest)) = rest.split_first() else { return look(&Element::List(&made)) };
    first.with_element(&mut |element| {
        let made = made.iter().copied().chain([*element]).collect();
        with_elements(rest, made, look)
    })
}
