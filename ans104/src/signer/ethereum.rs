//! A secp256k1 key as Ethereum uses it, which signs with `personal_sign`.

use std::fmt;

use aws_lc_rs::rand;
use k256::ecdsa::SigningKey;
use zeroize::Zeroizing;

use super::jwk::{Fields, Secret, WalletError, write};
use super::{SignError, Signer};
use crate::id::Address;
use crate::signature_type::SignatureType;
use crate::verify::personal_digest;

/// The curve's name in key files.
const CURVE: &str = "secp256k1";

/// A secp256k1 key as Ethereum uses it.
pub struct EthereumWallet {
    key: SigningKey,
    /// The uncompressed point: the byte 4, then both coordinates.
    owner: [u8; 65],
    address: Address,
}

impl EthereumWallet {
    /// The key of these 32 bytes.
    ///
    /// # Errors
    /// When they are zero or not below the order of the curve.
    pub fn from_bytes(secret: [u8; 32]) -> Result<EthereumWallet, WalletError> {
        let secret = Zeroizing::new(secret);
        let key = SigningKey::from_slice(secret.as_slice()).map_err(|_| WalletError::Rejected)?;
        let point = key.verifying_key().to_sec1_point(false);
        let owner = point.as_bytes().try_into().map_err(|_| WalletError::Rejected)?;
        Ok(EthereumWallet { key, owner, address: Address::of_owner(&owner) })
    }

    /// A new key.
    ///
    /// # Errors
    /// When there is no randomness to be had.
    pub fn generate() -> Result<EthereumWallet, WalletError> {
        let mut secret = Zeroizing::new([0; 32]);
        rand::fill(secret.as_mut()).map_err(|error| WalletError::Library(error.to_string()))?;
        EthereumWallet::from_bytes(*secret)
    }

    pub(super) fn read(fields: &Fields) -> Result<EthereumWallet, WalletError> {
        fields.check_curve(CURVE)?;
        let secret = Zeroizing::new(padded("d", &fields.required("d")?)?);
        let wallet = EthereumWallet::from_bytes(*secret)?;
        let (x, y) = wallet.coordinates();
        for (name, coordinate) in [("x", x), ("y", y)] {
            if let Some(number) = fields.number(name)?
                && padded(name, &number)? != *coordinate
            {
                return Err(WalletError::Rejected);
            }
        }
        Ok(wallet)
    }

    pub(super) fn to_jwk(&self) -> Zeroizing<String> {
        let secret = Zeroizing::new(<[u8; 32]>::from(self.key.to_bytes()));
        let (x, y) = self.coordinates();
        write(&[("kty", "EC"), ("crv", CURVE)], &[("x", x), ("y", y), ("d", secret.as_slice())])
    }

    fn coordinates(&self) -> (&[u8], &[u8]) {
        let (_, coordinates) = self.owner.split_at(1);
        coordinates.split_at(32)
    }
}

/// A number in 32 bytes: some libraries leave its leading zeros out.
fn padded(field: &'static str, number: &Secret) -> Result<[u8; 32], WalletError> {
    let mut bytes = [0; 32];
    let wrong = WalletError::FieldLength { field, expected: 32, found: number.len() };
    let start = bytes.len().checked_sub(number.len()).ok_or(wrong)?;
    bytes.iter_mut().skip(start).zip(number.iter()).for_each(|(byte, digit)| *byte = *digit);
    Ok(bytes)
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
