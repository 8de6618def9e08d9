//! An Ed25519 key, the cheapest to sign with.

use std::fmt;

use ed25519_dalek::{Signer as _, SigningKey};

use super::{SignError, Signer};
use crate::id::Address;
use crate::signature_type::SignatureType;

/// An Ed25519 key.
pub struct Ed25519Wallet {
    key: SigningKey,
    owner: [u8; 32],
    address: Address,
}

impl Ed25519Wallet {
    /// The key that grows from this seed. Any 32 bytes are one.
    pub fn from_seed(seed: [u8; 32]) -> Ed25519Wallet {
        let key = SigningKey::from_bytes(&seed);
        let owner = key.verifying_key().to_bytes();
        Ed25519Wallet { key, owner, address: Address::of_owner(&owner) }
    }
}

impl Signer for Ed25519Wallet {
    fn signature_type(&self) -> SignatureType {
        SignatureType::Ed25519
    }

    fn owner(&self) -> &[u8] {
        &self.owner
    }

    fn address(&self) -> Address {
        self.address
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        Ok(self.key.sign(message).to_bytes().to_vec())
    }
}

impl fmt::Debug for Ed25519Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ed25519Wallet({})", self.address)
    }
}
