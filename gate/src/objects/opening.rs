//! Which store an address names.

use std::path::PathBuf;
use std::time::Duration;
use std::{fmt, fs};

use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreScheme, parse_url_opts};
use thiserror::Error;
use url::Url;

use super::{ObjectGate, ObjectRecords};
use crate::contract::Durability;

/// The object that shows how a store creates them.
pub(super) const CONDITIONAL: &str = "conditional";
/// What is in it, by which a folder is known to be a gate.
pub(super) const MARK: &[u8] = b"a gate of quipu\n";

/// How a gate in an object store is reached.
#[derive(Clone)]
pub struct ObjectGateOptions {
    /// Where it is: `file:///folder`, `s3://bucket/folder`, `gs://bucket/folder` or `az://container/folder`.
    pub url: String,
    /// What else the store is to know, such as `aws_region` or `aws_endpoint`, as its own tools name their variables.
    pub settings: Vec<(String, String)>,
    /// Whether a folder is taken, which may be on one disk.
    pub single_copy_accepted: bool,
    /// How long the store may take for each step.
    pub answer_within: Duration,
}

impl fmt::Debug for ObjectGateOptions {
    /// Without what may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectGateOptions")
            .field("answer_within", &self.answer_within)
            .finish_non_exhaustive()
    }
}

/// Why an address names no store for a gate. It is not shown, for it may hold a secret.
#[derive(Debug, Error)]
pub enum ObjectGateError {
    /// It is none.
    #[error("expected file:///folder, s3://bucket/folder, gs://bucket/folder or az://container/folder: {0}")]
    Url(#[from] url::ParseError),
    /// It names who asks.
    #[error("it may hold no user and no password: those are told by variables, such as AWS_ACCESS_KEY_ID")]
    Secret,
    /// It is one of something else.
    #[error(
        "expected file:///folder, s3://bucket/folder, gs://bucket/folder or az://container/folder, not {0}:"
    )]
    Scheme(String),
    /// A folder cannot be used.
    #[error("the folder {}: {error}", .folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        #[source]
        error: std::io::Error,
    },
    /// A folder is that of somebody else.
    #[error("the folder {} has something in it, and is no gate: name one that is empty", .0.display())]
    NotOurs(PathBuf),
    /// A folder is on this machine, as far as can be told.
    #[error(
        "a folder may be on one disk: accept that all is lost that this disk loses, with GATE_SINGLE_COPY=accept, or name \
         an object store"
    )]
    SingleCopy,
    /// The store cannot be used with these settings.
    #[error("{0}")]
    Store(#[from] object_store::Error),
}

impl ObjectGate {
    /// Sees that an address names a store in which a gate can be.
    ///
    /// # Errors
    /// When it does not.
    pub fn check(address: &str) -> Result<(), ObjectGateError> {
        parse(address).map(drop)
    }

    /// The gate at this address. A store is not asked yet; a folder has to be there.
    ///
    /// # Errors
    /// When the address names none, or one that may not be used.
    pub fn open(options: &ObjectGateOptions) -> Result<Self, ObjectGateError> {
        let (url, is_folder) = parse(&options.url)?;
        let (store, folder, durability): (Box<dyn ObjectStore>, _, _) = match is_folder {
            true if !options.single_copy_accepted => return Err(ObjectGateError::SingleCopy),
            true => {
                let folder =
                    url.to_file_path().map_err(|()| ObjectGateError::Scheme(url.scheme().to_owned()))?;
                check_folder(&folder)?;
                let store = LocalFileSystem::new_with_prefix(&folder)?.with_fsync(true);
                (Box::new(store), Path::default(), Durability::SingleCopy)
            }
            false => {
                let settings = options.settings.iter().map(|(name, value)| (name.to_lowercase(), value));
                let (store, folder) = parse_url_opts(&url, settings)?;
                (store, folder, Durability::Replicated)
            }
        };
        Ok(Self::over(ObjectRecords::new(store, folder, durability, options.answer_within)))
    }
}

/// An address of a store, and whether it is a folder.
fn parse(address: &str) -> Result<(Url, bool), ObjectGateError> {
    let url = Url::parse(address)?;
    let other = || ObjectGateError::Scheme(url.scheme().to_owned());
    let (scheme, _) = ObjectStoreScheme::parse(&url).map_err(|_| other())?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(ObjectGateError::Secret);
    }
    match scheme {
        ObjectStoreScheme::Local => Ok((url, true)),
        ObjectStoreScheme::AmazonS3
        | ObjectStoreScheme::GoogleCloudStorage
        | ObjectStoreScheme::MicrosoftAzure => Ok((url, false)),
        _ => Err(other()),
    }
}

/// Refuses a folder that somebody else uses.
fn check_folder(folder: &std::path::Path) -> Result<(), ObjectGateError> {
    let unusable = |error| ObjectGateError::Folder { folder: folder.to_owned(), error };
    let is_empty = fs::read_dir(folder).map_err(unusable)?.next().is_none();
    if is_empty || fs::read(folder.join(CONDITIONAL)).is_ok_and(|mark| mark == MARK) {
        return Ok(());
    }
    Err(ObjectGateError::NotOurs(folder.to_owned()))
}
