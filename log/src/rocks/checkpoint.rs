//! A copy of an open store as it is at one moment: RocksDB's checkpoint, with our mark and the note of how far it goes.
//!
//! Files that never change are hard links, so a copy takes little room and little time. It is made under a name of its
//! own and moved into place when it is whole: what a kill leaves there is found by that name.

use std::fs::{self, File};
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rocksdb::checkpoint::Checkpoint;
use thiserror::Error;

use crate::contract::{Log, Tail};
use crate::digest::LogDigest;
use crate::error::{EngineError, ReadError};
use crate::folder::mark_folder;
use crate::identity::Identity;
use crate::ids::Seq;
use crate::local::LocalLog;
use crate::reader::LogReader;

use super::error::{engine_error, io_error};
use super::{Acknowledged, Rocks, RocksError};

/// What a copy is called until it is whole; RocksDB adds another ending of its own before that.
const MAKING: &str = "making";
const ROCKSDB_MAKING: &str = "making.tmp";
/// How long the disk may take to sync what is in the copy already.
const SYNCED: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Which log is in a store that nobody has open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreContents {
    /// Which store it is, and its term.
    pub identity: Identity,
    /// How many events are in it, released or not.
    pub events: u64,
    /// Their digest.
    pub digest: LogDigest,
}

/// Why there is no copy of a store.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// Something is in the way.
    #[error("{} is there already", .0.display())]
    Exists(PathBuf),
    /// A file or folder could not be made.
    #[error(transparent)]
    Store(#[from] RocksError),
    /// RocksDB did not make it.
    #[error("RocksDB makes no checkpoint: {0}")]
    Refused(#[source] EngineError),
    /// What is in it cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It is not a copy of the whole log.
    #[error(
        "the checkpoint has {found} events, of which the log had {expected} on disk before: it is not kept"
    )]
    Incomplete {
        /// How many the log had before.
        expected: u64,
        /// How many are in it.
        found: u64,
    },
    /// It has what this log may yet lose.
    #[error("the checkpoint has events that the log could not sync{}", .0.as_ref().map_or(String::new(), |why| format!(": {why}")))]
    Unsynced(Option<String>),
}

impl LocalLog<Rocks> {
    /// Makes a copy of the store in a folder that is not there yet, on the same file system: all that is on disk when this
    /// is called, and what comes meanwhile. What is not released is in it, and is not released there either. Blocks; the
    /// log goes on.
    ///
    /// # Errors
    /// When it cannot be made. Then there is no such folder.
    pub fn checkpoint(&self, folder: &Path) -> Result<StoreContents, CheckpointError> {
        if folder.symlink_metadata().is_ok() {
            return Err(CheckpointError::Exists(folder.to_owned()));
        }
        self.checkpoint_when(folder, &self.synced(), SYNCED)
    }

    /// The same, where it is another's word how far the log is synced.
    pub(super) fn checkpoint_when(
        &self,
        folder: &Path,
        synced: &Tail,
        patience: Duration,
    ) -> Result<StoreContents, CheckpointError> {
        clear(folder)?;
        let made = self.make_checkpoint(folder, synced, patience);
        if made.is_err() {
            // What is in the way of that is in the way of the next attempt as well, which says so.
            let _ = clear(folder);
        }
        made
    }

    fn make_checkpoint(
        &self,
        folder: &Path,
        synced: &Tail,
        patience: Duration,
    ) -> Result<StoreContents, CheckpointError> {
        let making = folder.with_added_extension(MAKING);
        let before = self.synced().last().map_or(0, |last| last.next().get());
        // All tables are flushed before, so that large values are in files.
        let checkpoint = Checkpoint::new(&self.engine().db).and_then(|copy| copy.create_checkpoint(&making));
        checkpoint.map_err(|error| CheckpointError::Refused(engine_error(error)))?;
        let contents = Rocks::open_copy(&making)?.contents()?;
        if contents.events < before {
            return Err(CheckpointError::Incomplete { expected: before, found: contents.events });
        }
        self.wait_until_synced(contents.events, synced, patience)?;
        Rocks::finish(&making, &contents)?;
        let into_place = || {
            fs::rename(&making, folder)?;
            sync_folder(folder.parent().unwrap_or(Path::new(".")))
        };
        into_place().map_err(|error| io_error(folder, error))?;
        Ok(contents)
    }

    /// A copy may have what was written and is not on disk here yet: another node must not know of what this one may
    /// lose.
    fn wait_until_synced(
        &self,
        events: u64,
        synced: &Tail,
        patience: Duration,
    ) -> Result<(), CheckpointError> {
        let (Some(last), since) = (Seq::new(events).prev(), Instant::now()) else {
            return Ok(());
        };
        while synced.last() < Some(last) {
            if self.failure().is_some() || since.elapsed() > patience {
                return Err(CheckpointError::Unsynced(self.failure().map(|why| why.to_string())));
            }
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }
}

impl Rocks {
    /// Which log is in a store that is opened to read it alone.
    ///
    /// # Errors
    /// When it cannot be read, or its digest is not that of all events.
    pub fn contents(self) -> Result<StoreContents, ReadError> {
        let reader = LogReader::new(self.into());
        let missing = || ReadError::corrupt("the store's identity", "it is missing");
        let (identity, _) = reader.identity()?.ok_or_else(missing)?;
        let events = reader.last()?.map_or(0, |last| last.next().get());
        let digest = match reader.stored_digest()? {
            Some((counted, digest)) if counted == events => digest,
            // From before digests were kept.
            None => made_again(&reader, events)?,
            Some(_) => reader.digest_of(events)?,
        };
        Ok(StoreContents { identity, events, digest })
    }

    /// Which store it is that is opened to read it alone; none when a kill came before it was given an identity.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn identity(self) -> Result<Option<Identity>, ReadError> {
        Ok(LogReader::new(self.into()).identity()?.map(|(identity, _)| identity))
    }

    /// The digest of the first events of a store that is opened to read it alone; none when it has fewer.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn digest_of(self, events: u64) -> Result<Option<LogDigest>, ReadError> {
        let reader = LogReader::new(self.into());
        let there = reader.last()?.map_or(0, |last| last.next().get());
        if events > there { Ok(None) } else { reader.digest_of(events).map(Some) }
    }

    /// Marks a copy, and notes in it how far it goes; all of it is on disk when this returns.
    fn finish(folder: &Path, contents: &StoreContents) -> Result<(), RocksError> {
        if let Some(last) = Seq::new(contents.events).prev() {
            Acknowledged::note(folder, last)?;
        }
        Ok(mark_folder(folder, Self::HOLDS, contents.identity.store)?)
    }

    /// Whether a file of this name may be in the folder of a log.
    pub fn is_file_of_store(name: &str) -> bool {
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let numbered = |start: &str| name.strip_prefix(start).is_some_and(is_number);
        let ended = name.rsplit_once('.').is_some_and(|(number, ending)| {
            is_number(number) && matches!(ending, "sst" | "blob" | "log" | "dbtmp")
        });
        let fixed =
            ["CURRENT", "IDENTITY", "LOCK", "LOG", "QUIPU", "QUIPU.new", "acknowledged"].contains(&name);
        fixed || ended || ["MANIFEST-", "OPTIONS-", "LOG.old."].into_iter().any(numbered)
    }

    /// Removes the folder of a copy, with what such a copy consists of.
    ///
    /// # Errors
    /// When something else is in it, which is left there with the folder; or when it cannot be removed.
    pub fn remove_copy(folder: &Path) -> Result<(), RocksError> {
        let remove = || -> io::Result<()> {
            // A link would lead to somebody else's.
            if !folder.symlink_metadata()?.is_dir() {
                return Err(io::ErrorKind::NotADirectory.into());
            }
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                if entry.file_name().to_str().is_some_and(Self::is_file_of_store) {
                    fs::remove_file(entry.path())?;
                }
            }
            fs::remove_dir(folder)
        };
        match remove() {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error(folder, error)),
            _ => Ok(()),
        }
    }

    /// Whether this is the name of a copy that was not finished, and of which it would have been one.
    pub fn unfinished_copy(name: &str) -> Option<&str> {
        let (of, ending) = name.split_once('.')?;
        [MAKING, ROCKSDB_MAKING].contains(&ending).then_some(of)
    }
}

/// Removes what a kill left of an earlier attempt.
fn clear(folder: &Path) -> Result<(), RocksError> {
    [MAKING, ROCKSDB_MAKING]
        .iter()
        .try_for_each(|ending| Rocks::remove_copy(&folder.with_added_extension(ending)))
}

/// The digest of all events, one after the other.
fn made_again(reader: &LogReader<Rocks>, events: u64) -> Result<LogDigest, ReadError> {
    let mut digest = LogDigest::EMPTY;
    reader.scan(Seq::ZERO, Seq::new(events).prev(), &mut |event| {
        digest = digest.with(&event);
        ControlFlow::Continue(())
    })?;
    Ok(digest)
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
