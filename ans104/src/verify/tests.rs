#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::cell::Cell;

use aws_lc_rs::digest;
use ed25519_dalek::{Signature, Signer as _, SigningKey, Verifier as _, VerifyingKey};
use openssl::bn::{BigNum, BigNumContext};

use super::*;
use crate::signer::{Draft, EthereumWallet, Signer};

/// Verifies an item of this type, owner and signature over `b"data"`; the signature
/// is made from the message.
fn check(
    signature_type: SignatureType,
    owner: &[u8],
    sign: impl Fn(&[u8]) -> Vec<u8>,
) -> Result<(), VerifyError> {
    let item = Item {
        signature_type,
        signature: &[],
        owner,
        target: None,
        anchor: None,
        tag_count: 0,
        raw_tags: &[],
        data: b"data",
    };
    let signature = sign(&item.signature_message());
    Item { signature: &signature, ..item }.verify()
}

/// What is made of a message before it is signed, or of it by signing.
type Change = dyn Fn(&[u8]) -> Vec<u8>;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

#[test]
fn an_owner_that_is_no_modulus_is_an_error() {
    let owner = Err(VerifyError::Owner(SignatureType::Arweave));
    let signature = Err(VerifyError::Signature(SignatureType::Arweave));
    let mut even = [0xff; 512];
    even[511] = 0xfe;
    let mut short = [0xff; 512];
    short[0] = 0x7f;
    let mut one = [0; 512];
    one[511] = 1;
    let cases =
        [([0; 512], &owner), (even, &owner), (short, &owner), (one, &owner), ([0xff; 512], &signature)];
    for (modulus, expected) in cases {
        for fill in [0, 1, 0xff] {
            let result = check(SignatureType::Arweave, &modulus, |_| vec![fill; 512]);
            assert_eq!(&result, expected, "{:02x}..{:02x}", modulus[0], modulus[511]);
        }
    }
}

#[test]
fn each_wallet_has_its_own_text() {
    let owner = key(1).verifying_key().to_bytes();
    let raw = |message: &[u8]| message.to_vec();
    let hex = |message: &[u8]| -> Vec<u8> {
        message.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into_bytes()
    };
    let aptos = move |message: &[u8]| {
        let text = String::from_utf8(hex(message)).unwrap();
        format!("APTOS\nmessage: {text}\nnonce: bundlr").into_bytes()
    };
    let types = [SignatureType::Ed25519, SignatureType::Solana, SignatureType::InjectedAptos];
    let texts: [Box<Change>; 3] = [Box::new(raw), Box::new(hex), Box::new(aptos)];
    for (i, signature_type) in types.into_iter().enumerate() {
        for (j, text) in texts.iter().enumerate() {
            let sign = |message: &[u8]| key(1).sign(&text(message)).to_bytes().to_vec();
            let right = check(signature_type, &owner, sign).is_ok();
            assert_eq!(right, i == j, "{signature_type:?} with text {j}");
        }
    }
}

#[test]
fn weak_ed25519_keys_sign_nothing() {
    // With the neutral element as key and nonce, s = 0 solves the equation for all messages.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let signature = [neutral, [0; 32]].concat();
    let result = check(SignatureType::Ed25519, &neutral, |_| signature.clone());
    assert_eq!(result, Err(VerifyError::Signature(SignatureType::Ed25519)));
}

#[test]
fn nonces_of_small_order_are_refused() {
    // The neutral element as nonce, with the key's own secret number times the hash: only who looks for it refuses it.
    let number = |little_endian: &[u8]| {
        let big_endian: Vec<u8> = little_endian.iter().rev().copied().collect();
        BigNum::from_slice(&big_endian).unwrap()
    };
    let order = "7237005577332262213973186563042994240857116359379907606001950938285454250989";
    let order = BigNum::from_dec_str(order).unwrap();
    let (secret, owner) = (number(&key(1).to_scalar().to_bytes()), key(1).verifying_key());
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let sign = |message: &[u8]| {
        let hashed = [&neutral, owner.as_bytes(), message].concat();
        let hash = number(digest::digest(&digest::SHA512, &hashed).as_ref());
        let mut response = BigNum::new().unwrap();
        response.mod_mul(&secret, &hash, &order, &mut BigNumContext::new().unwrap()).unwrap();
        let mut signature = [neutral, [0; 32]].concat();
        for (place, byte) in response.to_vec().iter().rev().enumerate() {
            signature[32 + place] = *byte;
        }
        signature
    };
    let message = b"any";
    let signature = Signature::from_slice(&sign(message)).unwrap();
    owner.verify(message, &signature).expect("the equation holds");
    owner.verify_strict(message, &signature).expect_err("it is weak");
    let wrong = Err(VerifyError::Signature(SignatureType::Ed25519));
    assert_eq!(check(SignatureType::Ed25519, owner.as_bytes(), sign), wrong);
}

#[test]
fn all_points_of_small_order_are_known() {
    let mut found = 0;
    for point in super::ed25519::SMALL_ORDER {
        for high in [0, 0x80] {
            let mut point = point;
            point[31] |= high;
            let Ok(key) = VerifyingKey::from_bytes(&point) else { continue };
            assert!(key.is_weak(), "{point:02x?}");
            // The two points whose x is 0 have one form each, in which the bit is not set.
            found += u8::from(key.to_edwards().compress().to_bytes() == point);
        }
    }
    assert_eq!(found, 8);
}

/// What an Aptos multi-signature of these places over a message is.
fn signed_by(places: &[u8]) -> impl Fn(&[u8]) -> Vec<u8> {
    move |message| {
        let mut signature = vec![0; 2052];
        for &place in places {
            let at = usize::from(place) * 64;
            signature[at..at + 64].copy_from_slice(&key(place).sign(message).to_bytes());
            signature[2048 + usize::from(place) / 8] |= 0x80 >> (place % 8);
        }
        signature
    }
}

#[test]
fn a_threshold_of_aptos_keys_has_to_sign() {
    let mut owner = [0; 1025];
    for place in [0, 1, 2, 31] {
        let at = usize::from(place) * 32;
        owner[at..at + 32].copy_from_slice(&key(place).verifying_key().to_bytes());
    }
    let mut check_with = |threshold: u8, sign: &Change| {
        owner[1024] = threshold;
        check(SignatureType::MultiAptos, &owner, sign)
    };
    let wrong_owner = Err(VerifyError::Owner(SignatureType::MultiAptos));
    let wrong = Err(VerifyError::Signature(SignatureType::MultiAptos));

    assert_eq!(check_with(2, &signed_by(&[0, 31])), Ok(()));
    assert_eq!(check_with(b'2', &signed_by(&[1, 2])), Ok(()), "as Irys writes it");
    assert_eq!(check_with(2, &signed_by(&[0, 1, 2, 31])), Ok(()));
    assert_eq!(check_with(3, &signed_by(&[0, 31])), wrong);
    assert_eq!(check_with(1, &signed_by(&[])), wrong, "nobody signed");
    assert_eq!(check_with(1, &signed_by(&[0, 3])), wrong, "place 3 has no key");
    for threshold in [0, 33, b'0', 255] {
        assert_eq!(check_with(threshold, &signed_by(&[0, 1])), wrong_owner, "{threshold}");
    }
    let filled = |message: &[u8]| {
        let mut signature = signed_by(&[0, 1])(message);
        signature[10 * 64] = 1;
        signature
    };
    assert_eq!(check_with(2, &filled), wrong, "a second id for the same item");
    let swapped = |message: &[u8]| {
        let mut signature = signed_by(&[0, 1])(message);
        signature[..128].rotate_left(64);
        signature
    };
    assert_eq!(check_with(2, &swapped), wrong);
}

#[test]
fn an_ethereum_signature_has_one_form() {
    let wallet = EthereumWallet::from_bytes([9; 32]).unwrap();
    let check_with = |change: &dyn Fn(&mut Vec<u8>)| {
        check(SignatureType::Ethereum, wallet.owner(), |message| {
            let mut signature = wallet.sign(message).unwrap();
            change(&mut signature);
            signature
        })
    };
    let wrong = Err(VerifyError::Signature(SignatureType::Ethereum));
    assert_eq!(check_with(&|_| {}), Ok(()));
    let signature_type = SignatureType::Ethereum;
    let ending_in = |found| Err(VerifyError::RecoveryByte { signature_type, found });
    for (change, name) in [(-27, "0 or 1 for 27 or 28"), (8, "35 or 36"), (-128, "155 or 156")] {
        let found = Cell::new(0);
        let result = check_with(&|signature| {
            signature[64] = signature[64].wrapping_add_signed(change);
            found.set(signature[64]);
        });
        assert_eq!(result, ending_in(found.get()), "{name}");
    }
    assert_eq!(check_with(&|signature| signature[64] ^= 7), wrong, "28 for 27");
    assert_eq!(check_with(&|signature| signature[..64].fill(0)), wrong);
    assert_eq!(check_with(&|signature| signature[..64].fill(0xff)), wrong);
    let mirrored = |signature: &mut Vec<u8>| {
        let negated = -*k256::ecdsa::Signature::from_slice(&signature[..64]).unwrap().s();
        signature[32..64].copy_from_slice(&negated.to_bytes());
        signature[64] ^= 7;
    };
    assert_eq!(check_with(&mirrored), wrong, "the other s of the same signature");
}

#[test]
fn an_owner_that_is_no_ethereum_key_is_an_error() {
    let signed = |owner: &[u8], signature_type| check(signature_type, owner, |_| vec![1; 65]);
    let personal = VerifyError::Owner(SignatureType::Ethereum);
    assert_eq!(signed(&[0; 65], SignatureType::Ethereum), Err(personal.clone()));
    assert_eq!(signed(&[4; 65], SignatureType::Ethereum), Err(personal));
    let typed = Err(VerifyError::Owner(SignatureType::TypedEthereum));
    for text in ["0x", "1x", "0X"] {
        let owner = format!("{text:g<42}");
        assert_eq!(signed(owner.as_bytes(), SignatureType::TypedEthereum), typed, "{owner}");
    }
    assert_eq!(signed(format!("1x{:040}", 0).as_bytes(), SignatureType::TypedEthereum), typed);
}

#[test]
fn a_typed_owner_may_be_in_either_case() {
    let key = k256::ecdsa::SigningKey::from_slice(&[9; 32]).unwrap();
    let address = secp256k1::address_of(key.verifying_key());
    let digits: String = address.iter().map(|byte| format!("{byte:02x}")).collect();
    for digits in [digits.clone(), digits.to_uppercase()] {
        let owner = format!("0x{digits}");
        let result = check(SignatureType::TypedEthereum, owner.as_bytes(), |message| {
            let digest = secp256k1::typed_digest(&address, message);
            let (signature, id) = key.sign_prehash_recoverable(&digest);
            [signature.to_bytes().as_slice(), &[27 + id.to_byte()]].concat()
        });
        assert_eq!(result, Ok(()), "{owner}");
    }
}

#[test]
fn drafts_of_other_keys_do_not_verify() {
    let [mine, other] = [[9; 32], [8; 32]].map(|key| EthereumWallet::from_bytes(key).unwrap());
    let bytes = Draft::default().sign(&mine).unwrap();
    let item = Item::parse(&bytes).unwrap();
    let stolen = Item { owner: other.owner(), ..item };
    assert_eq!(stolen.verify(), Err(VerifyError::Signature(SignatureType::Ethereum)));
}
