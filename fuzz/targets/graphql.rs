//! Any text as a GraphQL document: it is read within the bounds or refused, and before libFuzzer's time limit.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../api/src/graphql/bounds.rs"]
mod bounds;

fuzz_target!(|text: &str| {
    if let Err(error) = bounds::parse(text) {
        assert!(!error.message.is_empty());
    }
});
