//! TLS below HTTP: who a listener is, and whom it lets in.
//!
//! Whoever is refused hears why, and so does the operator of this node: an alert that is sent as the connection is closed
//! would be lost with what the other side has sent meanwhile, so that is read first.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::Code;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{AlertDescription, CertificateError, RootCertStore, ServerConfig};
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::{debug, warn};

use crate::error::HttpError;

/// How long a client may take to agree on what is spoken.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long one that is refused has to fetch the reason.
const FETCHED: Duration = Duration::from_secs(1);
/// How often the same refusal of the same client is told.
const TOLD_EVERY: Duration = Duration::from_secs(60);
/// What every TLS connection begins with: a record of a handshake.
const RECORD: u8 = 22;

/// How a listener speaks TLS; clones are one listener's.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    /// What was refused last, whom, and when that was told.
    told: Arc<Mutex<Option<(IpAddr, String, Instant)>>>,
}

/// Why TLS cannot be spoken with what was given.
#[derive(Debug, Error)]
pub enum TlsError {
    /// There is no certificate to show.
    #[error("there is no certificate in it, in PEM")]
    Certificate,
    /// There is no key.
    #[error("there is no private key in it, in PEM and without a password")]
    Key,
    /// Nobody can be held against it.
    #[error(
        "there is nothing in it that other certificates can be held against: expected certificates in PEM"
    )]
    Signers,
    /// The certificate and the key cannot be used, or are not of each other.
    #[error("the certificate and its private key cannot be used together")]
    Pair(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// That who sent a request has shown a certificate that is trusted here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Certified;

impl Tls {
    /// With this certificate (its chain included) and private key. With certificates of `signers`, who connects must have
    /// one that was signed by one of these. All in PEM.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn new(certificate: &[u8], key: &[u8], signers: Option<&[u8]>) -> Result<Self, TlsError> {
        let provider = Arc::new(default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone());
        let builder = builder.with_safe_default_protocol_versions().map_err(unusable)?;
        let builder = match signers {
            None => builder.with_no_client_auth(),
            Some(signers) => {
                let mut roots = RootCertStore::empty();
                for signer in certificates(signers).ok_or(TlsError::Signers)? {
                    roots.add(signer).map_err(|_| TlsError::Signers)?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().map_err(|_| TlsError::Signers)?)
            }
        };
        let certificate = certificates(certificate).ok_or(TlsError::Certificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsError::Key)?;
        let mut config = builder.with_single_cert(certificate, key).map_err(unusable)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // Nobody comes back without a certificate that is valid by then.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), told: Arc::default() })
    }

    /// The connection of a client, once both agree; none when they do not, which is told.
    pub(crate) async fn accept(&self, socket: TcpStream, remote: SocketAddr) -> Option<TlsStream<TcpStream>> {
        match timeout(HANDSHAKE, self.agree(socket)).await {
            Ok(Ok(stream)) => return Some(stream),
            Ok(Err(Some(reason))) => self.tell(remote, reason),
            Ok(Err(None)) => debug!(%remote, "a client was gone before it said anything"),
            Err(_) => debug!(%remote, "a client took too long to agree on TLS"),
        }
        None
    }

    /// The connection, or why not; without a reason when nobody wanted anything.
    async fn agree(&self, socket: TcpStream) -> Result<TlsStream<TcpStream>, Option<String>> {
        let mut first = [0];
        match socket.peek(&mut first).await {
            Ok(1) if first == [RECORD] => {}
            Ok(1) => {
                tell_clear_text(socket).await;
                return Err(Some("it speaks no TLS: expected a URL with https://".to_owned()));
            }
            _ => return Err(None),
        }
        match self.acceptor.accept(socket).into_fallible().await {
            Ok(stream) => Ok(stream),
            Err((error, socket)) => {
                let _ = timeout(FETCHED, read_out(socket)).await;
                Err(Some(reason(&error)))
            }
        }
    }

    /// Tells the operator, but not the same again and again.
    fn tell(&self, remote: SocketAddr, reason: String) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = told.as_ref().is_none_or(|(ip, before, at)| {
            (*ip, before) != (remote.ip(), &reason) || at.elapsed() > TOLD_EVERY
        });
        if is_news {
            warn!(%remote, reason, "refused a client on the admin listener, which speaks HTTPS");
            *told = Some((remote.ip(), reason, Instant::now()));
        }
    }
}

/// The certificates in a text, if there are any and all can be read.
fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().ok()?;
    (!found.is_empty()).then_some(found)
}

fn unusable(error: rustls::Error) -> TlsError {
    TlsError::Pair(error.into())
}

/// Why a client was refused, or refused this node.
fn reason(error: &io::Error) -> String {
    use CertificateError::{Expired, ExpiredContext, InvalidPurpose, InvalidPurposeContext, UnknownIssuer};
    let tls = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    let text = match tls {
        Some(rustls::Error::NoCertificatesPresented) => {
            "it shows no certificate, and ADMIN_TLS_CLIENT_CA is set"
        }
        Some(rustls::Error::InvalidCertificate(wrong)) => match wrong {
            UnknownIssuer => "its certificate was signed by none of those in ADMIN_TLS_CLIENT_CA",
            Expired | ExpiredContext { .. } => "its certificate has expired",
            InvalidPurpose | InvalidPurposeContext { .. } => "its certificate is not one for clients",
            _ => return format!("its certificate is refused: {wrong:?}"),
        },
        Some(rustls::Error::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown,
        )) => "it does not trust the certificate in ADMIN_TLS_CERT, or not for the name that it asked for",
        Some(rustls::Error::AlertReceived(AlertDescription::CertificateExpired)) => {
            "it says that the certificate in ADMIN_TLS_CERT has expired"
        }
        _ => return error.to_string(),
    };
    text.to_owned()
}

/// Says in clear text what this listener speaks.
async fn tell_clear_text(mut socket: TcpStream) {
    let text = "this listener speaks HTTPS alone (ADMIN_TLS_CERT is set): expected a URL with https://";
    let body = HttpError::new(Code::InvalidParameter, text).to_json();
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let told = async {
        socket.write_all(answer.as_bytes()).await?;
        read_out(socket).await
    };
    let _ = timeout(FETCHED, told).await;
}

/// Closes this side, and reads what the other one has sent: closed before, it would not get to see what was said to it.
async fn read_out(mut socket: TcpStream) -> io::Result<()> {
    let mut rest = [0; 1024];
    socket.shutdown().await?;
    while socket.read(&mut rest).await? > 0 {}
    Ok(())
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn what_is_no_certificate_is_told() {
        let wrong = |certificate: &str, signers| Tls::new(certificate.as_bytes(), b"", signers).unwrap_err();
        assert!(matches!(wrong("no PEM", None), TlsError::Certificate));
        assert!(matches!(wrong("", Some(&b"nobody"[..])), TlsError::Signers));
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(wrong(broken, None), TlsError::Key));
        assert!(matches!(wrong(broken, Some(broken.as_bytes())), TlsError::Signers));
    }
}
