//! Copies of folders that a program has open.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Copies a folder with all that is in it, as a kill at one moment would leave it: it begins anew while files come and go,
/// as those of a store do. The copy's folder is empty or not there before.
///
/// # Errors
/// What the file system says of either folder.
pub fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    loop {
        match copy(from, to) {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            // Deleted meanwhile: that was another moment.
            Err(error) if error.kind() == io::ErrorKind::NotFound && from.is_dir() => {}
            Err(error) => return Err(error),
        }
        fs::remove_dir_all(to)?;
    }
}

/// Whether the folder had the same files before and after.
fn copy(from: &Path, to: &Path) -> io::Result<bool> {
    fs::create_dir_all(to)?;
    let before = tree(from)?;
    for (path, is_folder) in &before {
        let (from, to) = (from.join(path), to.join(path));
        if *is_folder { fs::create_dir(to)? } else { _ = fs::copy(from, to)? }
    }
    Ok(tree(from)? == before)
}

/// What is in a folder, below it too: folders before what is in them.
fn tree(root: &Path) -> io::Result<BTreeSet<(PathBuf, bool)>> {
    let (mut found, mut open) = (BTreeSet::new(), vec![PathBuf::new()]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(root.join(&folder))? {
            let entry = entry?;
            let (path, is_folder) = (folder.join(entry.file_name()), entry.file_type()?.is_dir());
            if is_folder {
                open.push(path.clone());
            }
            found.insert((path, is_folder));
        }
    }
    Ok(found)
}
