//! Whether a history is one: written from the protocol, not from the node's code.

use std::collections::{HashMap, HashSet};

use ans104::{Address, Id, Item, SignatureType, Tag, base64url, encode_tags};
use bytes::Bytes;

use crate::answer::{Edge, ItemJson};

/// What must be found.
pub struct Expected<'a> {
    /// The process.
    pub process: Id,
    /// The scheduler's address.
    pub scheduler: &'a str,
    /// What was acknowledged, and with which timestamp.
    pub acknowledged: &'a HashMap<Id, u64>,
    /// What was posted: nothing else may be there, and this byte by byte.
    pub posted: &'a HashMap<Id, Bytes>,
    /// Every how many assignments one is verified; 1 for all of them.
    pub verify_every: usize,
}

/// Holds a history against the protocol and against what clients were told.
///
/// # Panics
/// With what is wrong, and where.
pub fn check(edges: &[Edge], expected: &Expected<'_>) {
    let mut found = HashSet::new();
    let mut before: Option<&ItemJson> = None;
    for (nonce, edge) in edges.iter().enumerate() {
        let at = format!("process {}, nonce {nonce}", expected.process);
        let assignment = edge.node.assignment.as_ref().unwrap_or_else(|| panic!("{at}: no assignment"));
        let message = edge.node.message.as_ref().unwrap_or_else(|| panic!("{at}: no message"));
        let id = check_message(message, expected, &at);
        assert!(found.insert(id), "{at}: message {id} is there a second time");
        check_tags(assignment, nonce, id, expected, &at);
        check_order(assignment, before, expected, &at);
        check_signer(assignment, expected, nonce % expected.verify_every == 0, &at);
        if let Some(&timestamp) = expected.acknowledged.get(&id) {
            assert_eq!(
                assignment.number("Timestamp"),
                Some(timestamp),
                "{at}: the client was told another time"
            );
        }
        before = Some(assignment);
    }
    for id in expected.acknowledged.keys() {
        let process = expected.process;
        assert!(
            found.contains(id),
            "lost: {id} of process {process} was acknowledged ({} are there)",
            found.len()
        );
    }
}

/// The message is the one that was posted; its id.
fn check_message(message: &ItemJson, expected: &Expected<'_>, at: &str) -> Id {
    let bytes = rebuild(message, SignatureType::Ed25519, at);
    let id = Item::parse(&bytes).unwrap_or_else(|error| panic!("{at}: {error}")).id();
    assert_eq!(message.id, id.to_string(), "{at}: the message's id is not that of its signature");
    let posted = expected.posted.get(&id).unwrap_or_else(|| panic!("{at}: nobody posted {id}"));
    assert_eq!(&bytes, posted, "{at}: the message is not what was posted");
    id
}

/// Names, values and order of the tags are those of the protocol.
fn check_tags(assignment: &ItemJson, nonce: usize, message: Id, expected: &Expected<'_>, at: &str) {
    let own = |name: &str| assignment.tag(name).unwrap_or_else(|| panic!("{at}: no {name}")).to_owned();
    let (process, nonce) = (expected.process.to_string(), nonce.to_string());
    let mut right = vec![
        ("Process", process),
        ("Epoch", "0".to_owned()),
        ("Nonce", nonce.clone()),
        ("Hash-Chain", own("Hash-Chain")),
        ("Block-Height", own("Block-Height")),
        ("Timestamp", own("Timestamp")),
        ("Data-Protocol", "ao".to_owned()),
        ("Type", "Assignment".to_owned()),
        ("Variant", "ao.TN.1".to_owned()),
    ];
    if nonce == "0" {
        assert_eq!(message, expected.process, "{at}: a process is its own first message");
    } else {
        right.push(("Message", message.to_string()));
    }
    let found: Vec<_> = assignment.tags.iter().map(|tag| (tag.name.as_str(), tag.value.clone())).collect();
    assert_eq!(found, right, "{at}");
    assert_eq!(own("Block-Height").len(), 12, "{at}");
}

/// Chain and time go on from the assignment before.
fn check_order(assignment: &ItemJson, before: Option<&ItemJson>, expected: &Expected<'_>, at: &str) {
    let chain = match before {
        None => Id::of_signature(expected.process.as_bytes()),
        Some(before) => {
            let parts = [before.id.as_str(), before.tag("Hash-Chain").unwrap_or_default()];
            Id::of_signature(&parts.map(|text| decode(text, at)).concat())
        }
    };
    // An id is SHA-256 of a signature, and so is what hashes anything else.
    assert_eq!(assignment.tag("Hash-Chain"), Some(chain.to_string().as_str()), "{at}: the chain is broken");
    for (name, least) in [("Timestamp", 1), ("Block-Height", 0)] {
        let before = before.map_or(Some(0), |before| before.number(name));
        let (before, now) = (before.unwrap_or_default(), assignment.number(name).unwrap_or_default());
        assert!(now >= before + least, "{at}: {name} goes from {before} to {now}");
    }
}

/// The scheduler signed it.
fn check_signer(assignment: &ItemJson, expected: &Expected<'_>, verify: bool, at: &str) {
    assert_eq!(assignment.owner.address, expected.scheduler, "{at}: somebody else's assignment");
    let id = Id::of_signature(&decode(&assignment.signature, at)).to_string();
    assert_eq!(assignment.id, id, "{at}: the assignment's id is not that of its signature");
    if verify {
        let signature_type = match decode(&assignment.owner.key, at).len() {
            512 => SignatureType::Arweave,
            65 => SignatureType::Ethereum,
            32 => SignatureType::Ed25519,
            len => panic!("{at}: no scheduler has a key of {len} bytes"),
        };
        let bytes = rebuild(assignment, signature_type, at);
        let item = Item::parse(&bytes).unwrap_or_else(|error| panic!("{at}: {error}"));
        item.verify().unwrap_or_else(|error| panic!("{at}: the assignment: {error}"));
    }
}

/// The bytes of an item whose fields were shown, all of them text where that is possible.
///
/// # Panics
/// When a field is not what it must be; `at` says where it was shown.
pub fn rebuild(item: &ItemJson, signature_type: SignatureType, at: &str) -> Vec<u8> {
    let owner = decode(&item.owner.key, at);
    assert_eq!(
        item.owner.address,
        Address::of_owner(&owner).to_string(),
        "{at}: the address is not the key's"
    );
    let anchor = item.anchor.as_deref().unwrap_or_default();
    // 32 bytes are never 43 characters, so this can only be base64url.
    let anchor = if anchor.len() == 43 { decode(anchor, at) } else { anchor.as_bytes().to_vec() };
    let target = decode(item.target.as_deref().unwrap_or_default(), at);
    let tags: Vec<_> = item.tags.iter().map(|tag| Tag::new(&tag.name, &tag.value)).collect();
    let raw_tags = encode_tags(&tags);

    let mut bytes = signature_type.code().to_le_bytes().to_vec();
    bytes.extend(decode(&item.signature, at));
    bytes.extend(owner);
    for field in [target, anchor] {
        bytes.push(u8::from(!field.is_empty()));
        bytes.extend(field);
    }
    bytes.extend((tags.len() as u64).to_le_bytes());
    bytes.extend((raw_tags.len() as u64).to_le_bytes());
    bytes.extend(raw_tags);
    bytes.extend(item.data.as_deref().unwrap_or_default().as_bytes());
    bytes
}

fn decode(text: &str, at: &str) -> Vec<u8> {
    base64url::decode(text).unwrap_or_else(|_| panic!("{at}: {text:?} is not base64url"))
}
