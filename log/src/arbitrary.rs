//! Events of any kind, for property tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use ans104::Id;
use proptest::prelude::*;
use protocol::{Nonce, ProcessId};

use crate::event::Body;
use crate::keys::EventKey;
use crate::samples::Noise;

/// An item of any type with sizes of any kind; its signature is noise.
pub(crate) fn item() -> impl Strategy<Value = Vec<u8>> {
    let types =
        prop::sample::select(vec![(1, 512, 512), (2, 64, 32), (3, 65, 65), (6, 2052, 1025), (7, 65, 42)]);
    (types, any::<(bool, bool, u64)>(), 0..600_usize).prop_map(|((kind, signature, owner), fields, data)| {
        let (target, anchor, seed) = fields;
        let mut noise = Noise::new(seed);
        let mut bytes = vec![kind, 0];
        bytes.extend(noise.bytes(signature + owner));
        for there in [target, anchor] {
            bytes.push(there.into());
            bytes.extend(noise.bytes(if there { 32 } else { 0 }));
        }
        bytes.extend([0; 16]);
        bytes.extend(noise.bytes(data));
        bytes
    })
}

pub(crate) fn body() -> impl Strategy<Value = Body> {
    let hash = || {
        prop::option::of(any::<[u8; 32]>().prop_map(|seed| {
            let mut hash = [7; 48];
            hash[..32].copy_from_slice(&seed);
            hash
        }))
    };
    prop_oneof![
        (item(), prop::option::of(item())).prop_map(|(item, assignment)| Body::Spawned { item, assignment }),
        (item(), item(), hash()).prop_map(|(item, assignment, deep_hash)| Body::Scheduled {
            item,
            assignment,
            deep_hash
        }),
        (item(), hash()).prop_map(|(assignment, deep_hash)| Body::Assigned { assignment, deep_hash }),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Body::Fact),
    ]
}

pub(crate) fn place() -> impl Strategy<Value = EventKey> {
    let process = any::<[u8; 32]>().prop_map(|bytes| ProcessId::from(Id::from_bytes(bytes)));
    (process, prop::option::of(any::<u64>().prop_map(Nonce::new)))
        .prop_map(|(process, nonce)| EventKey { process, nonce })
}
