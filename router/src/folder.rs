//! The data folder of a router: used only if nothing else is in it, and by one router at a time.

use std::path::{Path, PathBuf};
use std::{fs, io};

use log::{FolderLock, FolderOwner, StoreId, folder_owner, replace_file};
use uuid::Uuid;

use crate::error::RouterError;

/// What it knows, where that is in the folder.
const STATE: &str = "state";
/// What it is marked for.
const HOLDS: &str = "router";

/// Says which database what it knows is in, if it is in one: the id of the store there.
const DATABASE: &str = "database";
const FRESH: &str = "database.new";

/// A data folder that no other process uses as long as this is there.
#[derive(Debug)]
pub(crate) struct RouterFolder {
    path: PathBuf,
    /// Goes with it.
    _lock: FolderLock,
    /// Which router's it is.
    pub(crate) store: StoreId,
}

impl RouterFolder {
    /// Takes the folder, which is made and marked when nothing is there.
    ///
    /// # Errors
    /// When something else is in it, or another process uses it.
    pub(crate) fn take(path: &Path) -> Result<Self, RouterError> {
        // Looked at first: nothing is made where we do not belong.
        check(path)?;
        let lock = FolderLock::take(path)?;
        let store = match check(path)? {
            Some(store) => store,
            None => {
                let store = StoreId(Uuid::new_v4());
                lock.mark_first(HOLDS, store)?;
                store
            }
        };
        Ok(Self { path: path.to_owned(), _lock: lock, store })
    }

    /// Where what it knows is kept in the folder.
    ///
    /// # Errors
    /// When that is in a database.
    pub(crate) fn state(&self) -> Result<PathBuf, RouterError> {
        match self.database()? {
            Some(store) => Err(RouterError::StateInDatabase { path: self.path.clone(), store }),
            None => Ok(self.path.join(STATE)),
        }
    }

    /// The store of the database that what it knows is in; none where that was never in any.
    ///
    /// # Errors
    /// When it is in the folder.
    pub(crate) fn state_elsewhere(&self) -> Result<Option<StoreId>, RouterError> {
        let path = self.path.join(STATE);
        match path.try_exists() {
            Ok(true) => Err(RouterError::StateInFolder(self.path.clone())),
            Ok(false) => self.database(),
            Err(source) => Err(RouterError::Note { path, source }),
        }
    }

    /// From now on what it knows is in the database of this store.
    pub(crate) fn note_database(&self, store: StoreId) -> Result<(), RouterError> {
        let path = self.path.join(DATABASE);
        let written = replace_file(&path, FRESH, format!("{store}\n").as_bytes());
        written.map_err(|source| RouterError::Note { path, source })
    }

    fn database(&self) -> Result<Option<StoreId>, RouterError> {
        let path = self.path.join(DATABASE);
        let noted = match fs::read_to_string(&path) {
            Ok(noted) => {
                noted.trim().parse().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => Err(error),
        };
        noted.map(|store| Some(StoreId(store))).map_err(|source| RouterError::Note { path, source })
    }
}

/// Whose it is; none when it is nobody's.
fn check(path: &Path) -> Result<Option<StoreId>, RouterError> {
    match folder_owner(path, HOLDS)? {
        FolderOwner::Nobody => Ok(None),
        FolderOwner::Store(store) => Ok(Some(store)),
        FolderOwner::Unknown(found) => Err(RouterError::NotOurs { path: path.to_owned(), found }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn a_folder_is_ours_alone_and_one_routers_at_a_time() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("router");
        let taken = RouterFolder::take(&path).unwrap();
        let refused = RouterFolder::take(&path).unwrap_err();
        assert!(matches!(refused, RouterError::Folder(_)), "{refused}");
        let store = taken.store;
        drop(taken);
        assert_eq!(RouterFolder::take(&path).unwrap().store, store);

        let other = root.path().join("other");
        fs::create_dir(&other).unwrap();
        fs::write(other.join("notes"), "").unwrap();
        let refused = RouterFolder::take(&other).unwrap_err().to_string();
        assert!(refused.contains("notes") && refused.contains("ROUTER_DATA_DIR"), "{refused}");
        assert_eq!(fs::read_dir(&other).unwrap().count(), 1, "something was written");
    }

    #[test]
    fn what_is_known_is_in_the_folder_or_in_one_database() {
        let root = tempfile::tempdir().unwrap();
        let taken = RouterFolder::take(root.path()).unwrap();
        assert_eq!(taken.state_elsewhere().unwrap(), None);
        let state = taken.state().unwrap();
        let store = StoreId(Uuid::from_u128(7));
        taken.note_database(store).unwrap();
        assert_eq!(taken.state_elsewhere().unwrap(), Some(store));
        let refused = taken.state().unwrap_err().to_string();
        assert!(refused.contains(&store.to_string()) && refused.contains("DATABASE_URL"), "{refused}");
        fs::create_dir(state).unwrap();
        let refused = taken.state_elsewhere().unwrap_err().to_string();
        assert!(refused.contains("unset DATABASE_URL"), "{refused}");
    }
}
