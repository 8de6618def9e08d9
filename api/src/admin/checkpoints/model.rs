//! The forms of checkpoints.

use backup::{CheckpointFile, CheckpointId, KeptCheckpoint};
use poem_openapi::Object;
use poem_openapi::registry::MetaSchema;
use uuid::Uuid;
use web::{Parameter, expected};

/// The id of a checkpoint as a parameter.
#[derive(Debug)]
pub(super) struct CheckpointName(pub(super) CheckpointId);

impl Parameter for CheckpointName {
    fn schema() -> MetaSchema {
        // A wider one than this would be refused: ids are names of folders.
        MetaSchema {
            pattern: Some("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$".into()),
            ..MetaSchema::new("string")
        }
    }

    fn read(text: &str) -> Result<Self, String> {
        let id = Uuid::parse_str(text).ok().filter(|id| id.to_string() == text);
        id.map(|id| Self(CheckpointId(id))).ok_or_else(|| expected("a UUID in lower case", text))
    }
}

/// A copy of the log at one moment, of which the files can be fetched.
#[derive(Debug, Object)]
#[oai(rename = "Checkpoint")]
pub(super) struct CheckpointForm {
    /// What it is called.
    id: String,
    /// The id of the store that the log is in.
    store: String,
    /// The term of the log in it.
    term: u64,
    /// How many events are in it.
    events: u64,
    /// The digest of these events.
    digest: String,
    /// When it was made, in milliseconds since 1970.
    made_ms: u64,
    /// Where it is on the machine of the node, for whoever can read it there.
    folder: String,
    /// Its files. All of them together are the folder of a log.
    files: Vec<CheckpointFileForm>,
}

/// A file of a checkpoint.
#[derive(Debug, Object)]
#[oai(rename = "CheckpointFile")]
struct CheckpointFileForm {
    /// Its name.
    name: String,
    /// Its length in bytes.
    size: u64,
    /// SHA-256 of it, in hexadecimal digits.
    sha256: String,
}

impl From<&KeptCheckpoint> for CheckpointForm {
    fn from(kept: &KeptCheckpoint) -> Self {
        let made = kept.made_at.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self {
            id: kept.id.0.to_string(),
            store: kept.contents.identity.store.to_string(),
            term: kept.contents.identity.term.0,
            events: kept.contents.events,
            digest: kept.contents.digest.to_string(),
            made_ms: u64::try_from(made.as_millis()).unwrap_or(u64::MAX),
            folder: kept.folder().display().to_string(),
            files: kept.files.iter().map(CheckpointFileForm::from).collect(),
        }
    }
}

impl From<&CheckpointFile> for CheckpointFileForm {
    fn from(file: &CheckpointFile) -> Self {
        Self { name: file.name.clone(), size: file.size, sha256: file.sha256.to_string() }
    }
}
