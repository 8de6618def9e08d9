//! Frames out of the bytes of a stream, however these are cut.

use super::frame::{EVENTS, Frame, HEAD, PAYLOAD_MAX, WireError, checksum};

/// What came of a stream and is no whole frame yet.
#[derive(Debug, Default)]
pub struct FrameBuffer {
    bytes: Vec<u8>,
    /// What of it went out as frames.
    taken: usize,
}

/// A frame as it came, not looked into yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawFrame {
    kind: u8,
    checksum: u32,
    payload: Vec<u8>,
}

impl FrameBuffer {
    /// Takes in what came next.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next frame, if all of it is there.
    ///
    /// # Errors
    /// When what comes is no frame.
    pub fn take(&mut self) -> Result<Option<RawFrame>, WireError> {
        let rest = self.bytes.get(self.taken..).unwrap_or_default();
        let Some((head, rest)) = rest.split_first_chunk::<HEAD>() else { return Ok(None) };
        let [a, b, c, d, kind, e, f, g, h] = *head;
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        if length > PAYLOAD_MAX {
            return Err(WireError::TooLong(length));
        }
        let Some(payload) = rest.get(..length) else { return Ok(None) };
        let frame = RawFrame { kind, checksum: u32::from_be_bytes([e, f, g, h]), payload: payload.to_vec() };
        self.taken += HEAD + length;
        Ok(Some(frame))
    }
}

impl RawFrame {
    /// What is in it, if it is what was sent.
    ///
    /// # Errors
    /// When it is not, or is none that is known.
    pub fn open(&self) -> Result<Frame<'_>, WireError> {
        let found = checksum(self.kind, &self.payload);
        if found != self.checksum {
            return Err(WireError::Checksum { found, expected: self.checksum });
        }
        Frame::read(self.kind, &self.payload)
    }

    /// Whether it says that events are in it.
    pub fn has_events(&self) -> bool {
        self.kind == EVENTS
    }

    /// How long it is.
    pub fn len(&self) -> usize {
        HEAD + self.payload.len()
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.payload.is_empty()
    }
}
