//! base64url without padding, the text form of ids, keys and signatures.
//!
//! Decoding is strict: no padding, no white space, and no stray bits in the last
//! character, so two texts never stand for the same bytes.

use base64_simd::{AppendBase64Encode, Out, URL_SAFE_NO_PAD};

/// A text is not canonical base64url without padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text is not base64url without padding")]
pub struct DecodeError;

/// The text of `bytes`.
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode_to_string(bytes)
}

/// Appends the text of `bytes` to a `String` or `Vec<u8>`.
pub fn encode_append<T: AppendBase64Encode>(out: &mut T, bytes: &[u8]) {
    URL_SAFE_NO_PAD.encode_append(bytes, out);
}

/// The bytes that `text` stands for.
///
/// # Errors
/// When a character is outside the alphabet, the length is impossible or the last
/// character has bits set that belong to no byte.
pub fn decode(text: &str) -> Result<Vec<u8>, DecodeError> {
    URL_SAFE_NO_PAD.decode_to_vec(text).map_err(|_| DecodeError)
}

/// The text of 32 bytes, without a heap allocation.
pub(crate) fn encode_32<'b>(bytes: &[u8; 32], buffer: &'b mut [u8; 43]) -> &'b str {
    URL_SAFE_NO_PAD.encode_as_str(bytes, Out::from_slice(buffer))
}

/// The 32 bytes that a text of 43 characters stands for.
pub(crate) fn decode_32(text: &[u8; 43]) -> Result<[u8; 32], DecodeError> {
    let mut bytes = [0; 32];
    URL_SAFE_NO_PAD.decode(text, Out::from_slice(&mut bytes)).map_err(|_| DecodeError)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn refuses_what_is_not_canonical() {
        for text in ["A", "AB", "AAB", "AA==", "AA=", "A A", "AA\n", "+/AA", "AAAAA", "Ä"] {
            assert_eq!(decode(text), Err(DecodeError), "{text:?}");
        }
        assert_eq!(decode("AA").unwrap(), [0]);
        assert_eq!(decode("").unwrap(), [0; 0]);
    }

    proptest! {
        #[test]
        fn bytes_survive_a_round_trip(bytes: Vec<u8>) {
            let text = encode(&bytes);
            prop_assert_eq!(decode(&text).unwrap(), bytes.clone());
            let mut appended = String::from("x");
            encode_append(&mut appended, &bytes);
            prop_assert_eq!(&appended[1..], text);
        }

        #[test]
        fn what_decodes_is_the_only_text_of_its_bytes(text in "[A-Za-z0-9_-]{0,90}") {
            if let Ok(bytes) = decode(&text) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }
    }
}
