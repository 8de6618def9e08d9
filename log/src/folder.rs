//! Whose a folder is, before anything is kept in it.
//!
//! A setting may name the folder of another program, or one with somebody's own files. So a folder is looked at before
//! a byte is written to it, and used only if nothing is in it or if it has our mark: the file `QUIPU`, whose one line says
//! what is kept there and of which store (`quipu index 1b4e28ba-2fa1-11d2-883f-0016d3cca427`).

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use thiserror::Error;
use uuid::Uuid;

use crate::fresh::replace_file;
use crate::identity::StoreId;

const FILE: &str = "QUIPU";
/// The mark on its way into place; alone in a folder it is what a kill has left of the first one.
const FRESH: &str = "QUIPU.new";
const PROGRAM: &str = "quipu";
/// What an empty file system has in its root, on some systems.
const LOST_AND_FOUND: &str = "lost+found";
/// More names than these are not read: a folder with so many is not empty.
const NAMES_MAX: usize = if cfg!(test) { 16 } else { 10_000 };
/// Nothing can be made in the place of such a link.
const LEADS_NOWHERE: &str = "a symbolic link to something that is not there";
/// Why a lock is not to be had.
const IN_USE: &str = "another process is using the folder";
/// No mark is longer.
const MARK_BYTES_MAX: u64 = 256;
/// How many names an error shows.
const NAMES_SHOWN: usize = 3;

/// Whose a folder is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FolderOwner {
    /// Nobody's: it is missing or empty.
    Nobody,
    /// Ours, for what was asked, of this store.
    Store(StoreId),
    /// It has no mark, or one for something else.
    Unknown(FolderContents),
}

/// What is in a folder that is not ours, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderContents {
    folder: PathBuf,
    names: Vec<OsString>,
    /// What our own mark says is kept there.
    marked_for: Option<String>,
}

/// Why a folder could not be looked at or marked.
#[derive(Debug, Error)]
#[error("{}: {error}", .path.display())]
pub struct FolderError {
    /// The folder or file.
    pub path: PathBuf,
    /// What the system says.
    #[source]
    pub error: io::Error,
}

/// What is kept in a folder, and of which store.
struct Mark {
    holds: String,
    store: StoreId,
}

impl Mark {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let (program, holds, store) = (words.next()?, words.next()?, words.next()?);
        let store = StoreId(Uuid::parse_str(store).ok()?);
        (program == PROGRAM && words.next().is_none()).then(|| Self { holds: holds.to_owned(), store })
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{PROGRAM} {} {}", self.holds, self.store)
    }
}

/// Looks whose a folder is in which `holds` shall be kept (a word, such as `index`). Nothing is written.
///
/// # Errors
/// When it cannot be read.
pub fn folder_owner(folder: &Path, holds: &str) -> Result<FolderOwner, FolderError> {
    // Not looked for among the names, of which there may be more than are read.
    let path = mark_in(folder);
    let mark = read(&path).map_err(|error| refused(&path, error))?;
    if let Some(mark) = &mark
        && mark.holds == holds
    {
        return Ok(FolderOwner::Store(mark.store));
    }
    let names = names(folder).map_err(|error| refused(folder, error))?;
    if names.is_empty() || names == [FRESH] {
        return Ok(FolderOwner::Nobody);
    }
    let marked_for = mark.map(|mark| mark.holds);
    Ok(FolderOwner::Unknown(FolderContents { folder: folder.to_owned(), names, marked_for }))
}

/// Where the mark of a folder is.
pub fn mark_in(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

/// Marks a folder as ours that has no mark yet, and makes it if it is missing; on disk when this returns.
///
/// # Errors
/// When it cannot be written, or another process was quicker.
pub fn mark_folder(folder: &Path, holds: &str, store: StoreId) -> Result<(), FolderError> {
    FolderLock::take(folder)?.mark_first(holds, store)
}

/// A folder that no other process marks, or opens to keep a log or an index in it, until this is dropped.
#[derive(Debug)]
pub struct FolderLock {
    folder: PathBuf,
    #[expect(dead_code, reason = "the lock goes with it")]
    opened: File,
}

impl FolderLock {
    /// Takes the lock, and makes the folder if it is missing; nothing is written in it.
    ///
    /// # Errors
    /// When another process has it (the error's kind is `WouldBlock`), or the folder cannot be made.
    pub fn take(folder: &Path) -> Result<Self, FolderError> {
        let take = || {
            make_folder(folder)?;
            let opened = File::open(folder)?;
            match flock(&opened, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::WOULDBLOCK) => Err(io::Error::new(io::ErrorKind::WouldBlock, IN_USE)),
                // A file system that has no such locks has those of RocksDB, or none.
                _ => Ok(opened),
            }
        };
        let opened = take().map_err(|error| refused(folder, error))?;
        Ok(Self { folder: folder.to_owned(), opened })
    }

    /// Marks the folder, whatever mark it had; on disk when this returns.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn mark(&self, holds: &str, store: StoreId) -> Result<(), FolderError> {
        let mark = Mark { holds: holds.to_owned(), store };
        let written = replace_file(&mark_in(&self.folder), FRESH, mark.to_string().as_bytes());
        written.map_err(|error| refused(&self.folder, error))
    }

    /// Marks the folder if it has no mark, or this very one.
    ///
    /// # Errors
    /// When it has another one, or it cannot be written.
    pub fn mark_first(&self, holds: &str, store: StoreId) -> Result<(), FolderError> {
        let path = mark_in(&self.folder);
        match read(&path).map_err(|error| refused(&path, error))? {
            Some(mark) if mark.holds == holds && mark.store == store => Ok(()),
            Some(mark) => {
                let text =
                    format!("the folder has been marked as the {} of store {}", mark.holds, mark.store);
                Err(refused(&path, io::Error::new(io::ErrorKind::AlreadyExists, text)))
            }
            None => self.mark(holds, store),
        }
    }
}

/// Makes a folder and those above it, so that a power cut does not take it away with what is in it.
///
/// # Errors
/// When it cannot be made.
pub fn make_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = match path.parent() {
        Some(above) if above != Path::new("") => above,
        _ => Path::new("."),
    };
    make_folder(above)?;
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        made => made?,
    }
    File::open(above)?.sync_all()
}

impl FolderContents {
    /// Whether a file or folder of this name is there.
    pub fn has(&self, name: &str) -> bool {
        // Of very many names not all were read.
        self.folder.join(name).symlink_metadata().is_ok()
    }

    /// Whether it has a mark of ours, for something else than was asked.
    pub fn is_marked(&self) -> bool {
        self.marked_for.is_some()
    }

    /// What there is besides these names and what a kill leaves of a first mark; none when there is nothing else.
    pub fn besides(mut self, is_known: impl Fn(&OsStr) -> bool) -> Option<Self> {
        self.names.retain(|name| name != FRESH && !is_known(name));
        (!self.names.is_empty()).then_some(self)
    }
}

impl fmt::Display for FolderContents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(holds) = &self.marked_for {
            return write!(f, "the {holds} of a node, by its file {FILE}");
        }
        if self.has("CURRENT")
            && self.names.iter().any(|name| name.to_string_lossy().starts_with("MANIFEST-"))
        {
            return write!(f, "a RocksDB store without our mark, as the existing ao scheduler keeps them");
        }
        let shown: Vec<_> =
            self.names.iter().take(NAMES_SHOWN).map(|name| name.to_string_lossy().into_owned()).collect();
        let shown = shown.join(", ");
        // Files or folders, one or many: what comes before it says "there is".
        write!(f, "something that is not ours: {shown}")?;
        match self.names.len() {
            count if count <= NAMES_SHOWN => Ok(()),
            count if count >= NAMES_MAX => write!(f, ", … ({NAMES_MAX} or more in all)"),
            count => write!(f, ", … ({count} in all)"),
        }
    }
}

/// The mark in a file; none when it is another file of this name, or missing.
fn read(path: &Path) -> io::Result<Option<Mark>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let mut text = Vec::new();
    file.take(MARK_BYTES_MAX).read_to_end(&mut text)?;
    Ok(str::from_utf8(&text).ok().and_then(Mark::parse))
}

/// The names in a folder, in order; none when it is missing.
fn names(folder: &Path) -> io::Result<Vec<OsString>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return if folder.is_symlink() { Err(io::Error::other(LEADS_NOWHERE)) } else { Ok(Vec::new()) };
        }
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        if name != LOST_AND_FOUND {
            names.push(name);
        }
        if names.len() >= NAMES_MAX {
            break;
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn refused(path: &Path, error: io::Error) -> FolderError {
    FolderError { path: path.to_owned(), error }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::os::unix::fs::symlink;

    use super::*;

    const STORE: StoreId = StoreId(Uuid::from_u128(7));

    #[test]
    fn a_folder_is_ours_by_its_mark_alone() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("deep/index");
        assert_eq!(folder_owner(&folder, "index").unwrap(), FolderOwner::Nobody);
        fs::create_dir_all(folder.join(LOST_AND_FOUND)).unwrap();
        // What a kill leaves of the first mark.
        fs::write(folder.join(FRESH), "quip").unwrap();
        assert_eq!(folder_owner(&folder, "index").unwrap(), FolderOwner::Nobody);
        mark_folder(&folder, "index", STORE).unwrap();
        assert_eq!(folder_owner(&folder, "index").unwrap(), FolderOwner::Store(STORE));
        fs::write(folder.join("more"), "").unwrap();
        assert_eq!(folder_owner(&folder, "index").unwrap(), FolderOwner::Store(STORE));
        let FolderOwner::Unknown(other) = folder_owner(&folder, "log").unwrap() else {
            panic!("it is for the index")
        };
        assert_eq!(other.to_string(), "the index of a node, by its file QUIPU");
        let file = folder.join("more");
        assert_eq!(folder_owner(&file, "log").unwrap_err().path, file);
    }

    #[test]
    fn the_first_mark_stays() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("log");
        let lock = FolderLock::take(&folder).unwrap();
        let refused = mark_folder(&folder, "log", STORE).unwrap_err();
        assert_eq!(refused.error.kind(), io::ErrorKind::WouldBlock);
        assert!(names(&folder).unwrap().is_empty(), "something was written");
        drop(lock);
        mark_folder(&folder, "log", STORE).unwrap();
        mark_folder(&folder, "log", STORE).unwrap();
        for (holds, store) in [("log", StoreId(Uuid::from_u128(8))), ("index", STORE)] {
            let refused = mark_folder(&folder, holds, store).unwrap_err().to_string();
            assert!(refused.contains("marked as the log of store"), "{refused}");
        }
        assert_eq!(folder_owner(&folder, "log").unwrap(), FolderOwner::Store(STORE));
    }

    #[test]
    fn a_mark_is_found_among_more_names_than_are_read() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path();
        let fill =
            |from: usize| (from..from + 200).for_each(|n| fs::write(folder.join(n.to_string()), "").unwrap());
        fill(0);
        let FolderOwner::Unknown(found) = folder_owner(folder, "log").unwrap() else {
            panic!("it is not marked")
        };
        assert!(found.to_string().ends_with(&format!("({NAMES_MAX} or more in all)")), "{found}");
        mark_folder(folder, "log", STORE).unwrap();
        fs::write(folder.join("CURRENT"), "").unwrap();
        fill(200);
        assert_eq!(folder_owner(folder, "log").unwrap(), FolderOwner::Store(STORE));
        let FolderOwner::Unknown(found) = folder_owner(folder, "index").unwrap() else {
            panic!("it is a log")
        };
        assert!(found.has("CURRENT") && found.has(FILE) && !found.has("MANIFEST"));
    }

    #[test]
    fn a_link_is_what_it_leads_to() {
        let root = tempfile::tempdir().unwrap();
        let (folder, link) = (root.path().join("folder"), root.path().join("link"));
        symlink(&folder, &link).unwrap();
        let refusal = folder_owner(&link, "log").unwrap_err().to_string();
        assert!(refusal.contains("link: a symbolic link to something"), "{refusal}");
        fs::create_dir(&folder).unwrap();
        assert_eq!(folder_owner(&link, "log").unwrap(), FolderOwner::Nobody);
        mark_folder(&link, "log", STORE).unwrap();
        assert_eq!(folder_owner(&link, "log").unwrap(), FolderOwner::Store(STORE));
    }

    #[test]
    fn what_is_not_ours_is_named() {
        let root = tempfile::tempdir().unwrap();
        let found = |names: &[&str]| {
            let folder = tempfile::tempdir_in(root.path()).unwrap();
            names
                .iter()
                .for_each(|name| fs::write(folder.path().join(name), "quipu of another kind").unwrap());
            match folder_owner(folder.path(), "index").unwrap() {
                FolderOwner::Unknown(contents) => contents.to_string(),
                owner => panic!("{owner:?}"),
            }
        };
        assert_eq!(found(&["notes.txt"]), "something that is not ours: notes.txt");
        assert_eq!(found(&["b", "a"]), "something that is not ours: a, b");
        assert_eq!(found(&["d", "c", "b", "a"]), "something that is not ours: a, b, c, … (4 in all)");
        assert_eq!(found(&[FILE]), "something that is not ours: QUIPU");
        assert!(found(&["CURRENT", "MANIFEST-000005", "000004.log"]).contains("RocksDB"));
    }
}
