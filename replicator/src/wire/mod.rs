//! What a stream of a log consists of: frames, one after the other.
//!
//! ```text
//! 4 bytes   length of the payload, at most 16 MiB; all numbers are big-endian
//! 1 byte    kind
//! 4 bytes   CRC-32C of kind and payload
//! ...       the payload
//!
//! 1 HELLO      version (1), store (16), node (16), term (8), first term (8), wallet (32), tail (8), released (8),
//!              port of the public listener (2), where writes go if not there: length (2) and URL
//! 2 EVENTS     term (8), owner (16), place: events before it (8) and their digest (32), released (8), number of
//!              events (4), each as its length (4) and its public form
//! 3 HEARTBEAT  place up to which the stream has come: events (8) and their digest (32), tail (8), released (8), time
//!              of day in milliseconds (8)
//! 4 ERROR      why the stream ends, as text
//! 5 BEHIND     about how many bytes the log has behind the place of the HEARTBEAT before it (8); left out where that is
//!              not known
//! 6 MEMBERS    whether the sender leads (1), term (8), owner (16), acknowledgements (4), number of voters (4), each as its
//!              id (16)
//! ```
//!
//! A HELLO comes first, then a MEMBERS from a node that is one of several; a HEARTBEAT comes once a second. What is of another kind is skipped: it is of a newer version.

mod buffer;
mod fields;
mod frame;
#[cfg(test)]
mod tests;

pub use buffer::{FrameBuffer, RawFrame};
pub use frame::{
    EventsFrame, Frame, HeartbeatFrame, HelloFrame, MembersFrame, PAYLOAD_MAX, WireError, WirePlace,
};
