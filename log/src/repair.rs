//! Mending a store whose last write was interrupted in a way that RocksDB does not take for one.
//!
//! What was being written when the power went may be there in part and in any order: the head of a record and none of
//! its payload, for one. To RocksDB that is damage, and the store stays closed. Nobody was told that such a write is on
//! disk, so it may be cut off; but damage of what was acknowledged looks the same. So it is first tried on a copy what
//! the log would be without it: it must be whole, and go as far as is known to have been acknowledged. What a manifest says
//! that is cut off may concern any part of the log, so all of it is then looked at, which takes its time.

mod later;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use thiserror::Error;

use crate::check::check_end;
use crate::error::ReadError;
use crate::ids::Seq;
use crate::reader::LogReader;
use crate::rocks::{JournalDamage, Likeness, Rocks, RocksError, StoreLock, journals, manifest, newest, scan};
use crate::verify::{Fault, Notice};

use later::SoundLog;

/// How much of a manifest may go: more than the changes of all tables that are made known together.
const MANIFEST_CUT_MAX: u64 = 64 << 10;
/// How many cut ends of one file may be kept beside it.
const KEPT_MAX: u32 = 100;

/// Why a store is not mended.
#[derive(Debug, Error)]
pub enum RepairError {
    /// The store cannot be read at all.
    #[error(transparent)]
    Store(#[from] RocksError),
    /// What is damaged is not what was written last.
    #[error(
        "{} is damaged at byte {at}, where a record {reason}, and it is not the end of what was written: nothing is \
         cut off, restore the store from a standby or a backup", .file.display()
    )]
    NotTheEnd {
        /// The file.
        file: PathBuf,
        /// Where in it.
        at: u64,
        /// What is wrong there.
        reason: String,
    },
    /// It would not help.
    #[error("nothing is cut off, since the log would not be whole without it: {0}")]
    NotWhole(#[source] ReadError),
    /// It does not open for another reason.
    #[error("nothing is torn, but the log is not whole: {0}; restore it from a standby or a backup")]
    NotTorn(#[source] ReadError),
    /// The same, by the first fault that was found when all of it was looked at.
    #[error("nothing is cut off, since the log would not be whole without it: {0}")]
    Faulty(Fault),
    /// A file could not be read or written.
    #[error("{}: {error}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
}

/// Ends of files that were not wholly written, and what the log is without them. The store is locked meanwhile.
#[derive(Debug)]
pub struct TornStore {
    /// What is to be cut off.
    pub ends: Vec<TornEnd>,
    /// The newest event that stays.
    pub last: Option<Seq>,
    /// The newest event that is known to have been acknowledged: by a note that is right after a crash of the program,
    /// and some seconds old at most after one of the machine.
    pub acknowledged: Option<Seq>,
    _lock: StoreLock,
}

/// The end of a file that was not wholly written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornEnd {
    /// The file.
    pub file: PathBuf,
    /// Where it is cut off.
    pub at: u64,
    /// How many bytes go.
    pub len: u64,
    /// What is wrong with the record there, as in "a record that...".
    pub reason: String,
}

/// Looks what of a store would have to be cut off for it to open; none when nothing keeps it from being read. Nothing is
/// changed.
///
/// # Errors
/// When it is in use, or what is damaged is not the end of what was written.
pub fn examine_store(store: &Path) -> Result<Option<TornStore>, RepairError> {
    let lock = Rocks::lock(store)?;
    let ends = torn_ends(store)?;
    let acknowledged = Rocks::acknowledged_in(store)?;
    if ends.is_empty() {
        last_of(store, acknowledged, RepairError::NotTorn)?;
        return Ok(None);
    }
    let preview = preview(store, &ends)?;
    let last = last_of(preview.path(), acknowledged, RepairError::NotWhole)?;
    let manifest = manifest(store);
    if last.is_some() && ends.iter().any(|end| Some(&end.file) == manifest.as_ref()) {
        check_all(preview.path())?;
    }
    Ok(Some(TornStore { ends, last, acknowledged, _lock: lock }))
}

/// The newest event of a store, of which the end is looked at.
fn last_of(
    store: &Path,
    acknowledged: Option<Seq>,
    refused: impl Fn(ReadError) -> RepairError,
) -> Result<Option<Seq>, RepairError> {
    // A store that is still being made when the power goes has no tables yet, and nothing in it.
    if acknowledged.is_none() && !Rocks::has_tables(store) {
        return Ok(None);
    }
    let reader = LogReader::new(Arc::new(Rocks::open_read_only(store)?));
    let identity = reader.identity().map_err(&refused)?;
    let held = identity.is_some_and(|(_, held)| held);
    Ok(check_end(&reader, held).map_err(&refused)?.0)
}

impl TornStore {
    /// Cuts the ends off; each is kept in a file beside the one that it was in. Those files are returned.
    ///
    /// # Errors
    /// When the disk does not do as it should; what was not kept is not cut off.
    pub fn cut(self) -> Result<Vec<PathBuf>, RepairError> {
        self.ends.iter().map(TornEnd::cut).collect()
    }
}

impl TornEnd {
    fn cut(&self) -> Result<PathBuf, RepairError> {
        let cut = || -> io::Result<PathBuf> {
            let mut file = OpenOptions::new().read(true).write(true).open(&self.file)?;
            file.seek(SeekFrom::Start(self.at))?;
            let (kept, mut copy) = create_beside(&self.file)?;
            io::copy(&mut file, &mut copy)?;
            copy.sync_all()?;
            if let Some(folder) = self.file.parent() {
                File::open(folder)?.sync_all()?;
            }
            file.set_len(self.at)?;
            file.sync_all()?;
            Ok(kept)
        };
        cut().map_err(|error| io_error(&self.file, error))
    }
}

/// A new file that says by its name what it is a part of.
fn create_beside(file: &Path) -> io::Result<(PathBuf, File)> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let mut number = 1;
    loop {
        let path = file.with_file_name(format!("{name}.cut-{number}"));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(created) => return Ok((path, created)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < KEPT_MAX => number += 1,
            Err(error) => return Err(error),
        }
    }
}

/// That there is no fault in all of a store but for signatures, which nothing that is cut off can make wrong.
fn check_all(store: &Path) -> Result<(), RepairError> {
    let mut first = None;
    Rocks::open_read_only(store)?.verify(None, &mut |notice| {
        if let Notice::Fault(fault) = notice
            && !fault.inherited
        {
            first.get_or_insert(fault);
        }
    });
    first.map_or(Ok(()), |fault| Err(RepairError::Faulty(fault)))
}

/// Whether what is torn of a store may be cut off. Nothing is changed.
pub(crate) fn can_be_cut(store: &Path) -> bool {
    torn_ends(store).is_ok()
}

fn torn_ends(store: &Path) -> Result<Vec<TornEnd>, RepairError> {
    let journals = journals(store)?;
    let manifest = manifest(store);
    let is_manifest = |file: &PathBuf| Some(file) == manifest.as_ref();
    let newest = newest(&journals, manifest.as_deref());
    let (mut ends, mut followed) = (Vec::new(), None);
    for file in &journals {
        let Some(damage) = scan(file, &mut |_| Likeness::Later)? else {
            continue;
        };
        let len = len(file).map_err(|error| io_error(file, error))?.saturating_sub(damage.sound);
        // Of the changes of several tables, which a manifest is told of at once, any part may have arrived. Whether what
        // goes is missed is seen when all of the log is looked at without it.
        let may_go = if is_manifest(file) { len <= MANIFEST_CUT_MAX } else { Some(file) == newest };
        if !may_go {
            return Err(not_the_end(file, damage));
        }
        ends.push(TornEnd { file: file.clone(), at: damage.sound, len, reason: damage.reason.clone() });
        if damage.followed && !is_manifest(file) {
            followed = Some((file, damage));
        }
    }
    if let Some((file, damage)) = followed
        && is_followed(store, &ends, file).unwrap_or(true)
    {
        return Err(not_the_end(file, damage));
    }
    Ok(ends)
}

/// Whether what looks like an entry behind the damage of this file was written, held against the store without these ends.
fn is_followed(store: &Path, ends: &[TornEnd], file: &Path) -> Result<bool, RepairError> {
    let preview = preview(store, ends)?;
    let log = SoundLog::open(preview.path())?;
    let damage = scan(file, &mut |entry| log.likeness(entry))?;
    Ok(damage.is_none_or(|damage| damage.followed))
}

fn not_the_end(file: &Path, damage: JournalDamage) -> RepairError {
    RepairError::NotTheEnd { file: file.to_owned(), at: damage.at, reason: damage.reason }
}

/// The store without these ends, in a folder of its own: its files by links, and copies of those that are cut.
fn preview(store: &Path, ends: &[TornEnd]) -> Result<TempDir, RepairError> {
    let folder = tempfile::tempdir().map_err(|error| io_error(&std::env::temp_dir(), error))?;
    let store = store.canonicalize().map_err(|error| io_error(store, error))?;
    let entries = fs::read_dir(&store).map_err(|error| io_error(&store, error))?;
    for entry in entries {
        let path = entry.map_err(|error| io_error(&store, error))?.path();
        let name = path.file_name().unwrap_or_default();
        let link = folder.path().join(name);
        let end = ends.iter().find(|end| end.file.file_name() == Some(name));
        let made = match end {
            Some(end) => copy_until(&path, &link, end.at),
            // RocksDB's diary and lock are of the place where they are.
            None if name.to_string_lossy().starts_with("LO") => Ok(()),
            None => symlink(&path, &link),
        };
        made.map_err(|error| io_error(&path, error))?;
    }
    Ok(folder)
}

fn copy_until(from: &Path, to: &Path, len: u64) -> io::Result<()> {
    io::copy(&mut File::open(from)?.take(len), &mut File::create(to)?).map(drop)
}

fn len(file: &Path) -> io::Result<u64> {
    Ok(fs::metadata(file)?.len())
}

fn io_error(path: &Path, error: io::Error) -> RepairError {
    RepairError::Io { path: path.to_owned(), error }
}

#[cfg(test)]
mod tests;
