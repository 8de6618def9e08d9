//! Whether a node may keep its data in a folder, before a byte is written to it or to any folder in it.
//!
//! The log, the index and what is known of uploads look at their own folders. Other files are beside them, of which
//! nobody could tell whose they are: so the data folder is taken if nothing is in it but what nodes make there, or if it
//! has our mark, or our log. What else an operator keeps in a folder that is ours is left alone.

use std::ffi::OsStr;
use std::path::PathBuf;

use log::{FolderContents, FolderError, FolderOwner, Rocks, StoreId, folder_owner, mark_folder};
use thiserror::Error;

use crate::options::DataPaths;

/// What folders are marked for.
const HOLDS: &str = "data";
/// What nodes make there, those of earlier versions too.
const NAMES: [&str; 9] = [
    "log",
    "index",
    "uploads",
    "uploads.json",
    "height.json",
    "jobs.json",
    "jobs.new",
    "jobs.json.unreadable",
    "admin-token",
];
/// How the names of files begin that a kill leaves behind on their way into place.
const TEMPORARY: &str = ".tmp";

/// Why a folder is not used as a data folder.
#[derive(Debug, Error)]
pub enum DataFolderError {
    /// It has something else in it.
    #[error(
        "{} is not used as the data folder, since there is {found}; SU_DATA_DIR (--su-data-dir) names a folder that is \
         empty or missing, or that of a node", .path.display()
    )]
    NotOurs {
        /// The folder.
        path: PathBuf,
        /// What is there.
        found: FolderContents,
    },
    /// It cannot be looked at or marked as ours.
    #[error("SU_DATA_DIR (--su-data-dir) names a folder that cannot be used")]
    Folder(#[from] FolderError),
}

/// Refuses a data folder with anything in it that is not ours. Nothing is written.
///
/// # Errors
/// When there is something else in it, or it cannot be read.
pub fn check_data_folder(paths: &DataPaths) -> Result<(), DataFolderError> {
    let path = &paths.folder;
    let FolderOwner::Unknown(found) = folder_owner(path, HOLDS)? else { return Ok(()) };
    if found.is_marked() && is_shared(paths) {
        return Ok(());
    }
    match found.besides(is_made_here) {
        Some(found) if !has_log(paths) => Err(DataFolderError::NotOurs { path: path.clone(), found }),
        _ => Ok(()),
    }
}

/// Marks the data folder as that of this store; it is made if it is missing.
pub(crate) fn mark_data_folder(paths: &DataPaths, store: StoreId) -> Result<(), DataFolderError> {
    let folder = &paths.folder;
    if is_shared(paths) {
        return Ok(());
    }
    match folder_owner(folder, HOLDS)? {
        FolderOwner::Store(found) if found == store => Ok(()),
        // Somebody's file of that name, beside our log.
        FolderOwner::Unknown(found) if found.has("QUIPU") => Ok(()),
        _ => Ok(mark_folder(folder, HOLDS, store)?),
    }
}

/// Whether the log or the index is in the data folder itself, which has the mark of that then.
fn is_shared(paths: &DataPaths) -> bool {
    [&paths.log, &paths.index].contains(&&paths.folder)
}

fn is_made_here(name: &OsStr) -> bool {
    NAMES.iter().any(|made| name == *made) || name.as_encoded_bytes().starts_with(TEMPORARY.as_bytes())
}

/// Whether our log is in the data folder. One elsewhere says nothing of this folder.
fn has_log(paths: &DataPaths) -> bool {
    let usual = paths.folder.join("log");
    [&usual, &paths.log]
        .into_iter()
        .filter(|log| log.starts_with(&paths.folder))
        .any(|log| Rocks::is_ours(log))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::error::Error;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use log::{Engine, StoreMemory};
    use tempfile::TempDir;

    use super::*;

    fn refusal(paths: &DataPaths) -> String {
        let error = check_data_folder(paths).unwrap_err();
        let cause = error.source().map(ToString::to_string).unwrap_or_default();
        format!("{error}: {cause}")
    }

    fn made_log(path: &Path) -> StoreId {
        Rocks::open(path, &StoreMemory::default()).unwrap().marked().unwrap()
    }

    #[test]
    fn a_folder_with_anything_else_in_it_is_refused() {
        let root = TempDir::new().unwrap();
        let paths = DataPaths::in_folder(root.path().join("data"));
        let folder = &paths.folder;
        check_data_folder(&paths).unwrap();
        fs::create_dir(folder).unwrap();
        check_data_folder(&paths).unwrap();
        for name in NAMES.into_iter().chain(["lost+found", ".tmpA1b2C3", "QUIPU.new"]) {
            fs::write(folder.join(name), "").unwrap();
            check_data_folder(&paths).unwrap();
        }
        for name in ["passwd", "QUIPU", ".bashrc", "log.old", "wallet.json"] {
            fs::write(folder.join(name), "theirs").unwrap();
            let told = refusal(&paths);
            assert!(told.contains(&format!("a file that is not ours: {name};")), "{told}");
            assert!(told.contains("SU_DATA_DIR") && told.contains(folder.to_str().unwrap()), "{told}");
            fs::remove_file(folder.join(name)).unwrap();
        }
    }

    #[test]
    fn a_folder_of_ours_may_have_other_files() {
        let root = TempDir::new().unwrap();
        let paths = DataPaths::in_folder(root.path().join("data"));
        let elsewhere = DataPaths { log: root.path().join("elsewhere"), ..paths.clone() };
        let store = made_log(&elsewhere.log);
        fs::create_dir(&paths.folder).unwrap();
        fs::write(paths.folder.join("notes"), "theirs").unwrap();
        assert!(refusal(&elsewhere).contains("notes"), "a log elsewhere makes any folder ours");
        // From before data folders were marked: the log is in it.
        made_log(&paths.log);
        check_data_folder(&paths).unwrap();
        fs::write(paths.folder.join("QUIPU"), "theirs").unwrap();
        mark_data_folder(&paths, store).unwrap();
        assert_eq!(fs::read_to_string(paths.folder.join("QUIPU")).unwrap(), "theirs");
        fs::remove_file(paths.folder.join("QUIPU")).unwrap();
        fs::remove_dir_all(&paths.log).unwrap();
        assert!(refusal(&paths).contains("notes"));
        mark_data_folder(&paths, store).unwrap();
        check_data_folder(&elsewhere).unwrap();
    }

    #[test]
    fn a_log_in_the_data_folder_itself_keeps_its_mark() {
        let root = TempDir::new().unwrap();
        let folder = root.path().join("data");
        let paths = DataPaths { log: folder.clone(), ..DataPaths::in_folder(folder.clone()) };
        for _ in 0..2 {
            check_data_folder(&paths).unwrap();
            mark_data_folder(&paths, made_log(&paths.log)).unwrap();
        }
        assert!(refusal(&DataPaths::in_folder(folder.clone())).contains("the log of a node"));
        let index = root.path().join("index");
        mark_folder(&index, "index", made_log(&folder)).unwrap();
        let paths = DataPaths { index: index.clone(), ..DataPaths::in_folder(index.clone()) };
        check_data_folder(&paths).unwrap();
        assert!(refusal(&DataPaths::in_folder(index)).contains("the index of a node"));
    }

    #[test]
    fn what_is_no_folder_is_named() {
        let root = TempDir::new().unwrap();
        let (file, link) = (root.path().join("file"), root.path().join("link"));
        fs::write(&file, "theirs").unwrap();
        symlink(root.path().join("nowhere"), &link).unwrap();
        for (path, reason) in [(file, "Not a directory"), (link, "symbolic link")] {
            let told = refusal(&DataPaths::in_folder(path.clone()));
            assert!(told.contains("SU_DATA_DIR") && told.contains(reason), "{told}");
            assert!(told.contains(path.to_str().unwrap()), "{told}");
        }
    }
}
