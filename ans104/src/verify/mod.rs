//! Verifying signatures: one module per family of keys.
//!
//! An item's id is the hash of its signature, so whoever can change a valid signature
//! into another valid one can have a message scheduled twice. Wherever a scheme allows
//! that to somebody without the key, only its canonical form passes.

mod ed25519;
mod rsa;
mod secp256k1;

pub(crate) use secp256k1::personal_digest;

use self::ed25519::{aptos_text, hex_text};
use crate::item::Item;
use crate::signature_type::SignatureType;

/// A signature could not be confirmed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The owner field does not hold a key of the item's type.
    #[error("the owner is not a usable {0:?} key")]
    Owner(SignatureType),
    /// The signature is not the owner's, or not over this item.
    #[error("the {0:?} signature does not match the item and its owner")]
    Signature(SignatureType),
    /// The last byte of an Ethereum signature, which tells the key to recover, is written in another way than the one
    /// that is taken: two ways would give one item two ids.
    #[error(
        "the {signature_type:?} signature ends in the byte {found}, expected 27 or 28; a client whose wallet ends \
         signatures in 0 or 1 adds 27 to that byte before it makes the item"
    )]
    RecoveryByte {
        /// Which kind of signature.
        signature_type: SignatureType,
        /// The byte.
        found: u8,
    },
    /// The cryptographic library failed: nothing is known about the signature.
    #[error("the cryptographic library failed: {0}")]
    Library(String),
}

pub(crate) fn verify(item: &Item<'_>) -> Result<(), VerifyError> {
    let message = item.signature_message();
    let (owner, signature) = (item.owner, item.signature);
    match item.signature_type {
        SignatureType::Arweave => rsa::verify(owner, &message, signature),
        SignatureType::Ed25519 => ed25519::verify(item.signature_type, owner, &message, signature),
        SignatureType::Solana => ed25519::verify(item.signature_type, owner, &hex_text(&message), signature),
        SignatureType::InjectedAptos => {
            ed25519::verify(item.signature_type, owner, &aptos_text(&message), signature)
        }
        SignatureType::MultiAptos => ed25519::verify_threshold(owner, &message, signature),
        SignatureType::Ethereum => secp256k1::verify_personal(owner, &message, signature),
        SignatureType::TypedEthereum => secp256k1::verify_typed(owner, &message, signature),
    }
}

#[cfg(test)]
mod tests;
