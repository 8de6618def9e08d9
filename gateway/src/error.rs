//! What can go wrong between us and the world, told so that it is clear who may act.

use std::{error::Error, fmt, net::IpAddr, sync::Arc, time::Duration};

use reqwest::{StatusCode, Url};

/// What was asked of a service; also the `call` label of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// How deep a transaction is in the chain.
    Confirmations,
    /// What a transaction says of itself, over GraphQL.
    Transaction,
    /// Which of many items GraphQL knows.
    Known,
    /// Whether GraphQL knows an assignment.
    Assigned,
    /// Where a scheduler is, over GraphQL.
    Location,
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
    /// A list that an operator keeps somewhere.
    List,
    /// What another scheduler serves.
    Scheduler,
}

impl Call {
    /// The name used in messages and as a label.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Confirmations => "confirmations",
            Self::Transaction => "transaction",
            Self::Known => "known",
            Self::Assigned => "assigned",
            Self::Location => "location",
            Self::Raw => "raw",
            Self::Exists => "exists",
            Self::Height => "height",
            Self::Upload => "upload",
            Self::Cache => "cache",
            Self::List => "list",
            Self::Scheduler => "scheduler",
        }
    }

    /// Whether something is handed over, not asked.
    pub(crate) fn is_upload(self) -> bool {
        matches!(self, Self::Upload | Self::Cache)
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
    #[error("cannot set up the HTTP client: {}", Chain(cause))]
    Client {
        /// What the library says.
        #[source]
        cause: Arc<reqwest::Error>,
    },
    /// No connection, or one that broke before the answer was complete.
    #[error("{call}: {url} cannot be reached: {}", Chain(cause))]
    Unreachable {
        /// What was asked.
        call: Call,
        /// Whom.
        url: String,
        /// What the network says.
        #[source]
        cause: Arc<reqwest::Error>,
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
    /// Nobody was asked: so much else was all the time.
    #[error("{call}: {url} was not asked, since as many others were as may be at a time, for {after:?}")]
    NotAsked {
        /// What would have been asked.
        call: Call,
        /// Whom.
        url: String,
        /// How long was waited.
        after: Duration,
    },
    /// Nobody was asked: the service has failed too often, or asked for a pause.
    #[error("{call}: {url} is left alone for another {wait:?}, since it failed: {failure}")]
    LeftAlone {
        /// What would have been asked.
        call: Call,
        /// Whom.
        url: String,
        /// When to ask again.
        wait: Duration,
        /// What it failed with.
        failure: String,
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
        /// The pause that the service asks for.
        retry_after: Option<Duration>,
    },
    /// An answer that leads to where nobody must be asked.
    #[error("{call}: {url} is not followed: {cause}")]
    Redirect {
        /// What was asked.
        call: Call,
        /// Whom.
        url: String,
        /// Why it is not followed.
        #[source]
        cause: RedirectError,
    },
    /// An answer that is not what this call's answer looks like.
    #[error("{call}: {url} answered something unexpected: {cause}")]
    Body {
        /// What was asked.
        call: Call,
        /// Whom.
        url: String,
        /// What was wrong with it.
        #[source]
        cause: AnswerError,
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
            Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::NotAsked { .. }
            | Self::LeftAlone { .. } => true,
            Self::Status { status, .. } => is_transient(*status),
            Self::Client { .. } | Self::Redirect { .. } | Self::Body { .. } | Self::TooLarge { .. } => false,
        }
    }

    /// Whether the service said anything, be it of no use.
    pub(crate) fn is_answer(&self) -> bool {
        match self {
            Self::Client { .. }
            | Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::NotAsked { .. }
            | Self::LeftAlone { .. } => false,
            Self::Status { .. } | Self::Redirect { .. } | Self::Body { .. } | Self::TooLarge { .. } => true,
        }
    }

    /// How long the service wants to be left alone, if it said so; at most
    /// [`RETRY_AFTER_MAX`](crate::RETRY_AFTER_MAX).
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            Self::LeftAlone { wait, .. } => Some(*wait),
            _ => None,
        }
    }
}

/// A redirect that is not followed. An operator allows a host by naming it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedirectError {
    /// The answer leads to a private, link-local or otherwise special address.
    #[error(
        "it redirects to {host}, which has the private address {address}; GATEWAY_REDIRECT_HOSTS names hosts \
         that this is right for"
    )]
    Private {
        /// The host that was named.
        host: String,
        /// The address that it has.
        address: IpAddr,
    },
    /// The answer leads from https to http.
    #[error(
        "it redirects from https to http, to the host {host}; GATEWAY_REDIRECT_HOSTS names hosts that this \
         is right for"
    )]
    Downgrade {
        /// The host that was named.
        host: String,
    },
}

/// What is wrong with an answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AnswerError {
    /// It is not the JSON that was expected.
    #[error("{cause}, in: {excerpt}")]
    Json {
        /// The beginning of the answer, made printable.
        excerpt: String,
        /// What the parser says.
        #[source]
        cause: Arc<serde_json::Error>,
    },
    /// Nobody asked for that encoding, and nothing is unpacked here.
    #[error("it is encoded as {0}, expected plain bytes")]
    Encoded(String),
    /// A height that no assignment has the digits for.
    #[error("the height {height}, beyond {max}")]
    Height {
        /// What was told.
        height: u64,
        /// The largest that there can be.
        max: u64,
    },
    /// The service of that kind is not there at all.
    #[error("404: there is no {0} at this address")]
    NoService(&'static str),
    /// GraphQL found something wrong with the question.
    #[error("{0}")]
    Complaint(String),
    /// GraphQL tells what it was not asked for.
    #[error("something else among the {0}")]
    Unasked(&'static str),
    /// GraphQL tells more than it was asked for.
    #[error("more than the {0} records that were asked for")]
    TooMany(usize),
    /// GraphQL said nothing.
    #[error("neither data nor errors")]
    Nothing,
}

/// An error with all its causes, as libraries leave those out of their own texts.
struct Chain<'a, E>(&'a E);

impl<E: Error> fmt::Display for Chain<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(inner) = cause {
            write!(f, ": {inner}")?;
            cause = inner.source();
        }
        Ok(())
    }
}

/// Statuses that speak of the moment and not of the question.
pub(crate) fn is_transient(status: StatusCode) -> bool {
    let is_for_now = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
    status.is_server_error() || is_for_now
}

/// An address as it may be shown: without user, password, query and fragment, and not all of a long one, since answers
/// may lead to any.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Both fail only for addresses without a host, which have no user either.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    shortened(url.as_str())
}

/// The beginning of a text that somebody else has chosen.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(EXCERPT_CHARS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
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
    fn of_a_long_address_the_beginning_is_shown() {
        let url = Url::parse(&format!("https://host/{}", "é".repeat(100_000))).unwrap();
        let text = shown(&url);
        assert!(text.starts_with("https://host/%C3") && text.ends_with('…'), "{text}");
        assert_eq!(text.chars().count(), EXCERPT_CHARS_MAX + 1);
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
