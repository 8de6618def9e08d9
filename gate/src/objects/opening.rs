//! Which store an address names.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreScheme, parse_url_opts};
use thiserror::Error;
use url::Url;

use super::ObjectGate;
use crate::contract::Durability;

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
    /// The gate at this address. A store is not asked yet; a folder is made if it is missing.
    ///
    /// # Errors
    /// When the address names none, or one that may not be used.
    pub fn open(options: &ObjectGateOptions) -> Result<Self, ObjectGateError> {
        let url = Url::parse(&options.url)?;
        let other = || ObjectGateError::Scheme(url.scheme().to_owned());
        let (scheme, _) = ObjectStoreScheme::parse(&url).map_err(|_| other())?;
        let (store, folder, durability): (Box<dyn ObjectStore>, _, _) = match scheme {
            ObjectStoreScheme::Local if !options.single_copy_accepted => {
                return Err(ObjectGateError::SingleCopy);
            }
            ObjectStoreScheme::Local => {
                let folder = url.to_file_path().map_err(|()| other())?;
                std::fs::create_dir_all(&folder)
                    .map_err(|error| ObjectGateError::Folder { folder: folder.clone(), error })?;
                let store = LocalFileSystem::new_with_prefix(&folder)?.with_fsync(true);
                (Box::new(store), Path::default(), Durability::SingleCopy)
            }
            ObjectStoreScheme::AmazonS3
            | ObjectStoreScheme::GoogleCloudStorage
            | ObjectStoreScheme::MicrosoftAzure => {
                let settings = options.settings.iter().map(|(name, value)| (name.to_lowercase(), value));
                let (store, folder) = parse_url_opts(&url, settings)?;
                (store, folder, Durability::Replicated)
            }
            _ => return Err(other()),
        };
        Ok(Self::new(store, folder, durability, options.answer_within))
    }
}
