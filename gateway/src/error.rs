//! What can go wrong between us and the world, told so that it is clear who may act.

use std::{fmt, time::Duration};

use reqwest::{StatusCode, Url};

/// What was asked of a service; also the `call` label of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// How deep a transaction is in the chain.
    Confirmations,
    /// What a transaction says of itself, over GraphQL.
    Transaction,
    /// Which of many items GraphQL knows.
    Known,
    /// The data of a transaction.
    Raw,
    /// Whether any gateway knows a transaction.
    Exists,
    /// The network's height.
    Height,
    /// An item handed to the upload node.
    Upload,
    /// An item handed to the cache.
    Cache,
}

impl Call {
    /// The name used in messages and as a label.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Confirmations => "confirmations",
            Self::Transaction => "transaction",
            Self::Known => "known",
            Self::Raw => "raw",
            Self::Exists => "exists",
            Self::Height => "height",
            Self::Upload => "upload",
            Self::Cache => "cache",
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A question that a service did not answer usefully. `url` is without user, password and query.
///
/// [`GatewayError::is_transient`] tells whether asking again later may help; the others need
/// somebody to look at the configuration or at the service.
#[derive(Clone, Debug, thiserror::Error)]
pub enum GatewayError {
    /// The HTTP client cannot be set up on this machine.
    #[error("cannot set up the HTTP client: {reason}")]
    Client {
        /// What the library says.
        reason: String,
    },
    /// No connection, or one that broke before the answer was complete.
    #[error("{call}: {url} cannot be reached: {reason}")]
    Unreachable {
        /// What was asked.
        call: Call,
        /// Whom.
        url: String,
        /// What the network says.
        reason: String,
    },
    /// The answer was not complete in time.
    #[error("{call}: {url} did not answer within {after:?}")]
    TimedOut {
        /// What was asked.
        call: Call,
        /// Whom.
        url: String,
        /// How long was waited.
        after: Duration,
    },
    /// An answer, of a status that this call has no use for.
    #[error("{call}: {url} answered {status}: {excerpt}")]
    Status {
        /// What was asked.
        call: Call,
        /// Whom.
        url: String,
        /// The answer's status.
        status: StatusCode,
        /// The beginning of the answer's body, made printable.
        excerpt: String,
    },
    /// An answer that is not what this call's answer looks like.
    #[error("{call}: {url} answered something unexpected: {reason}")]
    Body {
        /// What was asked.
        call: Call,
        /// Whom.
        url: String,
        /// What was wrong with it.
        reason: String,
    },
    /// An answer beyond the size that is accepted.
    #[error("{call}: {url} answered with more than {bytes_max} bytes")]
    TooLarge {
        /// What was asked.
        call: Call,
        /// Whom.
        url: String,
        /// The bound, in bytes.
        bytes_max: usize,
    },
}

impl GatewayError {
    /// Whether the same question may get an answer later, with nobody doing anything here.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } => true,
            Self::Status { status, .. } => is_transient(*status),
            Self::Client { .. } | Self::Body { .. } | Self::TooLarge { .. } => false,
        }
    }
}

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
    /// Nothing is said about the item: it is to be sent again later.
    #[error(transparent)]
    Transient(GatewayError),
}

/// Statuses that speak of the moment and not of the question.
pub(crate) fn is_transient(status: StatusCode) -> bool {
    status.is_server_error()
        || status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::REQUEST_TIMEOUT
}

/// An address as it may be shown: without user, password, query and fragment.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Both fail only for addresses without a host, which have no user either.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

/// The beginning of a body, on one line and without control characters.
pub(crate) fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let printable = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let short: String = printable.take(EXCERPT_CHARS_MAX).collect();
    match short.trim() {
        "" => "(no text)".to_owned(),
        text => text.to_owned(),
    }
}

/// An excerpt is for a log line.
const EXCERPT_CHARS_MAX: usize = 200;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn what_is_shown_has_no_secrets() {
        let url = Url::parse("https://user:hush@host:1/tx/a?key=hush#hush").unwrap();
        assert_eq!(shown(&url), "https://host:1/tx/a");
    }

    #[test]
    fn excerpts_are_short_and_printable() {
        assert_eq!(excerpt(b""), "(no text)");
        assert_eq!(excerpt(b" busy\r\n\x1b[31m"), "busy   [31m");
        assert_eq!(excerpt(&[0xFF; 1000]).chars().count(), EXCERPT_CHARS_MAX);
    }

    #[test]
    fn only_what_may_pass_is_transient() {
        for (status, transient) in
            [(500, true), (503, true), (429, true), (408, true), (400, false), (403, false)]
        {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(is_transient(status), transient, "{status}");
        }
    }
}
