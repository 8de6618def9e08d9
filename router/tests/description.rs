//! The OpenAPI descriptions that are checked in are those of the code.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::path::Path;

/// Set to write the files instead of comparing with them.
const WRITE: &str = "QUIPU_WRITE_OPENAPI";

fn check(file: &str, described: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../openapi").join(file);
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, described).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == described, "openapi/{file} is stale: run this test again with {WRITE}=1 and commit it");
}

#[test]
fn the_public_description_is_fresh() {
    check("router.json", &router::public_openapi());
}

#[test]
fn the_operators_description_is_fresh() {
    check("router-admin.json", &router::admin_openapi());
}
