//! What can go wrong with an item that is handed to the upload node.

use std::time::Duration;

use ans104::Id;
use reqwest::StatusCode;

use crate::error::GatewayError;

/// Why an item did not arrive.
#[derive(Clone, Debug, thiserror::Error)]
pub enum UploadError {
    /// The service does not want this item: sending the same again is of no use.
    #[error("{url} refused the item with {status}: {excerpt}")]
    Refused {
        /// Who refused.
        url: String,
        /// The answer's status: a 4xx other than 408 and 429.
        status: StatusCode,
        /// The beginning of the answer's body, made printable.
        excerpt: String,
    },
    /// The service took something, and not this item.
    #[error(
        "{url} was sent the item {sent} and gave a receipt for {received:?}; it does not count as uploaded"
    )]
    OtherReceipt {
        /// Who took it.
        url: String,
        /// The item that was sent.
        sent: Id,
        /// The id in the receipt, made printable.
        received: String,
    },
    /// It was not sent.
    #[error("another node has taken the place of this one: nothing is uploaded from here any more")]
    Withheld,
    /// Nothing is said about the item: it is to be sent again later.
    #[error(transparent)]
    Transient(GatewayError),
}

impl UploadError {
    /// Whether the service said anything at all.
    #[must_use]
    pub fn is_answer(&self) -> bool {
        match self {
            Self::Refused { .. } | Self::OtherReceipt { .. } => true,
            Self::Withheld => false,
            Self::Transient(error) => error.is_answer(),
        }
    }

    /// How long the service wants to be left alone, if it said so; at most
    /// [`RETRY_AFTER_MAX`](crate::RETRY_AFTER_MAX).
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Transient(error) => error.retry_after(),
            Self::Refused { .. } | Self::OtherReceipt { .. } | Self::Withheld => None,
        }
    }
}
