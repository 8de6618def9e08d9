//! The OpenAPI descriptions that are checked in.

use std::path::Path;

/// Set to write the files instead of comparing with them.
const WRITE: &str = "QUIPU_WRITE_OPENAPI";

/// Holds a description that the code gives of itself against the file of this name in `openapi/`.
///
/// # Panics
/// When they differ.
pub fn check_description(file: &str, described: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../openapi").join(file);
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, described).expect("the folder of the descriptions can be written to");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == described, "openapi/{file} is stale: run this test again with {WRITE}=1 and commit it");
}
