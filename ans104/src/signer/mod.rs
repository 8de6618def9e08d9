//! Signing: keys, and drafts that a key makes into items.

mod jwk;
mod rsa_numbers;
mod arweave;
mod ethereum;
mod ed25519;
mod wallet;

pub use arweave::ArweaveWallet;
pub use ed25519::Ed25519Wallet;
pub use ethereum::EthereumWallet;
pub use jwk::WalletError;
pub use wallet::{KeyType, KeyTypeError, Wallet};

use crate::id::Address;
use crate::item::Item;
use crate::signature_type::SignatureType;
use crate::tags::{Tag, encode_tags};

/// An item could not be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The key could not be used.
    #[error("the {0:?} key did not sign")]
    Key(SignatureType),
    /// The signer gave a field another length than its type has.
    #[error("the signer's {field} has {found} bytes, expected {expected}")]
    Length {
        /// Signature or owner.
        field: &'static str,
        /// Length in bytes that the type asks for.
        expected: usize,
        /// Length in bytes that the signer gave.
        found: usize,
    },
}

/// A key that signs items.
pub trait Signer: Send + Sync {
    /// The type of its signatures.
    fn signature_type(&self) -> SignatureType;

    /// The public key, as it stands in items.
    fn owner(&self) -> &[u8];

    /// The address of [`Signer::owner`].
    fn address(&self) -> Address;

    /// Signs a message, of items their [`Item::signature_message`]. May take
    /// milliseconds of computing: not for an async executor's threads.
    ///
    /// # Errors
    /// When the key cannot be used.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError>;
}

/// An item before it is signed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Draft<'a> {
    /// Whom it is for.
    pub target: Option<&'a [u8; 32]>,
    /// What makes it differ from equal items.
    pub anchor: Option<&'a [u8; 32]>,
    /// Its tags, in order. How many bytes of them peers accept is for the caller to mind, see
    /// [`Item::check_limits`].
    pub tags: &'a [Tag<'a>],
    /// Its data.
    pub data: &'a [u8],
}

impl Draft<'_> {
    /// The bytes of the signed item.
    ///
    /// # Errors
    /// When the signer fails, or gives fields of a length that is not its type's.
    pub fn sign(&self, signer: &dyn Signer) -> Result<Vec<u8>, SignError> {
        let signature_type = signer.signature_type();
        let owner = signer.owner();
        check_len("owner", signature_type.owner_len(), owner)?;
        let raw_tags = encode_tags(self.tags);
        let unsigned = Item {
            signature_type,
            signature: &[],
            owner,
            target: self.target,
            anchor: self.anchor,
            tag_count: self.tags.len() as u64,
            raw_tags: &raw_tags,
            data: self.data,
        };
        let signature = signer.sign(&unsigned.signature_message())?;
        check_len("signature", signature_type.signature_len(), &signature)?;
        let signed = Item { signature: &signature, ..unsigned };
        Ok(signed.to_vec())
    }
}

fn check_len(field: &'static str, expected: usize, bytes: &[u8]) -> Result<(), SignError> {
    let found = bytes.len();
    if found == expected {
        return Ok(());
    }
    Err(SignError::Length { field, expected, found })
}

#[cfg(test)]
mod tests;
