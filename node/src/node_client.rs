//! How a node asks another one.

use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{ClientBuilder, Response, redirect};

use crate::error::NodeError;
use crate::options::NodeAccess;

/// For a connection to stand, TLS included.
const CONNECT: Duration = Duration::from_secs(5);

/// A client that says who asks, takes answers as they are and is led nowhere else. It shows its token to whomever it asks.
///
/// # Errors
/// When no header carries the token.
pub(crate) fn node_client(access: &NodeAccess) -> Result<ClientBuilder, NodeError> {
    let mut headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("identity"))]);
    if let Some(token) = &access.token {
        let mut value =
            HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| NodeError::LeaderToken)?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(access
        .tls
        .client()
        // With HTTP/2 it is lost why a connection ended that TLS had agreed on, as the other side does over a certificate.
        .http1_only()
        .user_agent(concat!("quipu/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .redirect(redirect::Policy::none())
        .default_headers(headers))
}

/// Why what another node answers is not read.
pub(crate) enum Unread {
    /// It broke off, or took too long.
    Broken(reqwest::Error),
    /// It has more bytes than such an answer has.
    TooLong,
}

/// All that another node answers, up to so many bytes.
///
/// # Errors
/// When it breaks off, or goes on.
pub(crate) async fn read_answer(mut answer: Response, bytes_max: usize) -> Result<Vec<u8>, Unread> {
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(Unread::Broken)? {
        body.extend_from_slice(&piece);
        if body.len() > bytes_max {
            return Err(Unread::TooLong);
        }
    }
    Ok(body)
}
