//! What other nodes are asked with by TLS, and what it means when that fails.

use std::error::Error;
use std::fmt;
use std::io;

use reqwest::{Certificate, Client, ClientBuilder, Identity};
use rustls::{AlertDescription, CertificateError, InvalidMessage};
use web::TlsError;

/// What other nodes are asked with by TLS.
#[derive(Clone, Default)]
pub struct NodeTls {
    /// Who signs their certificates; those whom the system trusts, if there is none here.
    roots: Vec<Certificate>,
    /// The certificate that this node shows them, and its key.
    identity: Option<Identity>,
}

impl NodeTls {
    /// With the certificates of who signs theirs, and a certificate of its own with its key, where there are; all in PEM.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn new(signers: Option<&[u8]>, identity: Option<(&[u8], &[u8])>) -> Result<Self, TlsError> {
        let mut tls = Self::default();
        if let Some(signers) = signers {
            tls.roots = Certificate::from_pem_bundle(signers).unwrap_or_default();
            if tls.roots.is_empty() || tls.client().build().is_err() {
                return Err(TlsError::Signers);
            }
        }
        if let Some((certificate, key)) = identity {
            if Certificate::from_pem_bundle(certificate).map_or(true, |found| found.is_empty()) {
                return Err(TlsError::Certificate);
            }
            let identity = Identity::from_pem(&[certificate, b"\n", key].concat());
            tls.identity = Some(identity.map_err(|_| TlsError::Key)?);
            tls.client().build().map_err(|error| TlsError::Pair(error.into()))?;
        }
        Ok(tls)
    }

    /// A client that asks with it.
    pub fn client(&self) -> ClientBuilder {
        let mut builder = Client::builder();
        if !self.roots.is_empty() {
            builder = builder.tls_certs_only(self.roots.iter().cloned());
        }
        if let Some(identity) = &self.identity {
            builder = builder.identity(identity.clone());
        }
        builder
    }

    /// Whether there is a certificate that says who asks.
    pub fn has_identity(&self) -> bool {
        self.identity.is_some()
    }
}

impl fmt::Debug for NodeTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let identity = self.identity.is_some();
        f.debug_struct("NodeTls").field("roots", &self.roots.len()).field("identity", &identity).finish()
    }
}

/// What it means that a call failed, and what helps, where it failed by TLS.
pub fn tls_reason(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(error) = error.downcast_ref() {
        return Some(meaning(error));
    }
    // What an error of input and output was made of is not among its causes.
    let made_of = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    let reason = made_of.and_then(|inner| tls_reason(inner));
    reason.or_else(|| error.source().and_then(tls_reason))
}

fn meaning(error: &rustls::Error) -> String {
    use AlertDescription as Alert;
    use CertificateError as Wrong;
    let text = match error {
        rustls::Error::AlertReceived(alert) => match alert {
            Alert::CertificateRequired => {
                "it lets in only who shows a certificate: REPLICATE_TLS_CERT and REPLICATE_TLS_KEY name its files"
            }
            Alert::UnknownCA => {
                "it does not take the certificate in REPLICATE_TLS_CERT: that was signed by none of those in its \
                 ADMIN_TLS_CLIENT_CA"
            }
            Alert::CertificateExpired => {
                "it does not take the certificate in REPLICATE_TLS_CERT: that has expired"
            }
            _ => return format!("it refuses TLS: {error}; its log says why"),
        },
        rustls::Error::InvalidCertificate(wrong) => match wrong {
            Wrong::UnknownIssuer => {
                "its certificate was signed by nobody who is trusted here: REPLICATE_TLS_CA names a file with the certificates \
                 of who may have"
            }
            Wrong::Expired | Wrong::ExpiredContext { .. } => "its certificate has expired",
            Wrong::NotValidForName | Wrong::NotValidForNameContext { .. } => {
                "its certificate is not for the name or the address in the URL"
            }
            _ => return format!("its certificate is refused: {wrong:?}"),
        },
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "it speaks no TLS: expected a URL with http://"
        }
        _ => return error.to_string(),
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn what_is_no_certificate_is_told() {
        let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for signers in [&b""[..], b"no PEM", broken] {
            assert!(matches!(NodeTls::new(Some(signers), None), Err(TlsError::Signers)));
        }
        for (certificate, key, expected) in
            [(&b""[..], &b""[..], "certificate"), (broken, b"", "private key")]
        {
            let refused = NodeTls::new(None, Some((certificate, key))).unwrap_err().to_string();
            assert!(refused.contains(expected), "{refused}");
        }
    }

    #[test]
    fn the_reason_is_found_where_errors_hide_it() {
        let alert = rustls::Error::AlertReceived(AlertDescription::CertificateRequired);
        let once = io::Error::other(alert.clone());
        let twice = io::Error::other(io::Error::other(alert.clone()));
        for told in [tls_reason(&once), tls_reason(&twice), tls_reason(&alert)] {
            assert!(told.as_ref().is_some_and(|told| told.contains("REPLICATE_TLS_CERT")), "{told:?}");
        }
        assert_eq!(tls_reason(&io::Error::other("else")), None);
    }
}
