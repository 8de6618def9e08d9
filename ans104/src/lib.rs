//! ANS-104 data items and bundles: parsing without copying, writing, ids and
//! addresses, deep hashes, signing, and verifying of every signature type.
//!
//! Bytes are law here. A signature covers an item as it came, so nothing in this
//! crate re-encodes what it verifies, and what was parsed is written back
//! byte for byte.

pub mod base64url;
mod bundle;
mod deep_hash;
mod id;
mod item;
mod reader;
mod signature_type;
mod signer;
mod tags;
mod verify;

pub use bundle::{Bundle, BundleError, BundledItem, write_bundle};
pub use deep_hash::{
    BlobHasher, DeepHash, Element, MAX_DEPTH, TooDeep, deep_hash, deep_hash_blob, deep_hash_list,
    deep_hash_of_hashes,
};
pub use id::{Address, Id, IdError};
pub use item::{Item, LimitError, MAX_TAG_BYTES};
pub use reader::ParseError;
pub use signature_type::SignatureType;
pub use signer::{
    ArweaveWallet, Draft, Ed25519Wallet, EthereumWallet, KeyType, KeyTypeError, SignError, Signer, Wallet,
    WalletError,
};
pub use tags::{Tag, Tags, TagsError, encode_tags};
pub use verify::VerifyError;
