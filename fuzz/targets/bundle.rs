//! Any bytes: what is read as a bundle is written back the same.

#![no_main]

use ans104::{Bundle, write_bundle};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(bundle) = Bundle::parse(bytes) else {
        return;
    };
    assert!(bundle.len() <= bytes.len() / 64);
    let items: Result<Vec<_>, _> = bundle.map(|item| item.map(|bundled| bundled.item)).collect();
    if let Ok(items) = items {
        assert_eq!(write_bundle(&items), bytes);
    }
});
