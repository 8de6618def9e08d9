//! The frames, and their form.

use thiserror::Error;

use super::fields::PayloadFields;

/// The longest payload, in bytes: the longest item and its assignment, and then some.
pub const PAYLOAD_MAX: usize = 16 << 20;
/// The version of this form.
const VERSION: u8 = 1;
/// What is before each payload.
pub(super) const HEAD: usize = 9;
/// The least that an event takes up in its frame.
const EVENT_MIN: usize = 4;

const HELLO: u8 = 1;
pub(super) const EVENTS: u8 = 2;
const HEARTBEAT: u8 = 3;
const ERROR: u8 = 4;
const BEHIND: u8 = 5;
const MEMBERS: u8 = 6;

/// Why what came is no frame, or none can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WireError {
    /// It is longer than any frame.
    #[error("a frame of {0} bytes, and none has more than {PAYLOAD_MAX}")]
    TooLong(usize),
    /// Its bytes are not those that were sent.
    #[error("a frame arrived damaged: its checksum is {found:08x}, not {expected:08x}")]
    Checksum {
        /// That of what came.
        found: u32,
        /// What it says of itself.
        expected: u32,
    },
    /// It ends early.
    #[error("a frame ends before all of it is there")]
    Short,
    /// It goes on.
    #[error("a frame goes on for {0} bytes behind its end")]
    Long(usize),
    /// It is of a form that is not known here.
    #[error("the leader speaks version {0} of the stream, and this node {VERSION}: upgrade this node first")]
    Version(u8),
    /// Its text is no text.
    #[error("a frame has text that is not UTF-8")]
    Text,
}

/// A place in a log, and what is before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WirePlace {
    /// How many events are before it.
    pub events: u64,
    /// Their digest.
    pub digest: [u8; 32],
}

/// What a stream consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// Who sends it: the first frame.
    Hello(HelloFrame<'a>),
    /// Events.
    Events(EventsFrame<'a>),
    /// How far the sender is.
    Heartbeat(HeartbeatFrame),
    /// Why the stream ends.
    Error(&'a str),
    /// About how many bytes the log has behind the place of the heartbeat before it.
    Behind(u64),
    /// Who keeps the log, behind the HELLO of a node that is one of several.
    Members(MembersFrame),
    /// Something of a newer version.
    Unknown(u8),
}

/// Who sends a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HelloFrame<'a> {
    /// Which store it is.
    pub store: [u8; 16],
    /// Which node.
    pub node: [u8; 16],
    /// The term of its log.
    pub term: u64,
    /// The term that the store was made in.
    pub first_term: u64,
    /// The address of the wallet that signs.
    pub wallet: [u8; 32],
    /// How many events it has.
    pub tail: u64,
    /// How many of them are released.
    pub released: u64,
    /// The port of its public listener.
    pub port: u16,
    /// Where writes go if not there; empty if there.
    pub writes: &'a str,
}

/// Events of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventsFrame<'a> {
    /// The term of the log.
    pub term: u64,
    /// Whose term it is.
    pub owner: [u8; 16],
    /// Where they begin.
    pub from: WirePlace,
    /// How many events of the log are released.
    pub released: u64,
    /// The events, each in its public form.
    pub events: Vec<&'a [u8]>,
}

/// How far a sender is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeartbeatFrame {
    /// Up to where the stream has come.
    pub place: WirePlace,
    /// How many events the log has.
    pub tail: u64,
    /// How many of them are released.
    pub released: u64,
    /// The sender's time of day, in milliseconds.
    pub clock: u64,
}

/// Who keeps the log, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MembersFrame {
    /// Whether the sender leads: what comes may not be released yet.
    pub leads: bool,
    /// The term of the log.
    pub term: u64,
    /// Whose term it is.
    pub owner: [u8; 16],
    /// How many of the others must have an event.
    pub acks: u32,
    /// The voters.
    pub voters: Vec<[u8; 16]>,
}

impl<'a> Frame<'a> {
    /// The frame as it is sent.
    ///
    /// # Errors
    /// When it would be too long.
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        let mut bytes = vec![0; HEAD];
        let kind = self.write(&mut bytes);
        let payload = bytes.get(HEAD..).unwrap_or_default();
        if payload.len() > PAYLOAD_MAX {
            return Err(WireError::TooLong(payload.len()));
        }
        let length = u32::try_from(payload.len()).map_err(|_| WireError::TooLong(payload.len()))?;
        let [a, b, c, d] = length.to_be_bytes();
        let [e, f, g, h] = checksum(kind, payload).to_be_bytes();
        for (place, byte) in bytes.iter_mut().zip([a, b, c, d, kind, e, f, g, h]) {
            *place = byte;
        }
        Ok(bytes)
    }

    /// Writes the payload; which kind it is.
    fn write(&self, to: &mut Vec<u8>) -> u8 {
        match self {
            Self::Hello(hello) => {
                to.push(VERSION);
                to.extend_from_slice(&hello.store);
                to.extend_from_slice(&hello.node);
                to.extend_from_slice(&hello.term.to_be_bytes());
                to.extend_from_slice(&hello.first_term.to_be_bytes());
                to.extend_from_slice(&hello.wallet);
                to.extend_from_slice(&hello.tail.to_be_bytes());
                to.extend_from_slice(&hello.released.to_be_bytes());
                to.extend_from_slice(&hello.port.to_be_bytes());
                // A URL that is longer than any is none.
                let writes = Some(hello.writes.as_bytes()).filter(|url| url.len() <= usize::from(u16::MAX));
                let writes = writes.unwrap_or_default();
                to.extend_from_slice(&u16::try_from(writes.len()).unwrap_or_default().to_be_bytes());
                to.extend_from_slice(writes);
                HELLO
            }
            Self::Events(sent) => {
                to.extend_from_slice(&sent.term.to_be_bytes());
                to.extend_from_slice(&sent.owner);
                sent.from.write(to);
                to.extend_from_slice(&sent.released.to_be_bytes());
                to.extend_from_slice(&length(sent.events.len()).to_be_bytes());
                for event in &sent.events {
                    to.extend_from_slice(&length(event.len()).to_be_bytes());
                    to.extend_from_slice(event);
                }
                EVENTS
            }
            Self::Heartbeat(beat) => {
                beat.place.write(to);
                to.extend_from_slice(&beat.tail.to_be_bytes());
                to.extend_from_slice(&beat.released.to_be_bytes());
                to.extend_from_slice(&beat.clock.to_be_bytes());
                HEARTBEAT
            }
            Self::Error(text) => {
                to.extend_from_slice(text.as_bytes());
                ERROR
            }
            Self::Behind(bytes) => {
                to.extend_from_slice(&bytes.to_be_bytes());
                BEHIND
            }
            Self::Members(members) => {
                to.push(members.leads.into());
                to.extend_from_slice(&members.term.to_be_bytes());
                to.extend_from_slice(&members.owner);
                to.extend_from_slice(&members.acks.to_be_bytes());
                to.extend_from_slice(&length(members.voters.len()).to_be_bytes());
                members.voters.iter().for_each(|voter| to.extend_from_slice(voter));
                MEMBERS
            }
            Self::Unknown(kind) => *kind,
        }
    }

    /// The frame of this kind and payload, whose checksum was right.
    pub(super) fn read(kind: u8, payload: &'a [u8]) -> Result<Self, WireError> {
        let mut fields = PayloadFields::of(payload);
        let frame = match kind {
            HELLO => Self::Hello(HelloFrame::read(&mut fields)?),
            EVENTS => Self::Events(EventsFrame::read(&mut fields)?),
            HEARTBEAT => Self::Heartbeat(HeartbeatFrame {
                place: WirePlace::read(&mut fields)?,
                tail: fields.u64()?,
                released: fields.u64()?,
                clock: fields.u64()?,
            }),
            MEMBERS => Self::Members(MembersFrame::read(&mut fields)?),
            ERROR => return str::from_utf8(payload).map(Self::Error).map_err(|_| WireError::Text),
            BEHIND => Self::Behind(fields.u64()?),
            unknown => return Ok(Self::Unknown(unknown)),
        };
        fields.end()?;
        Ok(frame)
    }
}

impl<'a> HelloFrame<'a> {
    fn read(fields: &mut PayloadFields<'a>) -> Result<Self, WireError> {
        match fields.u8()? {
            VERSION => {}
            other => return Err(WireError::Version(other)),
        }
        Ok(Self {
            store: fields.array()?,
            node: fields.array()?,
            term: fields.u64()?,
            first_term: fields.u64()?,
            wallet: fields.array()?,
            tail: fields.u64()?,
            released: fields.u64()?,
            port: fields.u16()?,
            writes: {
                let count = fields.u16()?;
                str::from_utf8(fields.bytes(count.into())?).map_err(|_| WireError::Text)?
            },
        })
    }
}

impl<'a> EventsFrame<'a> {
    fn read(fields: &mut PayloadFields<'a>) -> Result<Self, WireError> {
        let (term, owner, from) = (fields.u64()?, fields.array()?, WirePlace::read(fields)?);
        let (released, count) = (fields.u64()?, fields.u32()?);
        // No more room is made than what came can be.
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        if count > fields.len() / EVENT_MIN {
            return Err(WireError::Short);
        }
        let events = (0..count).map(|_| fields.long()).collect::<Result<_, _>>()?;
        Ok(Self { term, owner, from, released, events })
    }
}

impl MembersFrame {
    fn read(fields: &mut PayloadFields<'_>) -> Result<Self, WireError> {
        let (leads, term, owner) = (fields.u8()? != 0, fields.u64()?, fields.array()?);
        let (acks, count) = (fields.u32()?, fields.u32()?);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        if count > fields.len() / 16 {
            return Err(WireError::Short);
        }
        let voters = (0..count).map(|_| fields.array()).collect::<Result<_, _>>()?;
        Ok(Self { leads, term, owner, acks, voters })
    }
}

impl WirePlace {
    fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.events.to_be_bytes());
        to.extend_from_slice(&self.digest);
    }

    fn read(fields: &mut PayloadFields<'_>) -> Result<Self, WireError> {
        Ok(Self { events: fields.u64()?, digest: fields.array()? })
    }
}

/// What is longer is refused as a whole.
fn length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

pub(super) fn checksum(kind: u8, payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&[kind]), payload)
}
