//! Where things are that are not part of this crate.

use std::env;
use std::path::{Path, PathBuf};

/// The binary: `QUIPU_BIN`, or the one that was built beside this test.
///
/// # Panics
/// When there is none.
pub fn quipu() -> PathBuf {
    let built = || {
        let test = env::current_exe().expect("a program knows its own path");
        let profile = test.ancestors().nth(2).expect("tests are in `deps` of the profile's folder");
        profile.join("quipu")
    };
    let path = env::var_os("QUIPU_BIN").map_or_else(built, PathBuf::from);
    assert!(path.is_file(), "{} is missing: build it with `cargo build --release -p quipu`", path.display());
    path
}

/// The root of the workspace.
pub fn workspace() -> &'static Path {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder.parent().expect("the crate is in a folder of the workspace")
}

/// The recording of a scenario that was played against the reference scheduler.
pub(crate) fn conformance() -> PathBuf {
    data("conformance")
}

/// Data of the tests themselves.
pub fn data(name: &str) -> PathBuf {
    workspace().join("tests/data").join(name)
}

/// The items that other implementations signed.
pub fn vectors() -> PathBuf {
    data("vectors")
}
