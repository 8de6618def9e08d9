//! The log that a command without a node is to look at.

use std::path::{Path, PathBuf};

/// There is none.
#[derive(Debug, thiserror::Error)]
#[error(
    "there is no log in {}; expected the data folder of a node, or the folder that its SU_FILE_DB_DIR names",
    .0.display()
)]
pub struct NoLogError(PathBuf);

/// The folder of the log: the one that was named, or `log` in it when it is a node's data folder.
pub fn log_folder(dir: &Path) -> Result<PathBuf, NoLogError> {
    let candidates = [dir.join("log"), dir.to_owned()];
    let found = candidates.into_iter().find(|folder| folder.join("CURRENT").is_file());
    found.ok_or_else(|| NoLogError(dir.to_owned()))
}
