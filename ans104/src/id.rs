//! Ids of items and addresses of owners: 32 bytes, written as 43 characters.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::base64url;

/// A text is not an id or address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// It has another length than 43 bytes.
    #[error("expected 43 characters of base64url, found {0}")]
    Length(usize),
    /// It is not canonical base64url.
    #[error("expected 43 characters of base64url, found others or stray bits in the last one")]
    Encoding,
}

/// SHA-256 of `bytes`.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = 32;
            /// Length of the text, in characters.
            pub const TEXT_LEN: usize = 43;

            /// The value of these bytes.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(base64url::encode_32(&self.0, &mut [0; Self::TEXT_LEN]))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let text = text
                    .as_bytes()
                    .try_into()
                    .map_err(|_| IdError::Length(text.len()))?;
                let bytes = base64url::decode_32(text).map_err(|_| IdError::Encoding)?;
                Ok(Self(bytes))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(base64url::encode_32(&self.0, &mut [0; Self::TEXT_LEN]))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;

                impl Visitor<'_> for Text {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("43 characters of base64url")
                    }

                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                }

                deserializer.deserialize_str(Text)
            }
        }
    };
}

id_type! {
    /// The id of an item: SHA-256 of its signature.
    Id
}

id_type! {
    /// The address of an owner: SHA-256 of the public key.
    Address
}

impl Id {
    /// The id of the item that has this signature.
    pub fn of_signature(signature: &[u8]) -> Id {
        Id(sha256(signature))
    }
}

impl Address {
    /// The address of the owner that has this public key.
    pub fn of_owner(owner: &[u8]) -> Address {
        Address(sha256(owner))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn refuses_other_texts() {
        let good = "DFdbUxgkH-Fjr1vcIUEpwQxsqj-JoolbpWCnn_vBzqI";
        assert_eq!(good.parse::<Id>().unwrap().to_string(), good);
        for (text, error) in [
            ("", IdError::Length(0)),
            (&good[1..], IdError::Length(42)),
            ("DFdbUxgkH-Fjr1vcIUEpwQxsqj-JoolbpWCnn_vBzqI=", IdError::Length(44)),
            ("DFdbUxgkH-Fjr1vcIUEpwQxsqj-JoolbpWCnn_vBzqJ", IdError::Encoding),
            ("DFdbUxgkH+Fjr1vcIUEpwQxsqj-JoolbpWCnn_vBzqI", IdError::Encoding),
        ] {
            assert_eq!(text.parse::<Id>(), Err(error), "{text}");
        }
    }

    #[test]
    fn hashes_are_sha256() {
        let empty = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";
        assert_eq!(Id::of_signature(b"").to_string(), empty);
        assert_eq!(Address::of_owner(b"").to_string(), empty);
    }

    proptest! {
        #[test]
        fn text_and_json_survive_a_round_trip(bytes: [u8; 32]) {
            let id = Id::from_bytes(bytes);
            prop_assert_eq!(id.to_string().parse::<Id>().unwrap(), id);
            let json = serde_json::to_string(&id).unwrap();
            prop_assert_eq!(&json, &format!("\"{id:?}\""));
            prop_assert_eq!(serde_json::from_str::<Id>(&json).unwrap(), id);
        }
    }
}
