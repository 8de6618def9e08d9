//! A cursor over an item's bytes, and what can be wrong with them.

use crate::tags::TagsError;

/// Bytes are not a data item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The bytes end inside a field.
    #[error("the item ends inside its {field}: {needed} bytes needed, {left} left")]
    Truncated {
        /// The field that is cut off.
        field: &'static str,
        /// Length of the field in bytes.
        needed: u64,
        /// Bytes that were left for it.
        left: usize,
    },
    /// The signature type has no meaning.
    #[error("unknown signature type {0}: expected 1 to 7")]
    SignatureType(u16),
    /// The owner that was handed in does not fit the signature type.
    #[error("an owner of {found} bytes, expected {expected} for this signature type")]
    OwnerLength {
        /// Length that the signature type asks for, in bytes.
        expected: usize,
        /// Length of the owner in bytes.
        found: usize,
    },
    /// The byte before target or anchor is neither 0 nor 1.
    #[error("the flag before the {field} is {value}, expected 0 or 1")]
    Flag {
        /// Target or anchor.
        field: &'static str,
        /// The byte found.
        value: u8,
    },
    /// The tags are not what the header announces or not what Avro allows.
    #[error("the tags are malformed: {0}")]
    Tags(#[from] TagsError),
}

/// Takes fields off the front of a slice.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    pub(crate) fn take(&mut self, field: &'static str, len: usize) -> Result<&'a [u8], ParseError> {
        let Some((head, rest)) = self.rest.split_at_checked(len) else {
            return Err(self.truncated(field, len as u64));
        };
        self.rest = rest;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self, field: &'static str) -> Result<&'a [u8; N], ParseError> {
        let Some((head, rest)) = self.rest.split_first_chunk() else {
            return Err(self.truncated(field, N as u64));
        };
        self.rest = rest;
        Ok(head)
    }

    pub(crate) fn u64(&mut self, field: &'static str) -> Result<u64, ParseError> {
        Ok(u64::from_le_bytes(*self.array(field)?))
    }

    /// A field of 32 bytes after a byte that says whether it is there.
    pub(crate) fn optional(&mut self, field: &'static str) -> Result<Option<&'a [u8; 32]>, ParseError> {
        match self.array(field)? {
            [0] => Ok(None),
            [1] => self.array(field).map(Some),
            [value] => Err(ParseError::Flag { field, value: *value }),
        }
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// A field whose length the item itself announces, however large.
    pub(crate) fn announced(&mut self, field: &'static str, len: u64) -> Result<&'a [u8], ParseError> {
        match usize::try_from(len) {
            Ok(len) => self.take(field, len),
            Err(_) => Err(self.truncated(field, len)),
        }
    }

    fn truncated(&self, field: &'static str, needed: u64) -> ParseError {
        ParseError::Truncated { field, needed, left: self.rest.len() }
    }
}
