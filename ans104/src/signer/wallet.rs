//! An Arweave wallet: an RSA key of 4096 bits.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PSS_SHA256, RsaKeyPair};

use super::jwk::{Jwk, WalletError};
use super::{SignError, Signer};
use crate::id::Address;
use crate::signature_type::SignatureType;

/// An Arweave wallet. It signs with a salt of 32 bytes.
pub struct Wallet {
    key: RsaKeyPair,
    jwk: Jwk,
    address: Address,
}

impl Wallet {
    /// The wallet of a key file: a JSON web key with `kty` RSA and `n`, `e`, `d`, `p`,
    /// `q`. The other three numbers are computed when they are absent.
    ///
    /// # Errors
    /// When the text is not JSON, not such a key, the key has not 4096 bits or its
    /// numbers do not belong together. No error repeats a part of the key.
    pub fn from_jwk(text: &str) -> Result<Wallet, WalletError> {
        Wallet::new(Jwk::parse(text)?)
    }

    /// A new wallet. Finding its primes takes about a second.
    ///
    /// # Errors
    /// When the cryptographic library fails.
    pub fn generate() -> Result<Wallet, WalletError> {
        Wallet::new(Jwk::generate()?)
    }

    /// The text of a key file that [`Wallet::from_jwk`] reads. It is the secret.
    pub fn to_jwk(&self) -> String {
        self.jwk.to_text()
    }

    fn new(jwk: Jwk) -> Result<Wallet, WalletError> {
        let key = RsaKeyPair::from_components(&jwk.components()).map_err(|_| WalletError::Rejected)?;
        let address = Address::of_owner(&jwk.n);
        Ok(Wallet { key, jwk, address })
    }
}

impl Signer for Wallet {
    fn signature_type(&self) -> SignatureType {
        SignatureType::Arweave
    }

    fn owner(&self) -> &[u8] {
        &self.jwk.n
    }

    fn address(&self) -> Address {
        self.address
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(&RSA_PSS_SHA256, &SystemRandom::new(), message, &mut signature)
            .map_err(|_| SignError::Key(self.signature_type()))?;
        Ok(signature)
    }
}

impl fmt::Debug for Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wallet({})", self.address)
    }
}
