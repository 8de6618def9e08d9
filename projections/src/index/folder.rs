//! Where the index is on disk: two places side by side, of which one is in use while the other is built.
//!
//! ```text
//! index/QUIPU          that the folder is ours, and of which store
//! index/places.json    which place is in use, and which one is being built
//! index/a, index/b     a RocksDB store each
//! ```
//!
//! The file is replaced atomically, so one write both ends a building and puts it to use, whatever is killed when.
//! RocksDB keeps the paths of its files: the places are never renamed. The folder is used only if nothing is in it or
//! if it is ours, and nothing is deleted in it but what was made here.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use log::{FolderLock, FolderOwner, StoreId, folder_owner, replace_file};
use serde::{Deserialize, Serialize};

use super::db::{destroy, open_to_read};
use super::error::IndexError;
use super::{NAME, cursor};

const FILE: &str = "places.json";

/// One of the two places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Spot {
    A,
    B,
}

impl Spot {
    fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    fn folder(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }
}

/// What the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct IndexPlaces {
    in_use: Spot,
    /// Whether the other one is being built; else it is of no worth.
    building: bool,
}

impl Default for IndexPlaces {
    fn default() -> Self {
        Self { in_use: Spot::A, building: false }
    }
}

/// The directory of the index.
#[derive(Debug)]
pub(super) struct IndexFolder {
    path: PathBuf,
    places: Mutex<IndexPlaces>,
    /// Lives as long as the files of a place that is not in use any more.
    leaving: Mutex<Weak<()>>,
    #[expect(dead_code, reason = "held, so that nobody else takes the folder")]
    lock: FolderLock,
}

impl IndexFolder {
    /// Opens the directory, which is made if need be, and clears away what a kill has left there.
    ///
    /// # Errors
    /// When the folder is not ours, before anything in it is changed.
    pub(super) fn open(path: &Path, store: StoreId) -> Result<Self, IndexError> {
        // What is refused is not even locked.
        check_folder(path, Some(store))?;
        let lock = FolderLock::take(path)?;
        let marked = check_folder(path, Some(store))?;
        let found = read(path)?;
        if !marked {
            lock.mark(NAME, store)?;
        }
        let places = found.unwrap_or_default();
        let folder =
            Self { path: path.to_owned(), places: Mutex::new(places), leaving: Mutex::default(), lock };
        if found.is_none() {
            // If there is anything, nobody knows whether it was in use.
            destroy(&folder.in_use())?;
        }
        if !places.building {
            destroy(&folder.at(places.in_use.other()))?;
        }
        folder.write(places)?;
        Ok(folder)
    }

    /// The place in use.
    pub(super) fn in_use(&self) -> PathBuf {
        self.at(self.places().in_use)
    }

    /// The place that is being built; it is emptied if the building begins now.
    pub(super) fn building(&self) -> Result<PathBuf, IndexError> {
        let mut places = self.places();
        let building = self.at(places.in_use.other());
        if !places.building {
            destroy(&building)?;
            let begun = IndexPlaces { building: true, ..*places };
            self.write(begun)?;
            *places = begun;
        }
        Ok(building)
    }

    /// Puts to use what was built. From the moment that this returns the next start opens it.
    pub(super) fn put_to_use(&self) -> Result<(), IndexError> {
        let mut places = self.places();
        let swapped = IndexPlaces { in_use: places.in_use.other(), building: false };
        self.write(swapped)?;
        *places = swapped;
        Ok(())
    }

    /// Notes that a place goes when its last reader has let go of it, which is when the token is gone.
    pub(super) fn leaves(&self, token: &Arc<()>) {
        *self.leaving.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(token);
    }

    /// Whether the place that is to be built in is still that of an earlier index.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner).strong_count() > 0
    }

    fn at(&self, spot: Spot) -> PathBuf {
        self.path.join(spot.folder())
    }

    fn write(&self, places: IndexPlaces) -> Result<(), IndexError> {
        let write = || -> io::Result<()> {
            let text = serde_json::to_vec(&places)?;
            replace_file(&self.path.join(FILE), "places.new", &text)
        };
        write().map_err(|error| refused(&self.path, error))
    }

    fn places(&self) -> MutexGuard<'_, IndexPlaces> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Refuses a folder that holds anything but an index, be it of this store or of any when none is named; whether it is
/// marked. Nothing is written.
pub(super) fn check_folder(path: &Path, store: Option<StoreId>) -> Result<bool, IndexError> {
    let owner = folder_owner(path, NAME)?;
    let marked = matches!(owner, FolderOwner::Store(_));
    let found = match owner {
        FolderOwner::Nobody => None,
        FolderOwner::Store(found) => Some(found),
        FolderOwner::Unknown(found) => match read(path)? {
            Some(places) => unmarked_store(&path.join(places.in_use.folder())),
            None => return Err(IndexError::NotOurs { path: path.to_owned(), found }),
        },
    };
    match (found, store) {
        (Some(found), Some(expected)) if found != expected => {
            Err(IndexError::OtherStore { path: path.to_owned(), found, expected })
        }
        _ => Ok(marked),
    }
}

/// Whether there is an index in a folder, marked or not. Nothing is written.
pub(super) fn is_ours(path: &Path) -> Result<bool, IndexError> {
    Ok(match folder_owner(path, NAME)? {
        FolderOwner::Nobody => false,
        FolderOwner::Store(_) => true,
        FolderOwner::Unknown(found) => !found.is_marked() && read(path)?.is_some(),
    })
}

/// Whose index a place has in a folder that was made before folders were marked; none when that cannot be told, and it
/// is made anew then.
fn unmarked_store(place: &Path) -> Option<StoreId> {
    let db = open_to_read(place).ok()?;
    cursor::read(&db).ok()?.map(|cursor| cursor.store())
}

/// What the file says; none when it is not there, or is none of ours.
fn read(path: &Path) -> Result<Option<IndexPlaces>, IndexError> {
    match fs::read(path.join(FILE)) {
        Ok(text) => Ok(serde_json::from_slice(&text).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(refused(path, error)),
    }
}

fn refused(path: &Path, error: io::Error) -> IndexError {
    IndexError::File(path.to_owned(), error)
}
