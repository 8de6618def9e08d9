//! The data folder of a router: used only if nothing else is in it, and by one router at a time.

use std::path::Path;

use log::{FolderLock, FolderOwner, StoreId, folder_owner};
use uuid::Uuid;

use crate::error::RouterError;

/// What it is marked for.
const HOLDS: &str = "router";

/// A data folder that no other process uses as long as this is there.
#[derive(Debug)]
pub(crate) struct RouterFolder {
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
        Ok(Self { _lock: lock, store })
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

    use std::fs;

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
}
