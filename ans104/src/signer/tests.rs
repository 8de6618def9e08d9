#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use serde_json::{Value, json};

use super::*;
use crate::base64url;

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

/// A key file that its holder changes.
#[derive(Clone)]
struct KeyFile(Value);

impl KeyFile {
    fn of(wallet: &Wallet) -> KeyFile {
        KeyFile(serde_json::from_str(&wallet.to_jwk()).unwrap())
    }

    fn with(&self, name: &str, value: impl Into<Value>) -> KeyFile {
        let mut file = self.clone();
        file.0[name] = value.into();
        file
    }

    fn without(&self, names: &[&str]) -> KeyFile {
        let mut file = self.clone();
        file.0.as_object_mut().unwrap().retain(|name, _| !names.contains(&name.as_str()));
        file
    }

    fn read(&self) -> Result<Wallet, WalletError> {
        Wallet::from_jwk(&self.0.to_string())
    }

    fn error(&self) -> WalletError {
        self.read().expect_err("no wallet")
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        base64url::decode(self.0[name].as_str().unwrap()).unwrap()
    }
}

fn check_signs(wallet: &Wallet) {
    let bytes = Draft { data: b"data", ..Draft::default() }.sign(wallet).unwrap();
    let item = Item::parse(&bytes).unwrap();
    assert_eq!(item.verify(), Ok(()));
    assert_eq!((item.owner(), item.address()), (wallet.owner(), wallet.address()));
    assert_eq!(item.signature_type(), wallet.key_type().signature_type());
}

#[test]
fn each_kind_signs_and_survives_its_file() {
    for key_type in KeyType::ALL {
        let wallet = Wallet::generate(key_type).unwrap();
        assert_eq!(wallet.key_type(), key_type);
        check_signs(&wallet);
        let again = Wallet::from_jwk(&wallet.to_jwk()).unwrap();
        assert_eq!((again.key_type(), again.owner()), (key_type, wallet.owner()));
        assert_eq!(again.to_jwk(), wallet.to_jwk());
        check_signs(&again);
        assert_ne!(Wallet::generate(key_type).unwrap().address(), wallet.address());
        assert_eq!(key_type.as_str().parse(), Ok(key_type));
        // What a log line may hold: the address, and nothing of the key.
        let shown = format!("{wallet:?}");
        assert!(shown.contains(&wallet.address().to_string()) && shown.len() < 80, "{shown}");
    }
    assert!("RSA".parse::<KeyType>().is_err());
}

#[test]
fn an_rsa_key_is_completed_and_held_together() {
    let wallet = Wallet::generate(KeyType::Rsa).unwrap();
    let file = KeyFile::of(&wallet);
    // HyperBEAM writes modulus and both exponents, the public one in four bytes, and no prime.
    let hyperbeam = file.without(&["p", "q", "dp", "dq", "qi"]).with("ext", true).with("e", "AAEAAQ");
    let some = [&["qi"][..], &["dp", "dq", "qi"], &["p"], &["q", "dp"]];
    for same in some.map(|names| file.without(names)).into_iter().chain([hyperbeam]) {
        let again = same.read().unwrap();
        assert_eq!(again.to_jwk(), wallet.to_jwk());
        check_signs(&again);
    }

    for (changed, error) in [
        (file.with("kty", "EC"), WalletError::MissingField("crv")),
        (file.with("kty", "oct"), WalletError::NoKeyType),
        (file.with("e", "Aw"), WalletError::Exponent),
        (file.with("d", 5), WalletError::MalformedField("d")),
        (file.with("d", "="), WalletError::MalformedField("d")),
        (file.with("d", "AQ"), WalletError::Rejected),
        (file.with("p", "AQ"), WalletError::Rejected),
        (file.with("p", file.0["q"].clone()), WalletError::Rejected),
        (file.with("qi", "AQ"), WalletError::Rejected),
    ] {
        assert_eq!(changed.error(), error);
    }
    for name in ["kty", "n", "e", "d"] {
        assert_eq!(file.without(&[name]).error(), WalletError::MissingField(name));
    }
}

#[test]
fn primes_are_not_looked_for_for_ever() {
    let file = KeyFile::of(&Wallet::generate(KeyType::Rsa).unwrap()).without(&["p", "q"]);
    let mut other = file.bytes("d");
    other[5] ^= 4;
    let even = base64url::encode(&[&[0xff; 511][..], &[0xfe]].concat());
    for changed in [
        file.with("d", "AQ"),
        file.with("d", "Ag"),
        file.with("d", ""),
        file.with("d", base64url::encode(&other)),
        file.with("d", base64url::encode(&[0xff; 513])),
        file.with("n", even),
        file.with("n", base64url::encode(&[0xff; 512])),
    ] {
        assert_eq!(changed.error(), WalletError::Rejected);
    }
}

#[test]
fn a_secp256k1_key_is_read_as_others_write_it() {
    // The key 1: its point is the base point of the curve (SEC 2, 2.4.1).
    let x = "eb5mfvncu6xVoGKVzocLBwKb_NstzijZWfKBWxb4F5g";
    let y = "SDradyajxGVdpPv8DhEIqP0XtEimhVQZnEfQj_sQ1Lg";
    let file = KeyFile(json!({"kty": "EC", "crv": "secp256k1", "x": x, "y": y, "d": "AQ"}));
    let wallet = file.read().unwrap();
    let point = [vec![4], base64url::decode(x).unwrap(), base64url::decode(y).unwrap()].concat();
    assert_eq!(wallet.owner(), point);
    check_signs(&wallet);
    let full = KeyFile::of(&wallet);
    assert_eq!(full.bytes("d"), [&[0; 31][..], &[1]].concat());
    assert_eq!((&full.0["x"], &full.0["y"]), (&json!(x), &json!(y)));
    // HyperBEAM writes no point, though it reads one.
    assert_eq!(file.without(&["x", "y"]).read().unwrap().owner(), point);

    let order = "_____________________rqu3OavSKA7v9JejNA2QUE";
    for (changed, error) in [
        (file.with("crv", "P-256"), WalletError::Curve { expected: "secp256k1" }),
        (file.with("crv", 1), WalletError::Curve { expected: "secp256k1" }),
        (file.without(&["crv"]), WalletError::MissingField("crv")),
        (file.without(&["d"]), WalletError::MissingField("d")),
        (file.with("d", "AQ=="), WalletError::MalformedField("d")),
        (file.with("d", ""), WalletError::Rejected),
        (file.with("d", "AA"), WalletError::Rejected),
        (file.with("d", order), WalletError::Rejected),
        (
            file.with("d", base64url::encode(&[1; 33])),
            WalletError::FieldLength { field: "d", expected: 32, found: 33 },
        ),
        (file.with("x", y), WalletError::Rejected),
        (file.with("y", x), WalletError::Rejected),
        (
            file.with("y", base64url::encode(&[1; 40])),
            WalletError::FieldLength { field: "y", expected: 32, found: 40 },
        ),
        (file.with("x", 1), WalletError::MalformedField("x")),
    ] {
        assert_eq!(changed.error(), error);
    }
}

#[test]
fn an_ed25519_key_is_read_as_others_write_it() {
    // RFC 8037, appendix A.1.
    let (d, x) =
        ("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    let file = KeyFile(json!({"kty": "OKP", "alg": "EdDSA", "crv": "Ed25519", "x": x, "d": d}));
    let wallet = file.read().unwrap();
    assert_eq!(wallet.owner(), base64url::decode(x).unwrap());
    check_signs(&wallet);
    assert_eq!(KeyFile::of(&wallet).0, file.0, "as HyperBEAM writes it");
    assert_eq!(file.without(&["x", "alg"]).read().unwrap().owner(), wallet.owner());

    let length = |found| WalletError::FieldLength { field: "d", expected: 32, found };
    for (changed, error) in [
        (file.with("crv", "X25519"), WalletError::Curve { expected: "Ed25519" }),
        (file.without(&["crv"]), WalletError::MissingField("crv")),
        (file.without(&["d"]), WalletError::MissingField("d")),
        (file.with("d", "AQ"), length(1)),
        (file.with("d", base64url::encode(&[1; 64])), length(64)),
        (file.with("x", d), WalletError::Rejected),
        (file.with("x", "AQ"), WalletError::Rejected),
    ] {
        assert_eq!(changed.error(), error);
    }
}

#[test]
fn what_is_no_wallet_is_refused() {
    let small = base64url::encode(&[0xff; 256]);
    let cases = [
        ("", WalletError::NotJson { line: 1, column: 0 }),
        ("{\"kty\":", WalletError::NotJson { line: 1, column: 7 }),
        ("[]", WalletError::NotObject),
        ("\"secret\"", WalletError::NotObject),
        ("{}", WalletError::MissingField("kty")),
        ("{\"kty\":5}", WalletError::NoKeyType),
        ("{\"kty\":\"rsa\"}", WalletError::NoKeyType),
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
    let n = base64url::encode(&[0xff; 512]);
    for (p, q) in [("", ""), ("AQ", "AQ"), ("", "AQ"), ("Ag", "Ag"), ("Ag", "BA")] {
        let text = json!({"kty": "RSA", "n": n, "e": "AQAB", "d": "AQ", "p": p, "q": q});
        assert_eq!(Wallet::from_jwk(&text.to_string()).err(), Some(WalletError::Rejected));
    }
}
