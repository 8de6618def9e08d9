//! JSON web keys (RFC 7517 and 7518, RFC 8037), the form of Arweave's key files and of HyperBEAM's: reading their
//! fields, writing them, and what can be wrong with them.
//!
//! What holds a part of a private key is overwritten when it is dropped.

use openssl::error::ErrorStack;
use serde_json::{Map, Value};
use zeroize::{Zeroize, Zeroizing};

use crate::base64url;

/// A wallet could not be read or made. No variant holds a part of the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WalletError {
    /// The text is not JSON.
    #[error("the wallet is not JSON: line {line}, column {column}")]
    NotJson {
        /// Where reading failed, from 1.
        line: usize,
        /// Where reading failed.
        column: usize,
    },
    /// The text is JSON, but not an object.
    #[error("the wallet is not a JSON object with the fields of a key")]
    NotObject,
    /// The key is of a kind that signs no items here.
    #[error("the wallet's `kty` is none of RSA, EC (secp256k1) and OKP (Ed25519)")]
    NoKeyType,
    /// The key is on another curve.
    #[error("the wallet's `crv` is not {expected}, the one curve that is taken with its `kty`")]
    Curve {
        /// The curve that goes with the key's `kty`.
        expected: &'static str,
    },
    /// A field is absent.
    #[error("the wallet has no field `{0}`")]
    MissingField(&'static str),
    /// A field is not base64url.
    #[error("the wallet's field `{0}` is not a number in base64url without padding")]
    MalformedField(&'static str),
    /// A field has another length than its kind of key has.
    #[error("the wallet's field `{field}` has {found} bytes, expected {expected}")]
    FieldLength {
        /// Which one.
        field: &'static str,
        /// Length in bytes that it must have.
        expected: usize,
        /// Length in bytes that it has.
        found: usize,
    },
    /// The modulus is too short or long.
    #[error("the wallet's key has {0} bits, expected 4096")]
    KeySize(usize),
    /// The public exponent is not the one that items are verified with.
    #[error("the wallet's public exponent `e` is not 65537")]
    Exponent,
    /// The numbers are not those of one key.
    #[error("the wallet's numbers do not form a key")]
    Rejected,
    /// The cryptographic library failed.
    #[error("the cryptographic library failed: {0}")]
    Library(String),
}

impl From<ErrorStack> for WalletError {
    fn from(error: ErrorStack) -> WalletError {
        WalletError::Library(error.to_string())
    }
}

/// A part of a key, in bytes.
pub(super) type Secret = Zeroizing<Vec<u8>>;

/// The fields of a key file.
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    pub(super) fn parse(text: &str) -> Result<Fields, WalletError> {
        // Read as a value first: the errors of a typed reader quote what they found.
        let value = serde_json::from_str(text)
            .map_err(|error| WalletError::NotJson { line: error.line(), column: error.column() })?;
        match value {
            Value::Object(fields) => Ok(Fields(fields)),
            _ => Err(WalletError::NotObject),
        }
    }

    /// A field that is a word; none when it is something else.
    pub(super) fn word(&self, name: &'static str) -> Result<Option<&str>, WalletError> {
        self.0.get(name).map(Value::as_str).ok_or(WalletError::MissingField(name))
    }

    /// Refuses a key on another curve than this.
    pub(super) fn check_curve(&self, expected: &'static str) -> Result<(), WalletError> {
        match self.word("crv")? {
            Some(found) if found == expected => Ok(()),
            _ => Err(WalletError::Curve { expected }),
        }
    }

    /// A field's bytes, if it is there.
    pub(super) fn bytes(&self, name: &'static str) -> Result<Option<Secret>, WalletError> {
        let Some(value) = self.0.get(name) else {
            return Ok(None);
        };
        let bytes = value.as_str().and_then(|text| base64url::decode(text).ok());
        bytes.map(Secret::new).map(Some).ok_or(WalletError::MalformedField(name))
    }

    /// A field's number, big-endian without leading zeros, if it is there.
    pub(super) fn number(&self, name: &'static str) -> Result<Option<Secret>, WalletError> {
        Ok(self.bytes(name)?.map(|bytes| {
            let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
            Secret::new(bytes.get(zeros..).unwrap_or_default().to_vec())
        }))
    }

    /// A number that has to be there.
    pub(super) fn required(&self, name: &'static str) -> Result<Secret, WalletError> {
        self.number(name)?.ok_or(WalletError::MissingField(name))
    }
}

impl Drop for Fields {
    fn drop(&mut self) {
        for value in self.0.values_mut() {
            if let Value::String(text) = value {
                text.zeroize();
            }
        }
    }
}

/// The text of a key file: fields that are words, of which there is one at least, then fields that are bytes.
pub(super) fn write(words: &[(&str, &str)], numbers: &[(&str, &[u8])]) -> Zeroizing<String> {
    let words_len = words.iter().map(|(name, word)| name.len() + word.len() + PUNCTUATION).sum::<usize>();
    let number_len = |(name, bytes): &(&str, &[u8])| name.len() + bytes.len().div_ceil(3) * 4 + PUNCTUATION;
    // Room for all of it: text that outgrows its place leaves a copy behind.
    let len = words_len + numbers.iter().map(number_len).sum::<usize>() + PUNCTUATION;
    let mut text = Zeroizing::new(String::with_capacity(len));
    for (name, word) in words {
        begin(&mut text, name);
        text.push_str(word);
        text.push('"');
    }
    for (name, bytes) in numbers {
        begin(&mut text, name);
        base64url::encode_append(&mut *text, bytes);
        text.push('"');
    }
    text.push('}');
    text
}

/// What stands around a name and its value, in characters.
const PUNCTUATION: usize = 6;

fn begin(text: &mut String, name: &str) {
    text.push_str(if text.is_empty() { "{\"" } else { ",\"" });
    text.push_str(name);
    text.push_str("\":\"");
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let text = write(&[("kty", "OKP"), ("crv", "Ed25519")], &[("x", &[0, 1, 2]), ("d", &[0; 32])]);
        assert!(text.len() <= text.capacity());
        let fields = Fields::parse(&text).unwrap();
        assert_eq!(fields.word("kty"), Ok(Some("OKP")));
        assert_eq!(fields.check_curve("Ed25519"), Ok(()));
        assert_eq!(fields.bytes("x").unwrap().unwrap().as_slice(), [0, 1, 2]);
        assert_eq!(fields.required("x").unwrap().as_slice(), [1, 2]);
        assert!(fields.required("d").unwrap().is_empty());
        assert_eq!(fields.bytes("y"), Ok(None));
    }

    #[test]
    fn a_key_is_written_without_growing() {
        let long = [0xab; 512];
        let text = write(&[("kty", "RSA")], &[("n", &long), ("d", &long), ("e", &[1, 0, 1])]);
        assert_eq!(text.capacity(), 3 + 3 + 6 + 2 * (1 + 684 + 6) + 1 + 4 + 6 + 6, "as was reserved");
    }
}
