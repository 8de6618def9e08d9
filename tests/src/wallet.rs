//! The scheduler's wallet that all nodes of the tests have.

use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use ans104::Wallet;

/// A file with an RSA key. Finding one takes seconds, so it is made once and kept among what was built.
///
/// # Panics
/// When it cannot be made.
pub fn wallet_file() -> PathBuf {
    let test = env::current_exe().expect("a program knows its own path");
    let folder = test.parent().expect("a program is in a folder");
    let path = folder.join("quipu-tests-wallet.json");
    if !path.exists() {
        let fresh = tempfile::NamedTempFile::new_in(folder).expect("the target folder can be written to");
        fs::write(fresh.path(), Wallet::generate().expect("a key").to_jwk()).expect("the key is written");
        // Tests are processes and begin together: the first one to be done wins, and all use its key.
        match fs::hard_link(fresh.path(), &path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                panic!("cannot keep the wallet: {error}")
            }
            _ => {}
        }
    }
    path
}
