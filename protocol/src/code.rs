//! The codes by which clients tell errors apart.

/// The kind of an error, as the protocol spells it; each has one HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those of the protocol")]
pub enum Code {
    MalformedItem,
    InvalidSignature,
    MissingTag,
    InvalidTag,
    UnknownProcess,
    DuplicateMessage,
    InvalidParameter,
    NotFound,
    TooLarge,
    Forbidden,
    NotConfirmed,
    Unavailable,
    GatewayError,
    Internal,
}

impl Code {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::MalformedItem,
        Self::InvalidSignature,
        Self::MissingTag,
        Self::InvalidTag,
        Self::UnknownProcess,
        Self::DuplicateMessage,
        Self::InvalidParameter,
        Self::NotFound,
        Self::TooLarge,
        Self::Forbidden,
        Self::NotConfirmed,
        Self::Unavailable,
        Self::GatewayError,
        Self::Internal,
    ];

    /// The code as the protocol spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MalformedItem => "malformed_item",
            Self::InvalidSignature => "invalid_signature",
            Self::MissingTag => "missing_tag",
            Self::InvalidTag => "invalid_tag",
            Self::UnknownProcess => "unknown_process",
            Self::DuplicateMessage => "duplicate_message",
            Self::InvalidParameter => "invalid_parameter",
            Self::NotFound => "not_found",
            Self::TooLarge => "too_large",
            Self::Forbidden => "forbidden",
            Self::NotConfirmed => "not_confirmed",
            Self::Unavailable => "unavailable",
            Self::GatewayError => "gateway_error",
            Self::Internal => "internal",
        }
    }

    /// In how many seconds a client that is told this may try again, for those that are over by themselves soon.
    pub fn retry_after_seconds(self) -> Option<u32> {
        if self == Self::Unavailable { Some(1) } else { None }
    }

    /// The HTTP status that an answer with this code has.
    pub fn status(self) -> u16 {
        match self {
            Self::MalformedItem
            | Self::InvalidSignature
            | Self::MissingTag
            | Self::InvalidTag
            | Self::UnknownProcess
            | Self::InvalidParameter
            | Self::NotConfirmed => 400,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::DuplicateMessage => 409,
            Self::TooLarge => 413,
            Self::Internal => 500,
            Self::GatewayError => 502,
            Self::Unavailable => 503,
        }
    }
}
