//! The token of a node whose operator has set none: made at its first start, and kept in its data folder for the
//! commands that change something.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ans104::Id;
use aws_lc_rs::rand;
use tempfile::NamedTempFile;
use thiserror::Error;
use tracing::info;

/// The name of the file in the data folder.
const FILE: &str = "admin-token";
/// The bits of a mode that let others than the owner do something.
const OTHERS: u32 = 0o077;
/// More than a token has.
const BYTES_MAX: u64 = 1024;

/// Why there is no token to ask operators for.
#[derive(Debug, Error)]
pub enum AdminTokenError {
    /// The file cannot be read.
    #[error("cannot read the admin token in {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// Others than the owner may read the file.
    #[error(
        "the admin token in {} is open to other users (mode {mode:04o}, expected 0600): delete the file, and the next \
         start of the node makes another token", .path.display()
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The file holds something else.
    #[error(
        "there is no admin token in {}, expected 43 characters of base64url: delete the file, and the next start of the \
         node makes a token", .0.display()
    )]
    NoToken(PathBuf),
    /// The file cannot be made.
    #[error("cannot make the admin token in {}; ADMIN_TOKEN can be set instead", .path.display())]
    Make {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
}

/// The token in a data folder; none where none was made.
///
/// # Errors
/// When there is one that must not be used.
pub fn read_admin_token(data: &Path) -> Result<Option<String>, AdminTokenError> {
    let path = data.join(FILE);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(AdminTokenError::Read { path, error }),
    };
    let mut text = String::new();
    let read = file.metadata().and_then(|found| {
        (&file).take(BYTES_MAX).read_to_string(&mut text)?;
        Ok(found.permissions().mode() & 0o7777)
    });
    match read {
        Ok(mode) if mode & OTHERS != 0 => Err(AdminTokenError::Open { path, mode }),
        Ok(_) => match text.trim_end().parse::<Id>() {
            Ok(_) => Ok(Some(text.trim_end().to_owned())),
            Err(_) => Err(AdminTokenError::NoToken(path)),
        },
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(AdminTokenError::NoToken(path)),
        Err(error) => Err(AdminTokenError::Read { path, error }),
    }
}

/// The token in a data folder, made where there is none.
///
/// # Errors
/// When there is one that must not be used, or none can be kept.
pub(crate) fn keep_admin_token(data: &Path) -> Result<String, AdminTokenError> {
    if let Some(token) = read_admin_token(data)? {
        return Ok(token);
    }
    let path = data.join(FILE);
    let token = make(&path).map_err(|error| AdminTokenError::Make { path: path.clone(), error })?;
    info!("made the token for calls that change something on the admin listener, in {}", path.display());
    Ok(token)
}

/// The file is there whole or not at all, and was never open to others.
fn make(path: &Path) -> io::Result<String> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(io::Error::other)?;
    let token = Id::from_bytes(bytes).to_string();
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(folder)?;
    writeln!(file, "{token}")?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path)?;
    File::open(folder)?.sync_all()?;
    Ok(token)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::fs::{self, Permissions};

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_token_is_made_once_and_is_open_to_nobody_else() {
        let folder = TempDir::new().unwrap();
        assert_eq!(read_admin_token(folder.path()).unwrap(), None);
        let token = keep_admin_token(folder.path()).unwrap();
        assert_eq!(token.len(), 43);
        assert_eq!(keep_admin_token(folder.path()).unwrap(), token);
        assert_eq!(read_admin_token(folder.path()).unwrap(), Some(token.clone()));
        let mode = fs::metadata(folder.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "something is left beside it");
        assert_ne!(keep_admin_token(TempDir::new().unwrap().path()).unwrap(), token);
    }

    #[test]
    fn a_file_that_holds_no_secret_is_refused() {
        let folder = TempDir::new().unwrap();
        let token = keep_admin_token(folder.path()).unwrap();
        let path = folder.path().join(FILE);
        for (text, mode, named) in [
            ("", 0o600, "no admin token"),
            ("\n", 0o600, "no admin token"),
            (&token[..42], 0o600, "no admin token"),
            (&format!("{token}\n{token}"), 0o600, "no admin token"),
            (&token, 0o640, "mode 0640"),
            (&token, 0o604, "mode 0604"),
        ] {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let refusal = keep_admin_token(folder.path()).unwrap_err().to_string();
            assert!(refusal.contains(named) && refusal.contains("delete the file"), "{text:?}: {refusal}");
            assert!(refusal.contains(path.to_str().unwrap()), "{refusal}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text, "it was written to");
        }
        fs::write(&path, [0xff, 0xfe]).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(read_admin_token(folder.path()), Err(AdminTokenError::NoToken(_))));
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(matches!(read_admin_token(folder.path()), Err(AdminTokenError::Read { .. })));
    }

    #[test]
    fn a_folder_that_takes_no_file_is_named() {
        let refusal = keep_admin_token(Path::new("/proc/self")).unwrap_err();
        assert!(matches!(refusal, AdminTokenError::Make { .. }), "{refusal:?}");
        assert!(refusal.to_string().contains("/proc/self/admin-token"), "{refusal}");
    }
}
