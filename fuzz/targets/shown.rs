//! Any JSON in the place of an item as a scheduler shows it: what is put together of it has its id and its signature.

#![no_main]

use ans104::Item;
use libfuzzer_sys::fuzz_target;

use assemble::{HiddenParts, ShownItem};

#[path = "../../importer/src/assemble.rs"]
mod assemble;

fuzz_target!(|bytes: &[u8]| {
    let Ok(shown) = serde_json::from_slice::<ShownItem>(bytes) else { return };
    if let Ok(made) = shown.assemble(&HiddenParts::default()) {
        let item = Item::split(&made).expect("it was split before");
        assert_eq!(item.id().to_string(), shown.id);
        assert!(item.verify().is_ok());
    }
});
