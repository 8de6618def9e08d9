//! An Arweave wallet: an RSA key of 4096 bits.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PSS_SHA256, RsaKeyPair};
use zeroize::Zeroizing;

use super::jwk::{Fields, WalletError};
use super::rsa_numbers::RsaNumbers;
use super::{SignError, Signer};
use crate::id::Address;
use crate::signature_type::SignatureType;

/// An Arweave wallet. It signs with a salt of 32 bytes.
pub struct ArweaveWallet {
    key: RsaKeyPair,
    numbers: RsaNumbers,
    address: Address,
}

impl ArweaveWallet {
    pub(super) fn read(fields: &Fields) -> Result<ArweaveWallet, WalletError> {
        ArweaveWallet::new(RsaNumbers::read(fields)?)
    }

    /// A new wallet. Finding its primes takes about a second.
    ///
    /// # Errors
    /// When the cryptographic library fails.
    pub fn generate() -> Result<ArweaveWallet, WalletError> {
        ArweaveWallet::new(RsaNumbers::generate()?)
    }

    pub(super) fn to_jwk(&self) -> Zeroizing<String> {
        self.numbers.to_text()
    }

    fn new(numbers: RsaNumbers) -> Result<ArweaveWallet, WalletError> {
        let key = RsaKeyPair::from_components(&numbers.components()).map_err(|_| WalletError::Rejected)?;
        let address = Address::of_owner(numbers.modulus());
        Ok(ArweaveWallet { key, numbers, address })
    }
}

impl Signer for ArweaveWallet {
    fn signature_type(&self) -> SignatureType {
        SignatureType::Arweave
    }

    fn owner(&self) -> &[u8] {
        self.numbers.modulus()
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

impl fmt::Debug for ArweaveWallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ArweaveWallet({})", self.address)
    }
}
