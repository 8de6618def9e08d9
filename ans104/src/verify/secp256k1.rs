//! Ethereum's signatures: 64 bytes of ECDSA over secp256k1 and one, 27 or 28, from which
//! the signer's key is recovered. The upper half of the range of `s` is refused, as are
//! other ways to write the last byte: both would give a second id to the same message.

use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use sha3::{Digest, Keccak256};

use super::VerifyError;
use crate::signature_type::SignatureType;

/// The owner is the uncompressed key.
pub(super) fn verify_personal(owner: &[u8], message: &[u8], signature: &[u8]) -> Result<(), VerifyError> {
    let signature_type = SignatureType::Ethereum;
    let key = VerifyingKey::from_sec1_bytes(owner).map_err(|_| VerifyError::Owner(signature_type))?;
    match recover(signature_type, &personal_digest(message), signature)? {
        Some(recovered) if recovered == key => Ok(()),
        _ => Err(VerifyError::Signature(signature_type)),
    }
}

/// The owner is the address as text, in upper or lower case.
pub(super) fn verify_typed(owner: &[u8], message: &[u8], signature: &[u8]) -> Result<(), VerifyError> {
    let signature_type = SignatureType::TypedEthereum;
    let address = parse_address(owner).ok_or(VerifyError::Owner(signature_type))?;
    match recover(signature_type, &typed_digest(&address, message), signature)? {
        Some(recovered) if address_of(&recovered) == address => Ok(()),
        _ => Err(VerifyError::Signature(signature_type)),
    }
}

/// What `personal_sign` signs.
pub(crate) fn personal_digest(message: &[u8]) -> [u8; 32] {
    let prefix = format!("\x19Ethereum Signed Message:\n{}", message.len());
    keccak(&[prefix.as_bytes(), message])
}

/// The address of a key: the end of the hash of its coordinates.
pub(super) fn address_of(key: &VerifyingKey) -> [u8; 20] {
    let point = key.to_sec1_point(false);
    let coordinates = point.as_bytes().get(1..).unwrap_or_default();
    let mut address = [0; 20];
    if let Some(end) = keccak(&[coordinates]).last_chunk() {
        address = *end;
    }
    address
}

/// What EIP-712 signs of the structure that arbundles defines
/// (`TypedEthereumSigner.ts`).
pub(super) fn typed_digest(address: &[u8; 20], message: &[u8]) -> [u8; 32] {
    let domain = keccak(&[
        &keccak(&[b"EIP712Domain(string name,string version)"]),
        &keccak(&[b"Bundlr"]),
        &keccak(&[b"1"]),
    ]);
    let content = keccak(&[
        &keccak(&[b"Bundlr(bytes Transaction hash,address address)"]),
        &keccak(&[message]),
        &[0; 12],
        address,
    ]);
    keccak(&[b"\x19\x01", &domain, &content])
}

/// The key that made a signature, if it can be one's at all.
fn recover(
    signature_type: SignatureType,
    digest: &[u8; 32],
    signature: &[u8],
) -> Result<Option<VerifyingKey>, VerifyError> {
    let Some((signature, last)) = signature.split_first_chunk::<64>() else { return Ok(None) };
    let parity = match last {
        [27] => 0,
        [28] => 1,
        [found] => return Err(VerifyError::RecoveryByte { signature_type, found: *found }),
        _ => return Ok(None),
    };
    let signature = Signature::from_slice(signature).ok().filter(|given| *given == given.normalize_s());
    let recovered = signature.zip(RecoveryId::from_byte(parity));
    Ok(recovered.and_then(|(signature, id)| VerifyingKey::recover_from_prehash(digest, &signature, id).ok()))
}

fn parse_address(text: &[u8]) -> Option<[u8; 20]> {
    let digits: &[u8; 40] = text.strip_prefix(b"0x")?.try_into().ok()?;
    let (pairs, _) = digits.as_chunks::<2>();
    let mut address = [0; 20];
    for (byte, pair) in address.iter_mut().zip(pairs) {
        let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
        *byte = u8::try_from(high? * 16 + low?).ok()?;
    }
    Some(address)
}

fn keccak(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Keccak256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}
