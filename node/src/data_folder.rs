//! Whether a node may keep its data in a folder, before a byte is written to it or to any folder in it.
//!
//! The log, the index and what is known of uploads look at their own folders. Other files are beside them, of which
//! nobody could tell whose they are: so the data folder is taken if nothing is in it but what nodes make there, or if it
//! has our mark, or, from before it was marked, our log, our index or our token. What else an operator keeps in a folder
//! that is ours is left alone.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::{fs, io};

use backup::Checkpoints;
use log::{
    FolderContents, FolderError, FolderOwner, Rocks, RocksError, StoreId, folder_owner, mark_folder, mark_in,
};
use projections::{Index, IndexError, ProjectionError, UploadRunner};
use replicator::MEMBER_FILE;
use thiserror::Error;

use crate::admin_token::read_admin_token;
use crate::checkpoints;
use crate::options::DataPaths;
use crate::places::Places;
use crate::uploads;

/// What folders are marked for.
const HOLDS: &str = "data";
/// The file that says that the log was set aside and comes anew from another node; it goes as soon as there is a log.
pub(crate) const REJOINING: &str = "rejoining";
/// The file that says that an import into the folder has not come to its end, and what it set out to take over.
pub const IMPORTING: &str = "importing";
/// What nodes make there, those of earlier versions too, besides folders.
const FILES: [&str; 13] = [
    "uploads.json",
    "height.json",
    "jobs.json",
    "jobs.new",
    "jobs.json.unreadable",
    "admin-token",
    "history.json",
    "history.new",
    MEMBER_FILE,
    REJOINING,
    "rejoining.new",
    IMPORTING,
    "importing.new",
];
/// How the names of files begin that a kill leaves behind on their way into place.
const TEMPORARY: &str = ".tmp";
/// How the names of files begin by which imports into a data folder take turns.
pub const IMPORT_TURN: &str = "import-turn-";

/// What is said where the settings of the existing scheduler are used as they are.
const TAKEN_OVER: &str = ". If it is the byte store of the existing scheduler, leave it as it is: name another folder, and take \
    its history over with `quipu import --from postgres` first";

/// Why a folder is not used as a data folder.
#[derive(Debug, Error)]
pub enum DataFolderError {
    /// It has something else in it.
    #[error(
        "{} is not used as the data folder, since there is {found}; SU_DATA_DIR (--su-data-dir) names a folder that is \
         empty or missing, or that of a node{}", .path.display(), if path.join("CURRENT").exists() { TAKEN_OVER } else { "" }
    )]
    NotOurs {
        /// The folder.
        path: PathBuf,
        /// What is there.
        found: FolderContents,
    },
    /// It is that of another store.
    #[error(
        "{} is the data folder of store {found}, and the log in {} is store {expected}; SU_DATA_DIR (--su-data-dir) or \
         SU_FILE_DB_DIR names the wrong folder; if they are to go together from now on, delete {}",
        .path.display(), .log.display(), mark_in(.path).display()
    )]
    OtherStore {
        /// The folder.
        path: PathBuf,
        /// The folder of the log.
        log: PathBuf,
        /// Whose data is there.
        found: StoreId,
        /// Whose it should be.
        expected: StoreId,
    },
    /// It is that of a store, of which the log is not there.
    #[error(
        "{} is the data folder of store {found}, and there is no log in {}; SU_FILE_DB_DIR names the folder of its log; \
         if a new log is to begin with it, delete {}", .path.display(), .log.display(), mark_in(.path).display()
    )]
    NoLog {
        /// The folder.
        path: PathBuf,
        /// The folder of the log.
        log: PathBuf,
        /// Whose data is there.
        found: StoreId,
    },
    /// A part of a history is in it.
    #[error(
        "an import into {} has not come to its end{}, and a node that starts on a part of a history gives nonces that are \
         taken: type the same `quipu import` again, of one in parts by --range the command without it. If what is missing is \
         never to come, delete {}", .folder.display(), .of.as_ref().map(|of| format!(" (that of {of})")).unwrap_or_default(),
        .folder.join(IMPORTING).display()
    )]
    HalfImported {
        /// The data folder.
        folder: PathBuf,
        /// What was to be imported, as the file says; one of several.
        of: Option<String>,
    },
    /// The index would not be alone in its folder.
    #[error(
        "the log cannot be kept in {}, which is in the folder of the index, {}; SU_FILE_DB_DIR and SU_INDEX_DB_DIR name \
         folders of which the first is not in the second", .log.display(), .index.display()
    )]
    LogInIndex {
        /// The folder of the log.
        log: PathBuf,
        /// The folder of the index.
        index: PathBuf,
    },
    /// The log or the index would be where nodes keep something else.
    #[error(
        "{} is where a node keeps its {name}, in the data folder {}; {setting} and SU_DATA_DIR (--su-data-dir) name \
         folders that are not one inside the other in this way", .path.display(), .folder.display()
    )]
    Taken {
        /// The folder that was named.
        path: PathBuf,
        /// The setting that names it.
        setting: &'static str,
        /// The data folder.
        folder: PathBuf,
        /// What is kept there.
        name: &'static str,
    },
    /// It cannot be looked at or marked as ours.
    #[error("SU_DATA_DIR (--su-data-dir) names a folder that cannot be used")]
    Folder(#[from] FolderError),
    /// It cannot be told whether there is a log in it, or whose that is.
    #[error(transparent)]
    Log(#[from] RocksError),
    /// It cannot be told whether there is an index in it.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// What is known of uploads cannot be kept in it.
    #[error(transparent)]
    Uploads(#[from] ProjectionError),
}

/// Refuses a data folder with anything in it that is not ours, and one of another store. Nothing is written.
///
/// # Errors
/// When there is something else in it, or it cannot be read.
pub fn check_data_folder(paths: &DataPaths) -> Result<(), DataFolderError> {
    let places = Places::of(paths)?;
    if places.is_log_in_index() {
        return Err(DataFolderError::LogInIndex { log: paths.log.clone(), index: paths.index.clone() });
    }
    for name in [uploads::FOLDER, checkpoints::FOLDER] {
        if let Some((setting, path)) = places.inside(name) {
            let (path, folder) = (path.to_owned(), paths.folder.clone());
            return Err(DataFolderError::Taken { path, setting, folder, name });
        }
    }
    let found = match folder_owner(&paths.folder, HOLDS)? {
        FolderOwner::Nobody => return Ok(()),
        FolderOwner::Store(found) => return check_store(paths, found),
        FolderOwner::Unknown(found) => found,
    };
    if (found.is_marked() && places.is_shared()) || is_ours(paths, &places, &found)? {
        return Ok(());
    }
    let folders = usual_folders(&paths.folder)?;
    let is_known = |name: &OsStr| {
        is_file_of_ours(name) || folders.iter().any(|known| name == *known) || places.leads_through(name)
    };
    match found.besides(is_known) {
        Some(found) => Err(DataFolderError::NotOurs { path: paths.folder.clone(), found }),
        None => Ok(()),
    }
}

/// Refuses a folder into which an import is underway, or was when it was ended.
///
/// # Errors
/// When that is so.
pub(crate) fn check_whole(folder: &Path) -> Result<(), DataFolderError> {
    let mark = folder.join(IMPORTING);
    if !mark.exists() {
        return Ok(());
    }
    // That it is there is enough; what is in it only helps whoever reads this.
    let of = fs::read_to_string(mark).ok().and_then(|text| text.lines().next().map(str::to_owned));
    Err(DataFolderError::HalfImported { folder: folder.to_owned(), of })
}

/// Marks the data folder as that of this store, of which the log is there; it is made if it is missing.
pub(crate) fn mark_data_folder(paths: &DataPaths, store: StoreId) -> Result<(), DataFolderError> {
    let folder = &paths.folder;
    let expected_none = folder.join(REJOINING);
    match fs::remove_file(&expected_none) {
        Err(error) if error.kind() != io::ErrorKind::NotFound && expected_none.exists() => {
            return Err(FolderError { path: expected_none, error }.into());
        }
        _ => {}
    }
    if Places::of(paths)?.is_shared() {
        return Ok(());
    }
    match folder_owner(folder, HOLDS)? {
        FolderOwner::Store(found) => same_store(paths, found, store),
        // Somebody's file of that name, beside our log.
        FolderOwner::Unknown(found) if found.has("QUIPU") => Ok(()),
        _ => Ok(mark_folder(folder, HOLDS, store)?),
    }
}

/// Whether the log is that of the store of which the data is. One without a mark tells when it is opened.
fn check_store(paths: &DataPaths, found: StoreId) -> Result<(), DataFolderError> {
    let (path, log) = (paths.folder.clone(), paths.log.clone());
    match folder_owner(&log, Rocks::HOLDS).map_err(RocksError::from)? {
        FolderOwner::Nobody if path.join(REJOINING).is_file() => Ok(()),
        FolderOwner::Nobody => Err(DataFolderError::NoLog { path, log, found }),
        FolderOwner::Store(store) => same_store(paths, found, store),
        FolderOwner::Unknown(_) => Ok(()),
    }
}

fn same_store(paths: &DataPaths, found: StoreId, expected: StoreId) -> Result<(), DataFolderError> {
    if found == expected {
        return Ok(());
    }
    let (path, log) = (paths.folder.clone(), paths.log.clone());
    Err(DataFolderError::OtherStore { path, log, found, expected })
}

/// Whether a folder without our mark is ours all the same. A log or an index elsewhere says nothing of it.
fn is_ours(paths: &DataPaths, places: &Places, found: &FolderContents) -> Result<bool, DataFolderError> {
    let folder = &paths.folder;
    let (log, index) = (folder.join("log"), folder.join("index"));
    if (places.has_log() && Rocks::is_ours(&paths.log)?) || (log.is_dir() && Rocks::is_ours(&log)?) {
        return Ok(true);
    }
    // The log or the index of a node has not become its data folder.
    if found.is_marked() || found.has("CURRENT") {
        return Ok(false);
    }
    Ok(matches!(read_admin_token(folder), Ok(Some(_)))
        || (places.has_index() && Index::is_ours(&paths.index)?)
        || (index.is_dir() && Index::is_ours(&index)?))
}

/// Which of the names of folders that nodes make in a data folder are not somebody else's there.
fn usual_folders(folder: &Path) -> Result<Vec<&'static str>, DataFolderError> {
    let is_free = |path: &Path| Ok::<_, FolderError>(folder_owner(path, HOLDS)? == FolderOwner::Nobody);
    let (log, index) = (folder.join("log"), folder.join("index"));
    UploadRunner::check_folder(folder)?;
    // What a standby fetches, beside the log.
    let mut usual = vec![uploads::FOLDER, "log.incoming"];
    if Checkpoints::is_ours(&folder.join(checkpoints::FOLDER))? {
        usual.push(checkpoints::FOLDER);
    }
    if is_free(&log)? || Rocks::is_ours(&log)? {
        usual.push("log");
    }
    if is_free(&index)? || Index::is_ours(&index)? {
        usual.push("index");
    }
    Ok(usual)
}

fn is_file_of_ours(name: &OsStr) -> bool {
    let begins = |with: &str| name.as_encoded_bytes().starts_with(with.as_bytes());
    FILES.iter().any(|made| name == *made) || begins(TEMPORARY) || begins(IMPORT_TURN)
}

#[cfg(test)]
mod tests;
