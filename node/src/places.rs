//! Where the folders of a node are in truth: each has many names, by links, by `..`, and from where the node is started.

use std::ffi::OsStr;
use std::io;
use std::path::{Component, Path, PathBuf};

use log::{FolderError, RocksError};
use projections::IndexError;

use crate::data_folder::DataFolderError;
use crate::options::DataPaths;

/// The folders of a node, by the one name that each of them has.
pub(crate) struct Places {
    folder: PathBuf,
    log: Place,
    index: Place,
}

/// Where a path leads.
struct Place {
    path: PathBuf,
    /// What it goes through on its way, links among them.
    steps: Vec<PathBuf>,
}

impl Places {
    pub(crate) fn of(paths: &DataPaths) -> Result<Self, DataFolderError> {
        Ok(Self {
            folder: Place::of(&paths.folder)?.path,
            log: Place::of(&paths.log).map_err(RocksError::from)?,
            index: Place::of(&paths.index).map_err(IndexError::from)?,
        })
    }

    /// Whether the log or the index is in the data folder itself, which has the mark of that then.
    pub(crate) fn is_shared(&self) -> bool {
        [&self.log.path, &self.index.path].contains(&&self.folder)
    }

    /// Whether the log is in the folder of the index, where the index alone may be.
    pub(crate) fn is_log_in_index(&self) -> bool {
        self.log.path.starts_with(&self.index.path)
    }

    /// The log or the index, and the setting that names it, if it is in what has this name in the data folder.
    pub(crate) fn inside(&self, name: &str) -> Option<(&'static str, &Path)> {
        let taken = self.folder.join(name);
        [("SU_FILE_DB_DIR", &self.log), ("SU_INDEX_DB_DIR", &self.index)]
            .into_iter()
            .find(|(_, place)| place.path.starts_with(&taken))
            .map(|(setting, place)| (setting, place.path.as_path()))
    }

    /// Whether the log is in the data folder.
    pub(crate) fn has_log(&self) -> bool {
        self.log.path.starts_with(&self.folder)
    }

    /// Whether the index is in the data folder.
    pub(crate) fn has_index(&self) -> bool {
        self.index.path.starts_with(&self.folder)
    }

    /// Whether the way to the log or to the index begins with this name in the data folder.
    pub(crate) fn leads_through(&self, name: &OsStr) -> bool {
        let step = self.folder.join(name);
        [&self.log, &self.index]
            .iter()
            .any(|place| place.path.starts_with(&step) || place.steps.contains(&step))
    }
}

impl Place {
    /// Follows links as far as there is something; beyond that, `..` is the name before it taken back.
    fn of(path: &Path) -> Result<Self, FolderError> {
        let failed = |error| FolderError { path: path.to_owned(), error };
        let absolute = std::path::absolute(path).map_err(failed)?;
        let mut place = Self { path: PathBuf::new(), steps: Vec::new() };
        for part in absolute.components() {
            if part == Component::ParentDir {
                place.path.pop();
                continue;
            }
            place.path.push(part);
            place.steps.push(place.path.clone());
            match place.path.canonicalize() {
                Ok(path) => place.path = path,
                // What is no folder is told by whoever looks into it.
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(place)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::fs;
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_folder_has_one_name() {
        let root = TempDir::new().unwrap();
        let root = root.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("real/deep")).unwrap();
        symlink(root.join("real/deep"), root.join("link")).unwrap();
        for (path, expected) in [
            ("link", "real/deep"),
            ("link/log", "real/deep/log"),
            ("link/UP/log", "real/log"),
            ("real/./missing/UP/log", "real/log"),
            ("real/UP/else/log", "else/log"),
        ] {
            assert_eq!(
                Place::of(&root.join(path.replace("UP", ".."))).unwrap().path,
                root.join(expected),
                "{path}"
            );
        }
        let here = std::env::current_dir().unwrap().canonicalize().unwrap();
        for path in ["missing", "./missing", "missing/UP/missing/."] {
            assert_eq!(
                Place::of(Path::new(&path.replace("UP", ".."))).unwrap().path,
                here.join("missing"),
                "{path}"
            );
        }
        symlink("turn", root.join("turn")).unwrap();
        assert_eq!(Place::of(&root.join("turn/log")).err().unwrap().path, root.join("turn/log"));
    }
}
