//! Why a scheduler could not be asked.

use std::error::Error;
use std::io;
use std::time::Duration;

use importer::BusyWait;
use node::{AdminTokenError, tls_reason};
use serde::Deserialize;

use crate::secret::without_secrets;
use crate::settings::TlsSettingError;

/// Only so much of an answer that is not understood is shown.
const SHOWN_CHARS: usize = 200;

/// Why a scheduler could not be asked, or what it refused. URLs are shown without what is secret in them.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The URL is not that of a scheduler.
    #[error("{:?} is not the URL of a node: {reason}", without_secrets(.url))]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The HTTP client cannot be made.
    #[error("cannot set up the HTTP client")]
    Setup(#[source] reqwest::Error),
    /// TLS cannot be spoken.
    #[error(transparent)]
    Tls(#[from] TlsSettingError),
    /// The token that the node has made cannot be used.
    #[error(transparent)]
    Token(#[from] AdminTokenError),
    /// No connection, or it broke.
    #[error("cannot reach {}: {reason}", without_secrets(.url))]
    Unreachable {
        /// The node.
        url: String,
        /// Why, without the layers that it went through.
        reason: String,
        /// Whether it took too long.
        is_timeout: bool,
        /// Whether the machine said that nobody listens there.
        is_refused: bool,
    },
    /// The URL is that of a node, but not of its admin listener.
    #[error(
        "{} is the public listener of a node, which is not asked this; --admin takes the URL of its admin listener, by \
         default on the next port of the node's own machine", without_secrets(.url)
    )]
    Public {
        /// What was asked.
        url: String,
    },
    /// The URL is that of a router, which has no such call.
    #[error(
        "{} is the admin listener of a router; ask that of a node, with --admin: `quipu router list` shows which there are",
        without_secrets(.url)
    )]
    Router {
        /// What was asked.
        url: String,
    },
    /// The node answered that it will not do it.
    #[error("the node answered {status}: {text}{}", code.as_deref().map(|code| format!(" (code {code})")).unwrap_or_default())]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The text for a person.
        text: String,
        /// The code for a program, if there is one.
        code: Option<String>,
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// The answer is not what a scheduler answers.
    #[error("{} does not answer as a scheduler does", without_secrets(.url))]
    Answer {
        /// The node.
        url: String,
        /// What is wrong.
        #[source]
        error: serde_json::Error,
    },
    /// It goes on beyond what any answer is.
    #[error("{} answers more than {mebibytes} MiB, which no node does", without_secrets(.url))]
    TooLong {
        /// The node.
        url: String,
        /// How much is taken.
        mebibytes: usize,
    },
    /// The page does not say where the next one starts.
    #[error("the cursor of a page is {0:?}, expected a nonce")]
    Cursor(String),
    /// A page promises more but holds nothing, so that there is no going on.
    #[error("an empty page says that there are more")]
    EmptyPage,
}

impl ClientError {
    /// Whether the scheduler says itself that it does not answer now, but may in a moment.
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if BusyWait::is_said_by(*status))
    }

    /// Whether it answered, and nothing can be made of that; another question may be answered well.
    pub fn is_of_answer(&self) -> bool {
        matches!(self, Self::Refused { status: 500, .. } | Self::Answer { .. } | Self::TooLong { .. })
    }

    /// How long whoever refuses asks to be left alone, if it does.
    pub fn retry_after(&self) -> Option<Duration> {
        if let Self::Refused { retry_after, .. } = self { *retry_after } else { None }
    }

    /// The error of a call that got no answer.
    pub fn unreachable(url: &str, error: &(dyn Error + 'static), is_timeout: bool) -> Self {
        let by_tls = tls_reason(error);
        let (mut reason, mut is_refused, mut next) = (error.to_string(), false, error.source());
        while let Some(cause) = next {
            let kind = cause.downcast_ref::<io::Error>().map(io::Error::kind);
            is_refused |= kind == Some(io::ErrorKind::ConnectionRefused);
            (reason, next) = (cause.to_string(), cause.source());
        }
        let reason = by_tls.unwrap_or(reason);
        Self::Unreachable { url: url.to_owned(), reason, is_timeout, is_refused }
    }

    /// The same of a call that may have been led there: the node that was named was reached then.
    pub(super) fn led_to(self, to: String) -> Self {
        let Self::Unreachable { url, reason, is_timeout, is_refused } = self else { return self };
        let reason = format!("{reason}; it last redirected to {to}, so that may be what is not reached");
        Self::Unreachable { url, reason, is_timeout, is_refused }
    }

    /// The error of an answer that is not 2xx, and that asks to be left alone for so long.
    pub fn refused(status: u16, retry_after: Option<Duration>, body: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Body {
            error: String,
            code: Option<String>,
        }
        match serde_json::from_slice::<Body>(body) {
            Ok(Body { error, code }) => Self::Refused { status, text: error, code, retry_after },
            Err(_) => {
                let text: String = String::from_utf8_lossy(body).chars().take(SHOWN_CHARS).collect();
                let text = if text.trim().is_empty() { "nothing more".to_owned() } else { text };
                Self::Refused { status, text, code: None, retry_after }
            }
        }
    }

    /// A short name to count by: the node's code, else the status, else what broke.
    pub fn kind(&self) -> String {
        match self {
            Self::Refused { code: Some(code), status, .. } => format!("{status} {code}"),
            Self::Refused { status, .. } => status.to_string(),
            Self::Unreachable { is_timeout: true, .. } => "timeout".to_owned(),
            Self::Unreachable { .. } => "connection".to_owned(),
            _ => "answer not understood".to_owned(),
        }
    }

    /// Whether the node was not reached, as against having refused.
    pub fn is_connection(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use node::NodeTls;

    use super::*;
    use crate::client::SchedulerClient;

    #[tokio::test]
    async fn that_nobody_listens_is_not_that_a_connection_broke() {
        let listen = || {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            (format!("http://{}", listener.local_addr().unwrap()), listener)
        };
        let (free, (broken, listener)) = (listen().0, listen());
        let breaking = std::thread::spawn(move || drop(listener.accept()));
        for (url, expected) in [(free, true), (broken, false)] {
            let client = SchedulerClient::for_operators(&url, &NodeTls::default()).unwrap();
            match client.get::<serde_json::Value>("/status", None).await {
                Err(ClientError::Unreachable { is_refused, .. }) => assert_eq!(is_refused, expected, "{url}"),
                other => panic!("{url}: {other:?}"),
            }
        }
        breaking.join().unwrap();
    }

    #[tokio::test]
    async fn where_a_call_was_led_is_told_if_nobody_answers() {
        let refusing = testing::RefusingPort::take();
        let to = format!("http://127.0.0.1:{}", refusing.number());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answer = format!("HTTP/1.1 307 Elsewhere\r\nlocation: {to}/x\r\ncontent-length: 0\r\n\r\n");
        let redirecting = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let _ = std::io::Read::read(&mut socket, &mut [0; 4096]);
            std::io::Write::write_all(&mut socket, answer.as_bytes()).unwrap();
        });
        let client = SchedulerClient::new(&url).unwrap();
        let error = client.info().await.unwrap_err().to_string();
        assert!(error.contains(&url) && error.contains(&to), "{error}");
        redirecting.join().unwrap();
    }

    #[tokio::test]
    async fn no_error_shows_a_password() {
        let wrong = SchedulerClient::new("ftp://user:guess-me@host").unwrap_err().to_string();
        assert!(wrong.contains("@host") && !wrong.contains("guess-me"), "{wrong}");
        let refusing = testing::RefusingPort::take();
        let url = format!("http://user:guess-me@127.0.0.1:{}", refusing.number());
        let error = SchedulerClient::new(&url).unwrap().info().await.unwrap_err().to_string();
        assert!(error.contains("@127.0.0.1") && !error.contains("guess-me"), "{error}");
    }

    #[test]
    fn refusals_show_text_and_code() {
        for (body, text, kind) in [
            (
                r#"{"error":"no such process","code":"unknown_process"}"#,
                "the node answered 404: no such process (code unknown_process)",
                "404 unknown_process",
            ),
            (r#"{"error":"no"}"#, "the node answered 404: no", "404"),
            ("Not found", "the node answered 404: Not found", "404"),
            ("", "the node answered 404: nothing more", "404"),
        ] {
            let error = ClientError::refused(404, None, body.as_bytes());
            assert_eq!(error.to_string(), text);
            assert_eq!(error.kind(), kind);
        }
    }
}
