#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use serde_json::{Value, json};

use super::*;

/// A signer whose fields are as long as it is told.
struct Crooked(usize, usize);

impl Signer for Crooked {
    fn signature_type(&self) -> SignatureType {
        SignatureType::Ed25519
    }
    fn owner(&self) -> &[u8] {
        &[7; 64][..self.0]
    }
    fn address(&self) -> Address {
        Address::of_owner(self.owner())
    }
    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, SignError> {
        Ok(vec![0; self.1])
    }
}

#[test]
fn a_signer_cannot_make_a_crooked_item() {
    assert!(Draft::default().sign(&Crooked(32, 64)).is_ok());
    for (signer, field, expected, found) in
        [(Crooked(33, 64), "owner", 32, 33), (Crooked(32, 65), "signature", 64, 65)]
    {
        let error = Err(SignError::Length { field, expected, found });
        assert_eq!(Draft::default().sign(&signer), error);
    }
}

#[test]
fn an_ethereum_key_is_in_range() {
    for secret in [[0; 32], [0xff; 32]] {
        assert_eq!(EthereumWallet::from_bytes(secret).err(), Some(WalletError::Rejected));
    }
}

#[test]
fn a_wallet_signs_and_survives_its_file() {
    let wallet = Wallet::generate().unwrap();
    let text = wallet.to_jwk();
    let key: Value = serde_json::from_str(&text).unwrap();
    let bytes = Draft { data: b"data", ..Draft::default() }.sign(&wallet).unwrap();
    let item = Item::parse(&bytes).unwrap();
    assert_eq!(item.verify(), Ok(()));
    assert_eq!((item.owner(), item.address()), (wallet.owner(), wallet.address()));

    let without = |names: &[&str]| {
        let mut key = key.clone();
        let fields = key.as_object_mut().unwrap();
        fields.retain(|name, _| !names.contains(&name.as_str()));
        key.to_string()
    };
    for same in [text.clone(), without(&["qi"]), without(&["dp", "dq", "qi"])] {
        let again = Wallet::from_jwk(&same).unwrap();
        assert_eq!(again.to_jwk(), text);
        let bytes = Draft::default().sign(&again).unwrap();
        assert_eq!(Item::parse(&bytes).unwrap().verify(), Ok(()));
    }

    let with = |name: &str, value: Value| {
        let mut key = key.clone();
        key[name] = value;
        key.to_string()
    };
    let rejected = [
        (with("kty", json!("EC")), WalletError::NotRsa),
        (with("e", json!("Aw")), WalletError::Exponent),
        (with("d", json!(5)), WalletError::MalformedField("d")),
        (with("d", json!("=")), WalletError::MalformedField("d")),
        (with("d", json!("AQ")), WalletError::Rejected),
        (with("p", json!("AQ")), WalletError::Rejected),
        (with("p", key["q"].clone()), WalletError::Rejected),
        (with("qi", json!("AQ")), WalletError::Rejected),
    ];
    for (text, error) in rejected {
        assert_eq!(Wallet::from_jwk(&text).err(), Some(error));
    }
    for name in ["kty", "n", "e", "d", "p", "q"] {
        let error = Wallet::from_jwk(&without(&[name])).err();
        assert_eq!(error, Some(WalletError::MissingField(name)));
    }
    assert_eq!(format!("{wallet:?}"), format!("Wallet({})", wallet.address()));
}

#[test]
fn what_is_no_wallet_is_refused() {
    let small = crate::base64url::encode(&[0xff; 256]);
    let cases = [
        ("", WalletError::NotJson { line: 1, column: 0 }),
        ("{\"kty\":", WalletError::NotJson { line: 1, column: 7 }),
        ("[]", WalletError::NotObject),
        ("\"secret\"", WalletError::NotObject),
        ("{}", WalletError::MissingField("kty")),
        ("{\"kty\":5}", WalletError::NotRsa),
        ("{\"kty\":\"RSA\",\"n\":\"!\"}", WalletError::MalformedField("n")),
        ("{\"kty\":\"RSA\",\"n\":\"\"}", WalletError::KeySize(0)),
        (&format!("{{\"kty\":\"RSA\",\"n\":\"{small}\"}}"), WalletError::KeySize(2048)),
    ];
    for (text, error) in cases {
        assert_eq!(Wallet::from_jwk(text).err(), Some(error), "{text}");
    }
}

#[test]
fn primes_that_are_none_do_not_hang_or_panic() {
    // Without CRT numbers, they are computed from what the file says.
    let n = crate::base64url::encode(&[0xff; 512]);
    for (p, q) in [("", ""), ("AQ", "AQ"), ("", "AQ"), ("Ag", "Ag"), ("Ag", "BA")] {
        let text = json!({"kty": "RSA", "n": n, "e": "AQAB", "d": "AQ", "p": p, "q": q});
        assert_eq!(Wallet::from_jwk(&text.to_string()).err(), Some(WalletError::Rejected));
    }
}
