//! Any bytes in the place of what the existing scheduler stores: what is taken apart is made again the same.

#![no_main]

use libfuzzer_sys::fuzz_target;

use blob::Blob;
use envelope::{seal_envelope, unseal_envelope};

#[path = "../../importer/src/blob.rs"]
mod blob;
#[path = "../../importer/src/envelope.rs"]
mod envelope;

fuzz_target!(|bytes: &[u8]| {
    let Ok(blob) = Blob::parse(bytes) else { return };
    if let Some(envelope) = seal_envelope(&blob) {
        let again = unseal_envelope(&envelope, blob.assignment, blob.item);
        assert_eq!(again.as_deref(), Some(bytes));
        let _ = unseal_envelope(bytes, blob.assignment, blob.item);
    }
});
