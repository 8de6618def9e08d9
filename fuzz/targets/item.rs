//! Any bytes: what is read as an item is written back the same, with and without its
//! owner, and reading its tags agrees with parsing.

#![no_main]

use ans104::Item;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(item) = Item::split(bytes) else {
        assert!(Item::parse(bytes).is_err());
        return;
    };
    assert_eq!(item.to_vec(), bytes);
    assert_eq!(item.len(), bytes.len());
    let mut detached = Vec::new();
    item.write_detached(&mut detached);
    assert_eq!(detached.len(), item.detached_len());
    assert_eq!(Item::split_detached(&detached, item.owner()), Ok(item));
    assert_eq!(Item::parse(bytes).is_ok(), item.tags().all(|tag| tag.is_ok()));
    let _ = item.check_limits();
    let _ = item.verify();
});
