//! Files for TLS: what the admin listener shows and asks for, and what other nodes and their admin listeners are asked
//! with.

use std::fs;
use std::io;
use std::path::PathBuf;

use clap::Args;
use node::NodeTls;
use thiserror::Error;
use web::{Tls, TlsError};

/// What the admin listener speaks TLS with.
#[derive(Clone, Debug, Args)]
pub(super) struct AdminTlsArgs {
    /// A file with the certificate of the admin listener, in PEM and with its chain: that then speaks HTTPS alone. Files
    /// are read at the start
    #[arg(long, env, value_name = "FILE", requires = "admin_tls_key")]
    admin_tls_cert: Option<PathBuf>,

    /// A file with the private key of that certificate, in PEM
    #[arg(long, env, value_name = "FILE", requires = "admin_tls_cert")]
    admin_tls_key: Option<PathBuf>,

    /// A file with certificates, in PEM: who asks the admin listener must have one that was signed by one of these, which
    /// stands for the token where ADMIN_TOKEN is not set
    #[arg(long, env, value_name = "FILE", requires = "admin_tls_cert")]
    admin_tls_client_ca: Option<PathBuf>,
}

/// What admin listeners are asked with by TLS.
#[derive(Clone, Debug, Default, Args)]
pub struct AskingTlsArgs {
    /// A file with the certificates, in PEM, by one of which that of an admin listener with HTTPS must be signed [default:
    /// those that the system trusts]
    #[arg(long, env, value_name = "FILE")]
    replicate_tls_ca: Option<PathBuf>,

    /// A file with the certificate that is shown to admin listeners, in PEM
    #[arg(long, env, value_name = "FILE", requires = "replicate_tls_key")]
    replicate_tls_cert: Option<PathBuf>,

    /// A file with the private key of that certificate, in PEM
    #[arg(long, env, value_name = "FILE", requires = "replicate_tls_cert")]
    replicate_tls_key: Option<PathBuf>,
}

/// A file that TLS cannot be spoken with.
#[derive(Debug, Error)]
pub enum TlsSettingError {
    /// It cannot be read.
    #[error("{setting}: cannot read {}", .path.display())]
    Unreadable {
        /// Which setting names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// What is in it is not what is needed.
    #[error("{setting}: {} cannot be used", .path.display())]
    Unusable {
        /// Which setting names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: TlsError,
    },
}

/// A file that was read.
struct PemFile {
    setting: &'static str,
    path: PathBuf,
    pem: Vec<u8>,
}

impl AdminTlsArgs {
    /// The same, in clear text.
    pub(super) fn none() -> Self {
        Self { admin_tls_cert: None, admin_tls_key: None, admin_tls_client_ca: None }
    }

    /// Whether who asks has to show a certificate.
    pub(super) fn asks_for_certificates(&self) -> bool {
        self.admin_tls_client_ca.is_some()
    }

    /// How TLS is spoken, if it is to be.
    pub(super) fn tls(&self) -> Result<Option<Tls>, TlsSettingError> {
        let certificate = PemFile::read("ADMIN_TLS_CERT", self.admin_tls_cert.as_ref())?;
        let key = PemFile::read("ADMIN_TLS_KEY", self.admin_tls_key.as_ref())?;
        let signers = PemFile::read("ADMIN_TLS_CLIENT_CA", self.admin_tls_client_ca.as_ref())?;
        let (Some(certificate), Some(key)) = (certificate, key) else { return Ok(None) };
        let tls = Tls::new(&certificate.pem, &key.pem, signers.as_ref().map(|file| file.pem.as_slice()));
        tls.map(Some).map_err(|error| wrong(error, Some(certificate), Some(key), signers))
    }
}

impl AskingTlsArgs {
    /// What others are asked with.
    ///
    /// # Errors
    /// When a file cannot be read, or is not what is needed.
    pub fn tls(&self) -> Result<NodeTls, TlsSettingError> {
        let signers = PemFile::read("REPLICATE_TLS_CA", self.replicate_tls_ca.as_ref())?;
        let certificate = PemFile::read("REPLICATE_TLS_CERT", self.replicate_tls_cert.as_ref())?;
        let key = PemFile::read("REPLICATE_TLS_KEY", self.replicate_tls_key.as_ref())?;
        let pem = |file: &Option<PemFile>| file.as_ref().map(|file| file.pem.clone());
        let identity = pem(&certificate).zip(pem(&key));
        let identity = identity.as_ref().map(|(certificate, key)| (certificate.as_slice(), key.as_slice()));
        let tls = NodeTls::new(signers.as_ref().map(|file| file.pem.as_slice()), identity);
        tls.map_err(|error| wrong(error, certificate, key, signers))
    }
}

impl PemFile {
    fn read(setting: &'static str, path: Option<&PathBuf>) -> Result<Option<Self>, TlsSettingError> {
        let Some(path) = path.cloned() else { return Ok(None) };
        match fs::read(&path) {
            Ok(pem) => Ok(Some(Self { setting, path, pem })),
            Err(error) => Err(TlsSettingError::Unreadable { setting, path, error }),
        }
    }
}

/// The error with the file that it is about.
fn wrong(
    error: TlsError,
    certificate: Option<PemFile>,
    key: Option<PemFile>,
    signers: Option<PemFile>,
) -> TlsSettingError {
    let file = match error {
        TlsError::Certificate => certificate,
        TlsError::Key | TlsError::Pair(_) => key,
        TlsError::Signers => signers,
    };
    let (setting, path) = file.map_or(("TLS", PathBuf::new()), |file| (file.setting, file.path));
    TlsSettingError::Unusable { setting, path, error }
}
