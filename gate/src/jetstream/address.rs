//! Which stream an address names, and how its servers are told who asks.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use async_nats::{Client, ConnectError, ConnectOptions, ServerAddr};
use thiserror::Error;
use tracing::debug;

/// What the connections are called in the lists of a server.
const CONNECTION: &str = "quipu-gate";
const EXPECTED: &str =
    "nats://host:4222/stream, with tls:// for nats:// or further servers, each behind a comma";
/// What names a user, and his password.
const USER: &str = "NATS_USER";
const PASSWORD: &str = "NATS_PASSWORD";
const TOKEN: &str = "NATS_TOKEN";
/// What names files with certificates: whom to trust, who asks, and the key to that.
const CA: &str = "NATS_CA";
const CERT: &str = "NATS_CERT";
const KEY: &str = "NATS_KEY";
/// What would be heeded by other tools.
const UNKNOWN: [&str; 2] = ["NATS_CREDS", "NATS_NKEY"];

/// How a gate in JetStream is reached.
#[derive(Clone)]
pub struct JetStreamGateOptions {
    /// Where it is: `nats://host:4222,other:4222/stream`.
    pub url: String,
    /// Who asks, as the tools of NATS name their variables.
    pub settings: Vec<(String, String)>,
    /// Whether servers are taken that may lose what they took.
    pub single_copy_accepted: bool,
    /// How long the servers may take for each step.
    pub answer_within: Duration,
}

impl fmt::Debug for JetStreamGateOptions {
    /// Without what may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JetStreamGateOptions")
            .field("answer_within", &self.answer_within)
            .finish_non_exhaustive()
    }
}

/// Why an address names no stream for a gate. It is not shown, for it may hold a secret.
#[derive(Debug, Error)]
pub enum JetStreamAddressError {
    /// It is none.
    #[error("expected {EXPECTED}")]
    Url,
    /// A server is none.
    #[error("expected {EXPECTED}: {0}")]
    Server(#[source] std::io::Error),
    /// It names who asks.
    #[error("it may hold no user and no password: those are told by {USER} and {PASSWORD}, or {TOKEN}")]
    Secret,
    /// Its stream has a name that servers do not take.
    #[error("expected a stream of letters, digits, - and _ at the end, as in nats://host:4222/stream")]
    Stream,
    /// Who asks is told as is not known here.
    #[error("{0} is set, which is not known here: set {USER} and {PASSWORD}, {TOKEN}, or {CERT} and {KEY}")]
    Unknown(&'static str),
    /// A part of who asks is missing.
    #[error("{0} is set without {1}")]
    Alone(&'static str, &'static str),
}

/// Where a stream is, and who asks.
#[derive(Clone)]
pub(super) struct StreamAddress {
    pub(super) stream: String,
    servers: Vec<ServerAddr>,
    user: Option<(String, String)>,
    token: Option<String>,
    trusted: Option<PathBuf>,
    certificate: Option<(PathBuf, PathBuf)>,
}

impl JetStreamGateOptions {
    /// Sees that an address names a stream in which a gate can be.
    ///
    /// # Errors
    /// When it does not.
    pub fn check(address: &str) -> Result<(), JetStreamAddressError> {
        parse(address).map(drop)
    }

    /// Whether an address is meant to be one of these.
    pub fn is_meant(address: &str) -> bool {
        address.split_once("://").is_some_and(|(scheme, _)| ["nats", "tls"].contains(&scheme))
    }

    pub(super) fn address(&self) -> Result<StreamAddress, JetStreamAddressError> {
        let (servers, stream) = parse(&self.url)?;
        let set =
            |name: &str| self.settings.iter().find(|(set, _)| set == name).map(|(_, value)| value.clone());
        if let Some(unknown) = UNKNOWN.into_iter().find(|name| set(name).is_some()) {
            return Err(JetStreamAddressError::Unknown(unknown));
        }
        let both = |one: &'static str, other: &'static str| match (set(one), set(other)) {
            (Some(one), Some(other)) => Ok(Some((one, other))),
            (None, None) => Ok(None),
            (Some(_), None) => Err(JetStreamAddressError::Alone(one, other)),
            (None, Some(_)) => Err(JetStreamAddressError::Alone(other, one)),
        };
        Ok(StreamAddress {
            stream,
            servers,
            user: both(USER, PASSWORD)?,
            token: set(TOKEN),
            trusted: set(CA).map(PathBuf::from),
            certificate: both(CERT, KEY)?.map(|(cert, key)| (cert.into(), key.into())),
        })
    }
}

/// The servers and the stream that an address names.
fn parse(address: &str) -> Result<(Vec<ServerAddr>, String), JetStreamAddressError> {
    let (scheme, rest) = address.split_once("://").ok_or(JetStreamAddressError::Url)?;
    let (servers, stream) = rest.split_once('/').ok_or(JetStreamAddressError::Url)?;
    // Each server with a scheme of its own is another tool's way, and what is behind a ? or # would not be heeded.
    let is_other = rest.contains("://") || servers.contains(['?', '#']);
    if !JetStreamGateOptions::is_meant(address) || servers.is_empty() || is_other {
        return Err(JetStreamAddressError::Url);
    }
    if servers.contains('@') {
        return Err(JetStreamAddressError::Secret);
    }
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if stream.is_empty() || !stream.bytes().all(is_name) {
        return Err(JetStreamAddressError::Stream);
    }
    let servers = servers.split(',').map(|server| format!("{scheme}://{server}").parse());
    let servers = servers.collect::<Result<_, _>>().map_err(JetStreamAddressError::Server)?;
    Ok((servers, stream.to_owned()))
}

/// Connects to one of the servers.
pub(super) async fn connect(address: &StreamAddress, within: Duration) -> Result<Client, ConnectError> {
    let StreamAddress { servers, user, token, trusted, certificate, .. } = address.clone();
    // One that hangs leaves time for others.
    let each = within.checked_div(4).unwrap_or(within);
    // Else a server that asks for no TLS, or whoever is between, would be sent the password in the clear.
    let is_tls = servers.iter().any(ServerAddr::tls_required) || trusted.is_some() || certificate.is_some();
    let mut options = ConnectOptions::new()
        .name(CONNECTION)
        .require_tls(is_tls)
        .connection_timeout(each)
        .request_timeout(Some(within))
        .ping_interval(within)
        // Else each goes to the log of the node as one of its own; what a gate does not do is told there anyway.
        .event_callback(|event| async move { debug!(%event, "NATS") });
    if let Some((user, password)) = user {
        options = options.user_and_password(user, password);
    }
    if let Some(token) = token {
        options = options.token(token);
    }
    if let Some(trusted) = trusted {
        options = options.add_root_certificates(trusted);
    }
    if let Some((cert, key)) = certificate {
        options = options.add_client_certificate(cert, key);
    }
    options.connect(servers).await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::JetStreamGate;

    /// What is sent to a server that asks for no TLS.
    async fn sent(scheme: &str, trusted: Option<PathBuf>) -> Vec<u8> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("{scheme}://{}/stream", listener.local_addr().unwrap());
        let settings = [(USER, "who".to_owned()), (PASSWORD, "knots".to_owned())];
        let trusted = trusted.map(|trusted| (CA, trusted.to_str().unwrap().to_owned()));
        let settings = settings.into_iter().chain(trusted);
        let settings = settings.map(|(name, value)| (name.to_owned(), value)).collect();
        let within = Duration::from_secs(20);
        let options =
            JetStreamGateOptions { url, settings, single_copy_accepted: true, answer_within: within };
        let address = options.address().unwrap();
        let server = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            socket.write_all(b"INFO {\"server_id\":\"s\",\"max_payload\":1024}\r\n").await.unwrap();
            let mut bytes = vec![0; 4096];
            let read = socket.read(&mut bytes).await.unwrap_or_default();
            bytes.truncate(read);
            bytes
        };
        let (connected, sent) = tokio::join!(connect(&address, within), server);
        assert!(connected.is_err(), "it is answered by nobody");
        sent
    }

    #[tokio::test]
    async fn no_password_is_sent_in_the_clear_where_tls_is_meant() {
        let is_told = |sent: &[u8]| sent.windows(5).any(|part| part == b"knots");
        let none = tempfile::NamedTempFile::new().unwrap();
        assert!(is_told(&sent("nats", None).await), "what is sent is not seen");
        assert!(!is_told(&sent("tls", None).await));
        let sent = sent("nats", Some(none.path().to_owned())).await;
        assert!(!is_told(&sent));
        assert_eq!(sent.first(), Some(&0x16), "it begins a handshake");
    }

    #[test]
    fn addresses_are_told_what_is_wrong_with_them() {
        let said = |address: &str| JetStreamGateOptions::check(address).unwrap_err().to_string();
        for (address, told) in [
            ("", "expected nats://host:4222/stream"),
            ("nats:", "expected nats://host:4222/stream"),
            ("http://host/stream", "expected nats://host:4222/stream"),
            ("nats://host:4222", "expected nats://host:4222/stream"),
            ("nats:///stream", "expected nats://host:4222/stream"),
            ("nats://host:port/stream", "port"),
            ("nats://a:4222,nats://b:4222/stream", "further servers, each behind a comma"),
            ("nats://host?x=1/stream", "expected nats://host:4222/stream"),
            ("nats://host#x/stream", "expected nats://host:4222/stream"),
            ("nats://host:4222/", "letters"),
            ("nats://host:4222/a.b", "letters"),
            ("nats://host:4222/a/b", "letters"),
            ("nats://user:guess@host/stream", "NATS_PASSWORD"),
        ] {
            let said = said(address);
            assert!(said.contains(told) && !said.contains("guess"), "{address}: {said}");
        }
        let (servers, stream) = parse("tls://one,10.0.0.2:4223/the-log").unwrap();
        assert_eq!((servers.len(), stream.as_str()), (2, "the-log"));
        assert!(servers.iter().all(ServerAddr::tls_required));
    }

    #[test]
    fn who_asks_is_told_whole_or_refused() {
        let open = |settings: &[&str]| {
            let settings = settings.iter().map(|name| ((*name).to_owned(), "x".to_owned())).collect();
            let url = "nats://host/stream".to_owned();
            let answer_within = Duration::from_secs(1);
            let options = JetStreamGateOptions { url, settings, single_copy_accepted: false, answer_within };
            JetStreamGate::open(&options).map(drop).map_err(|error| error.to_string())
        };
        assert_eq!(open(&[USER, PASSWORD, TOKEN, CA, CERT, KEY]), Ok(()));
        for (settings, told) in [
            ([USER].as_slice(), "NATS_USER is set without NATS_PASSWORD"),
            (&[KEY], "NATS_KEY is set without NATS_CERT"),
            (&["NATS_CREDS"], "NATS_CREDS is set"),
        ] {
            let said = open(settings).unwrap_err();
            assert!(said.contains(told), "{said}");
        }
    }
}
