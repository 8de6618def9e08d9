//! Taking a payload apart, field by field.

use super::frame::WireError;

/// What is left of a payload.
pub(super) struct PayloadFields<'a>(&'a [u8]);

impl<'a> PayloadFields<'a> {
    pub(super) fn of(payload: &'a [u8]) -> Self {
        Self(payload)
    }

    /// The next so many bytes.
    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], WireError> {
        let (bytes, rest) = self.0.split_at_checked(count).ok_or(WireError::Short)?;
        self.0 = rest;
        Ok(bytes)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(WireError::Short)?;
        self.0 = rest;
        Ok(*bytes)
    }

    pub(super) fn u8(&mut self) -> Result<u8, WireError> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    pub(super) fn u16(&mut self) -> Result<u16, WireError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, WireError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, WireError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    /// Bytes behind their length.
    pub(super) fn long(&mut self) -> Result<&'a [u8], WireError> {
        let count = self.u32()?;
        self.bytes(usize::try_from(count).map_err(|_| WireError::Short)?)
    }

    /// How much is left.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn end(self) -> Result<(), WireError> {
        if self.0.is_empty() { Ok(()) } else { Err(WireError::Long(self.0.len())) }
    }
}
