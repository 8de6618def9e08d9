//! A wallet of any kind, and the key files that they are kept in.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use zeroize::Zeroizing;

use super::jwk::{Fields, WalletError};
use super::{ArweaveWallet, Ed25519Wallet, EthereumWallet, SignError, Signer};
use crate::id::Address;
use crate::signature_type::SignatureType;

/// What kind of key a wallet is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyType {
    /// RSA of 4096 bits, as Arweave's own wallets: signature type 1. A signature takes a millisecond or more.
    #[default]
    Rsa,
    /// secp256k1 as Ethereum uses it: signature type 3.
    Secp256k1,
    /// Ed25519: signature type 2, the quickest to sign with.
    Ed25519,
}

impl KeyType {
    /// All kinds.
    pub const ALL: [KeyType; 3] = [KeyType::Rsa, KeyType::Secp256k1, KeyType::Ed25519];

    /// The type of the signatures that such a wallet makes.
    pub const fn signature_type(self) -> SignatureType {
        match self {
            KeyType::Rsa => SignatureType::Arweave,
            KeyType::Secp256k1 => SignatureType::Ethereum,
            KeyType::Ed25519 => SignatureType::Ed25519,
        }
    }

    /// The kind as it is written on a command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            KeyType::Rsa => "rsa",
            KeyType::Secp256k1 => "secp256k1",
            KeyType::Ed25519 => "ed25519",
        }
    }
}

/// The kind as its people name it.
impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KeyType::Rsa => "RSA-4096",
            KeyType::Secp256k1 => "secp256k1",
            KeyType::Ed25519 => "Ed25519",
        })
    }
}

/// A text is not a kind of key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no kind of key; expected rsa, secp256k1 or ed25519")]
pub struct KeyTypeError(String);

impl FromStr for KeyType {
    type Err = KeyTypeError;

    fn from_str(text: &str) -> Result<KeyType, KeyTypeError> {
        let known = KeyType::ALL.into_iter().find(|kind| kind.as_str() == text);
        known.ok_or_else(|| KeyTypeError(text.to_owned()))
    }
}

/// A wallet, as its key file says of which kind.
#[derive(Debug)]
pub enum Wallet {
    /// An RSA key.
    Arweave(ArweaveWallet),
    /// A secp256k1 key.
    Ethereum(EthereumWallet),
    /// An Ed25519 key.
    Ed25519(Ed25519Wallet),
}

impl Wallet {
    /// The wallet of a key file, a JSON web key:
    ///
    /// | `kty` | `crv` | numbers |
    /// | --- | --- | --- |
    /// | RSA | | `n`, `e`, `d`; `p`, `q`, `dp`, `dq`, `qi` are computed when they are absent |
    /// | EC | secp256k1 | `d`; `x` and `y` have to fit when they are there |
    /// | OKP | Ed25519 | `d`; `x` has to fit when it is there |
    ///
    /// # Errors
    /// When the text is not JSON, not such a key, an RSA key has not 4096 bits or the numbers do not belong together.
    /// No error repeats a part of the key.
    pub fn from_jwk(text: &str) -> Result<Wallet, WalletError> {
        let fields = Fields::parse(text)?;
        match fields.word("kty")? {
            Some("RSA") => ArweaveWallet::read(&fields).map(Wallet::Arweave),
            Some("EC") => EthereumWallet::read(&fields).map(Wallet::Ethereum),
            Some("OKP") => Ed25519Wallet::read(&fields).map(Wallet::Ed25519),
            _ => Err(WalletError::NoKeyType),
        }
    }

    /// A new wallet. For RSA, finding primes takes a second or more.
    ///
    /// # Errors
    /// When the cryptographic library fails.
    pub fn generate(key_type: KeyType) -> Result<Wallet, WalletError> {
        match key_type {
            KeyType::Rsa => ArweaveWallet::generate().map(Wallet::Arweave),
            KeyType::Secp256k1 => EthereumWallet::generate().map(Wallet::Ethereum),
            KeyType::Ed25519 => Ed25519Wallet::generate().map(Wallet::Ed25519),
        }
    }

    /// The text of a key file that [`Wallet::from_jwk`] reads. It is the secret, and is overwritten when dropped.
    pub fn to_jwk(&self) -> Zeroizing<String> {
        match self {
            Wallet::Arweave(wallet) => wallet.to_jwk(),
            Wallet::Ethereum(wallet) => wallet.to_jwk(),
            Wallet::Ed25519(wallet) => wallet.to_jwk(),
        }
    }

    /// What kind of key it is.
    pub fn key_type(&self) -> KeyType {
        match self {
            Wallet::Arweave(_) => KeyType::Rsa,
            Wallet::Ethereum(_) => KeyType::Secp256k1,
            Wallet::Ed25519(_) => KeyType::Ed25519,
        }
    }

    fn signer(&self) -> &dyn Signer {
        match self {
            Wallet::Arweave(wallet) => wallet,
            Wallet::Ethereum(wallet) => wallet,
            Wallet::Ed25519(wallet) => wallet,
        }
    }
}

impl Signer for Wallet {
    fn signature_type(&self) -> SignatureType {
        self.signer().signature_type()
    }

    fn owner(&self) -> &[u8] {
        self.signer().owner()
    }

    fn address(&self) -> Address {
        self.signer().address()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.signer().sign(message)
    }
}
