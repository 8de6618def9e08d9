//! An Ed25519 key, the cheapest to sign with.

use std::fmt;

use aws_lc_rs::rand;
use aws_lc_rs::signature::Ed25519KeyPair;
use ed25519_dalek::SigningKey;
use zeroize::Zeroizing;

use super::jwk::{Fields, Secret, WalletError, write};
use super::{SignError, Signer};
use crate::id::Address;
use crate::signature_type::SignatureType;

/// The curve's name in key files.
const CURVE: &str = "Ed25519";

/// An Ed25519 key.
pub struct Ed25519Wallet {
    /// Signs in half of the time that the library needs which verifies; none if it should refuse the seed.
    key: Option<Ed25519KeyPair>,
    seed: Zeroizing<[u8; 32]>,
    owner: [u8; 32],
    address: Address,
}

impl Ed25519Wallet {
    /// The key that grows from this seed. Any 32 bytes are one.
    pub fn from_seed(seed: [u8; 32]) -> Ed25519Wallet {
        let seed = Zeroizing::new(seed);
        let owner = SigningKey::from_bytes(&seed).verifying_key().to_bytes();
        let key = Ed25519KeyPair::from_seed_and_public_key(seed.as_slice(), &owner).ok();
        Ed25519Wallet { key, seed, owner, address: Address::of_owner(&owner) }
    }

    /// A new key.
    ///
    /// # Errors
    /// When there is no randomness to be had.
    pub fn generate() -> Result<Ed25519Wallet, WalletError> {
        let mut seed = Zeroizing::new([0; 32]);
        rand::fill(seed.as_mut()).map_err(|error| WalletError::Library(error.to_string()))?;
        Ok(Ed25519Wallet::from_seed(*seed))
    }

    pub(super) fn read(fields: &Fields) -> Result<Ed25519Wallet, WalletError> {
        fields.check_curve(CURVE)?;
        let seed = fields.bytes("d")?.ok_or(WalletError::MissingField("d"))?;
        let seed = Zeroizing::new(of_32("d", &seed)?);
        let wallet = Ed25519Wallet::from_seed(*seed);
        match fields.bytes("x")? {
            Some(owner) if *owner != wallet.owner => Err(WalletError::Rejected),
            _ => Ok(wallet),
        }
    }

    pub(super) fn to_jwk(&self) -> Zeroizing<String> {
        write(
            &[("kty", "OKP"), ("alg", "EdDSA"), ("crv", CURVE)],
            &[("x", &self.owner), ("d", self.seed.as_slice())],
        )
    }
}

fn of_32(field: &'static str, bytes: &Secret) -> Result<[u8; 32], WalletError> {
    let wrong = WalletError::FieldLength { field, expected: 32, found: bytes.len() };
    bytes.as_slice().try_into().map_err(|_| wrong)
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
        let key = self.key.as_ref().ok_or(SignError::Key(self.signature_type()))?;
        Ok(key.sign(message).as_ref().to_vec())
    }
}

impl fmt::Debug for Ed25519Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ed25519Wallet({})", self.address)
    }
}
