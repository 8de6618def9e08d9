//! An Ethereum key that signs with `personal_sign`.

use std::fmt;

use k256::ecdsa::SigningKey;

use super::{SignError, Signer, WalletError};
use crate::id::Address;
use crate::signature_type::SignatureType;
use crate::verify::personal_digest;

/// A secp256k1 key as Ethereum uses it.
pub struct EthereumWallet {
    key: SigningKey,
    owner: Vec<u8>,
    address: Address,
}

impl EthereumWallet {
    /// The key of these 32 bytes.
    ///
    /// # Errors
    /// When they are zero or not below the order of the curve.
    pub fn from_bytes(secret: [u8; 32]) -> Result<EthereumWallet, WalletError> {
        let key = SigningKey::from_slice(&secret).map_err(|_| WalletError::Rejected)?;
        let owner = key.verifying_key().to_sec1_point(false).as_bytes().to_vec();
        let address = Address::of_owner(&owner);
        Ok(EthereumWallet { key, owner, address })
    }
}

impl Signer for EthereumWallet {
    fn signature_type(&self) -> SignatureType {
        SignatureType::Ethereum
    }

    fn owner(&self) -> &[u8] {
        &self.owner
    }

    /// As for all owners: not Ethereum's own kind of address.
    fn address(&self) -> Address {
        self.address
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let (signature, id) = self.key.sign_prehash_recoverable(&personal_digest(message));
        let mut bytes = signature.to_bytes().to_vec();
        bytes.push(27 + u8::from(id.is_y_odd()));
        Ok(bytes)
    }
}

impl fmt::Debug for EthereumWallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EthereumWallet({})", self.address)
    }
}
