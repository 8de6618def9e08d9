//! A token by which another program is asked, as such or in a file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::listeners::fits_header;

/// A token that cannot be used.
#[derive(Debug, Error)]
pub enum TokenSettingError {
    /// It cannot be sent.
    #[error(
        "{0} has characters that no HTTP header carries; it takes letters, digits, signs and spaces of ASCII"
    )]
    Unsendable(&'static str),
    /// The file with it cannot be read.
    #[error("{name}_FILE: cannot read {}", .path.display())]
    File {
        /// The setting of the token itself.
        name: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// There is nothing in the file.
    #[error("{name}_FILE: there is no token in {}", .path.display())]
    Empty {
        /// The setting of the token itself.
        name: &'static str,
        /// The file.
        path: PathBuf,
    },
}

/// The token of the setting `name`, or that in the file that its twin with `_FILE` names.
///
/// # Errors
/// When no header carries it, or the file has none.
pub(super) fn read_token(
    name: &'static str,
    given: Option<&str>,
    file: Option<&Path>,
) -> Result<Option<String>, TokenSettingError> {
    let sendable = |token: &str| {
        if fits_header(token) { Ok(token.to_owned()) } else { Err(TokenSettingError::Unsendable(name)) }
    };
    let Some(path) = file else { return given.map(sendable).transpose() };
    match fs::read_to_string(path) {
        Ok(text) if text.trim().is_empty() => Err(TokenSettingError::Empty { name, path: path.to_owned() }),
        Ok(text) => sendable(text.trim()).map(Some),
        Err(error) => Err(TokenSettingError::File { name, path: path.to_owned(), error }),
    }
}
