//! What a program did to its files, as `recorder.c` writes it down.

use std::collections::HashMap;

/// One step.
#[derive(Clone, Debug)]
pub enum Step {
    Create {
        inode: u64,
        name: String,
    },
    Write {
        inode: u64,
        offset: usize,
        bytes: Vec<u8>,
    },
    Truncate {
        inode: u64,
        len: usize,
    },
    Sync {
        inode: u64,
    },
    SyncFolder {
        name: String,
    },
    Rename {
        from: String,
        to: String,
    },
    Link {
        from: String,
        to: String,
    },
    Unlink {
        name: String,
    },
    MakeFolder {
        name: String,
    },
    /// So many events are acknowledged from now on.
    Acknowledged(u64),
}

/// Reads a recording. What is written to the file of this name are not bytes but numbers that are acknowledged.
pub fn read(recording: &[u8], acknowledgements: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = recording;
    // Inodes are given again after a file is deleted.
    let mut is_note: HashMap<u64, bool> = HashMap::new();
    while !rest.is_empty() {
        let number = |at: usize| u64::from_le_bytes(rest[at..at + 8].try_into().unwrap());
        let (kind, inode, offset) = (rest[0], number(1), number(9) as usize);
        let len = u32::from_le_bytes(rest[17..21].try_into().unwrap()) as usize;
        let bytes = &rest[21..21 + len];
        rest = &rest[21 + len..];
        let name = String::from_utf8_lossy(bytes).into_owned();
        let names = || {
            let (from, to) = name.split_once('\0').unwrap();
            (from.to_owned(), to.to_owned())
        };
        match kind {
            1 => is_note.insert(inode, name == acknowledgements),
            _ => None,
        };
        let note = is_note.get(&inode).copied().unwrap_or(false);
        steps.push(match kind {
            2 if note => Step::Acknowledged(u64::from_le_bytes(bytes.try_into().unwrap())),
            _ if note => continue,
            1 => Step::Create { inode, name },
            2 => Step::Write { inode, offset, bytes: bytes.to_vec() },
            3 => Step::Truncate { inode, len: offset },
            4 => Step::Sync { inode },
            5 => Step::SyncFolder { name },
            6 => {
                let (from, to) = names();
                Step::Rename { from, to }
            }
            7 => Step::Unlink { name },
            8 => {
                let (from, to) = names();
                Step::Link { from, to }
            }
            9 => Step::MakeFolder { name },
            _ => panic!("there is no step {kind}"),
        });
    }
    steps
}
