//! Ed25519 over the signature message or over what a wallet makes of it.
//!
//! The check is the strict one: no key or nonce of small order, no second form of the
//! same signature.

use ed25519_dalek::{Signature, Verifier, VerifyingKey};

use super::VerifyError;
use crate::signature_type::SignatureType;

const SIGNATURE_LEN: usize = 64;
const MULTI_KEYS: usize = 32;

/// The points of small order, but for the highest bit, which tells two with the same y apart. That a nonce is none of
/// them is seen from its bytes, since no other form of a point passes as a nonce: to make points of all nonces, as the
/// library's own strict check does, takes a tenth of the time that a signature takes.
pub(super) const SMALL_ORDER: [[u8; 32]; 5] = [
    [
        0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    ],
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
    ],
    [
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    ],
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
        0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
        0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
];

pub(super) fn verify(
    signature_type: SignatureType,
    owner: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), VerifyError> {
    let key: &[u8; 32] = owner.try_into().map_err(|_| VerifyError::Owner(signature_type))?;
    let key = VerifyingKey::from_bytes(key).map_err(|_| VerifyError::Owner(signature_type))?;
    let wrong = VerifyError::Signature(signature_type);
    let signature = Signature::from_slice(signature).map_err(|_| wrong.clone())?;
    if key.is_weak() || has_small_order(*signature.r_bytes()) {
        return Err(wrong);
    }
    key.verify(message, &signature).map_err(|_| wrong)
}

fn has_small_order(mut nonce: [u8; 32]) -> bool {
    let [.., highest] = &mut nonce;
    *highest &= 0x7f;
    SMALL_ORDER.contains(&nonce)
}

/// A multi-signature of Aptos as arbundles lays it out (`multiSignatureAptos.ts`): 32
/// places for keys and a threshold; 32 places for signatures and a bitmap, highest bit
/// first, of the places that signed. Each of those has to be right and there have to be
/// as many as the threshold says. arbundles does not look at the threshold, and
/// with it an item that nobody signed would pass. Places that did not sign are zero:
/// else anybody could fill them to make another id.
pub(super) fn verify_threshold(owner: &[u8], message: &[u8], signature: &[u8]) -> Result<(), VerifyError> {
    let signature_type = SignatureType::MultiAptos;
    let wrong = VerifyError::Signature(signature_type);
    let (keys, threshold) = owner.as_chunks::<32>();
    let threshold = match threshold {
        [byte] => read_threshold(*byte).ok_or(VerifyError::Owner(signature_type))?,
        _ => return Err(VerifyError::Owner(signature_type)),
    };
    let (signatures, bitmap) = signature.as_chunks::<SIGNATURE_LEN>();
    let bitmap = bitmap.try_into().map_err(|_| wrong.clone())?;
    let bitmap = u32::from_be_bytes(bitmap);
    if bitmap.count_ones() < threshold {
        return Err(wrong);
    }
    for (place, (key, signature)) in keys.iter().zip(signatures).enumerate() {
        let signed = bitmap & (1 << (MULTI_KEYS - 1 - place)) != 0;
        if signed {
            verify(signature_type, key, message, signature)?;
        } else if signature != &[0; SIGNATURE_LEN] {
            return Err(wrong);
        }
    }
    Ok(())
}

/// A number from 1 to 32. The Irys client, the one that makes such owners, writes it
/// as a decimal digit instead, which is no number in that range.
fn read_threshold(byte: u8) -> Option<u32> {
    match byte {
        1..=32 => Some(u32::from(byte)),
        b'1'..=b'9' => Some(u32::from(byte - b'0')),
        _ => None,
    }
}

/// The message in lower-case hexadecimal, which Solana wallets are given to sign.
pub(super) fn hex_text(message: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    message
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| DIGITS.get(usize::from(digit)).copied())
        .collect()
}

/// What an Aptos wallet signs when arbundles asks it to (`InjectedAptosSigner.ts`).
pub(super) fn aptos_text(message: &[u8]) -> Vec<u8> {
    [b"APTOS\nmessage: ".as_slice(), &hex_text(message), b"\nnonce: bundlr"].concat()
}
