//! Where the index is on disk: two places side by side, of which one is in use while the other is built.
//!
//! ```text
//! index/places.json    which place is in use, and which one is being built
//! index/a, index/b     a RocksDB store each
//! ```
//!
//! The file is replaced atomically, so one write both ends a building and puts it to use, whatever is killed when.
//! RocksDB keeps the paths of its files: the places are never renamed.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use serde::{Deserialize, Serialize};
use tracing::warn;

use super::store::{IndexError, destroy};

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
struct Places {
    in_use: Spot,
    /// Whether the other one is being built; else it is of no worth.
    building: bool,
}

/// The directory of the index.
#[derive(Debug)]
pub(super) struct Home {
    path: PathBuf,
    places: Mutex<Places>,
    /// Lives as long as the files of a place that is not in use any more.
    leaving: Mutex<Weak<()>>,
}

impl Home {
    /// Opens the directory, which is made if need be, and clears away what a kill has left there.
    pub(super) fn open(path: &Path) -> Result<Self, IndexError> {
        let refused = |error: io::Error| refused(path, &error);
        fs::create_dir_all(path).map_err(refused)?;
        let places = match fs::read(path.join(FILE)).map(|text| serde_json::from_slice(&text)) {
            Ok(Ok(places)) => places,
            Ok(Err(_)) => {
                warn!(path = %path.display(), "it is not known which index was in use; rebuilding it from the log");
                empty(path)?;
                Places { in_use: Spot::A, building: false }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Whatever is here was in use before there were two places, or was never put to use.
                empty(path)?;
                Places { in_use: Spot::A, building: false }
            }
            Err(error) => return Err(refused(error)),
        };
        let home = Self { path: path.to_owned(), places: Mutex::new(places), leaving: Mutex::default() };
        if !places.building {
            destroy(&home.at(places.in_use.other()))?;
        }
        home.write(places)?;
        Ok(home)
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
            let begun = Places { building: true, ..*places };
            self.write(begun)?;
            *places = begun;
        }
        Ok(building)
    }

    /// Puts to use what was built. From the moment that this returns the next start opens it.
    pub(super) fn put_to_use(&self) -> Result<(), IndexError> {
        let mut places = self.places();
        let swapped = Places { in_use: places.in_use.other(), building: false };
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

    fn write(&self, places: Places) -> Result<(), IndexError> {
        let write = || {
            let fresh = self.path.join("places.new");
            let mut file = File::create(&fresh)?;
            file.write_all(&serde_json::to_vec(&places)?)?;
            file.sync_all()?;
            fs::rename(fresh, self.path.join(FILE))?;
            File::open(&self.path)?.sync_all()
        };
        write().map_err(|error| refused(&self.path, &error))
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn empty(path: &Path) -> Result<(), IndexError> {
    let empty = || {
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            } else {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    };
    empty().map_err(|error| refused(path, &error))
}

fn refused(path: &Path, error: &io::Error) -> IndexError {
    IndexError::Open { path: path.to_owned(), reason: error.to_string() }
}
