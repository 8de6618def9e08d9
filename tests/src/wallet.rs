//! The wallets that nodes of the tests have.

use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use ans104::{KeyType, Wallet};

/// A file with an RSA key, as most schedulers have.
///
/// # Panics
/// When it cannot be made.
pub fn wallet_file() -> PathBuf {
    wallet_file_of(KeyType::Rsa)
}

/// A file with a key of this kind. Finding one for RSA takes seconds, so each is made once and kept among what was
/// built.
///
/// # Panics
/// When it cannot be made.
pub fn wallet_file_of(key_type: KeyType) -> PathBuf {
    let test = env::current_exe().expect("a program knows its own path");
    let folder = test.parent().expect("a program is in a folder");
    let path = folder.join(format!("quipu-tests-{}-wallet.json", key_type.as_str()));
    if !path.exists() {
        let fresh = tempfile::NamedTempFile::new_in(folder).expect("the target folder can be written to");
        let wallet = Wallet::generate(key_type).expect("a key");
        fs::write(fresh.path(), wallet.to_jwk().as_bytes()).expect("the key is written");
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
