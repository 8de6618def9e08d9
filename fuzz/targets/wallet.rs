//! Any text in the place of a key file: what is read as a wallet is written and read back as the same one, and signs
//! what verifies.

#![no_main]

use ans104::{Draft, Item, Signer, Wallet};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(wallet) = Wallet::from_jwk(text) else {
        return;
    };
    let again = Wallet::from_jwk(&wallet.to_jwk()).expect("written just now");
    assert_eq!((again.key_type(), again.owner()), (wallet.key_type(), wallet.owner()));
    let bytes = Draft::default().sign(&again).expect("a key that was read signs");
    let item = Item::parse(&bytes).expect("signed just now");
    assert_eq!((item.verify(), item.address()), (Ok(()), wallet.address()));
});
