//! A look at RocksDB's own journals before it reads them: the write-ahead logs and the manifest.
//!
//! RocksDB tells records of recycled files by their type, before it looks at their checksum. One flipped bit in a
//! type turns a record into such a one, and RocksDB then takes it for the end of the log, or, further on in a file,
//! reads it again and again without end. Files are never recycled here, so every whole record must have a type of
//! ours and the right checksum. One that is cut short at the end of the file is left to RocksDB.
//!
//! ```text
//! file     blocks of 32 KiB, the last one shorter
//! block    records; less than 7 bytes at the end are filler
//! record   masked CRC-32C of all that follows the length (4) ‖ length (2) ‖ type (1) ‖ payload    little-endian
//! ```

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use super::error::{RocksError, io_error};

const BLOCK_LEN: u64 = 32 << 10;
const HEADER_LEN: usize = 7;

/// Whole records and their first, middle and last parts; the three kinds that say something about the file.
const TYPES: [u8; 7] = [1, 2, 3, 4, 9, 10, 130];

/// Checks the journals of a store.
pub(super) fn check(store: &Path) -> Result<(), RocksError> {
    for file in journals(store).map_err(|error| io_error(store, error))? {
        let damage = check_file(&file).map_err(|error| io_error(&file, error))?;
        if let Some(reason) = damage {
            return Err(RocksError::Damaged { file, reason });
        }
    }
    Ok(())
}

fn journals(store: &Path) -> io::Result<Vec<PathBuf>> {
    let mut journals = Vec::new();
    for entry in fs::read_dir(store)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            journals.push(path);
        }
    }
    // What `CURRENT` names is the manifest; without it the store is new, or RocksDB says what is wrong.
    if let Ok(current) = fs::read_to_string(store.join("CURRENT")) {
        let manifest = store.join(current.trim_end());
        if manifest.is_file() {
            journals.push(manifest);
        }
    }
    Ok(journals)
}

/// What is wrong with a file, if anything is.
fn check_file(path: &Path) -> io::Result<Option<String>> {
    let mut file = BufReader::new(File::open(path)?);
    let mut block = Vec::new();
    let mut offset = 0_u64;
    loop {
        block.clear();
        file.by_ref().take(BLOCK_LEN).read_to_end(&mut block)?;
        let is_last = (block.len() as u64) < BLOCK_LEN;
        if let Err((at, reason)) = check_block(&block, is_last) {
            let at = offset.saturating_add(at as u64);
            return Ok(Some(format!("has a record at byte {at} that {reason}")));
        }
        if is_last {
            return Ok(None);
        }
        offset = offset.saturating_add(BLOCK_LEN);
    }
}

/// The damage in a block: where, and what.
fn check_block(block: &[u8], is_last: bool) -> Result<(), (usize, String)> {
    let mut rest = block;
    while let Some((header, after)) = rest.split_first_chunk::<HEADER_LEN>() {
        let at = block.len().saturating_sub(rest.len());
        let [crc @ .., low, high, kind] = *header;
        let len = usize::from(u16::from_le_bytes([low, high]));
        if *header == [0; HEADER_LEN] {
            // Space that was set aside and not written to.
            return Ok(());
        }
        if !TYPES.contains(&kind) {
            return Err((at, format!("has the type {kind}, which is not in use")));
        }
        let Some((payload, next)) = after.split_at_checked(len) else {
            return if is_last { Ok(()) } else { Err((at, format!("claims to have {len} bytes"))) };
        };
        let computed = crc32c::crc32c_append(crc32c::crc32c(&[kind]), payload);
        if masked(computed) != u32::from_le_bytes(crc) {
            return Err((at, "does not match its checksum".to_owned()));
        }
        rest = next;
    }
    Ok(())
}

/// A checksum as RocksDB stores it, so that one of data with checksums in it is not weakened.
fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}
