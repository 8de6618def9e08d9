//! The file that keeps the height, with the mark by which it is known as ours. An operator who corrects it, and nodes of
//! earlier versions, write the decimal digits alone.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{HEIGHT_MAX, KnownHeight};
use crate::files;

/// What the file is, in its first field.
const FORMAT: &str = "quipu block height 1";

/// Where the height is kept over restarts.
#[derive(Clone, Debug)]
pub struct HeightFile {
    /// The file. Its folder must exist.
    pub path: PathBuf,
    /// The id of the store that it is kept for.
    pub store: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Marked {
    format: String,
    store: String,
    height: u64,
}

impl HeightFile {
    /// Reads the file; the height is as old as that is. That there is none is normal; whatever else is
    /// wrong with it is reported, and then there is none.
    pub(super) fn read(&self) -> Option<KnownHeight> {
        let read = self.height().and_then(|height| {
            // A clock set back since makes the file as good as new.
            let age = fs::metadata(&self.path)?.modified()?.elapsed().unwrap_or_default();
            Ok(KnownHeight { height, age })
        });
        match read {
            Ok(kept) => Some(kept),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(
                    %error, path = %self.path.display(),
                    "the kept block height cannot be read: going on without it"
                );
                None
            }
        }
    }

    /// Replaces the file, unless it is not ours; on disk when it returns.
    pub(super) fn write(&self, height: u64) -> io::Result<()> {
        match self.height() {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let marked = Marked { format: FORMAT.to_owned(), store: self.store.clone(), height };
        let mut json = serde_json::to_vec(&marked)?;
        json.push(b'\n');
        files::replace_durably(&self.path, &[&json])
    }

    /// Shows where it is.
    pub(super) fn display(&self) -> std::path::Display<'_> {
        Path::display(&self.path)
    }

    fn height(&self) -> io::Result<u64> {
        let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
        let not_ours = || {
            invalid(format!(
                "it is none of this program's files, and not replaced: expected {FORMAT:?} in it, or a block height of at \
                 most 12 digits; move it away"
            ))
        };
        let text = fs::read_to_string(&self.path)?;
        let height = match text.trim().parse() {
            Ok(height) => height,
            Err(_) => {
                let marked: Marked = serde_json::from_str(&text).map_err(|_| not_ours())?;
                if marked.format != FORMAT {
                    return Err(not_ours());
                }
                if marked.store != self.store {
                    let (found, ours) = (marked.store, &self.store);
                    return Err(invalid(format!(
                        "it is of store {found:?}, this node\'s is {ours:?}, and it is not replaced; move it away"
                    )));
                }
                marked.height
            }
        };
        Some(height).filter(|height| *height <= HEIGHT_MAX).ok_or_else(not_ours)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn what_is_not_ours_is_neither_read_nor_replaced() {
        let folder = TempDir::new().unwrap();
        let file = HeightFile { path: folder.path().join("height.json"), store: "ours".to_owned() };
        for foreign in [
            "{}",
            "",
            "{\"height\": 12}",
            "1800000 m above the sea",
            "1000000000000",
            r#"{"format":"quipu block height 1","store":"another","height":5}"#,
            r#"{"format":"quipu block height 2","store":"ours","height":5}"#,
            r#"{"format":"quipu block height 1","store":"ours","height":5,"more":1}"#,
        ] {
            fs::write(&file.path, foreign).unwrap();
            assert!(file.read().is_none(), "{foreign}");
            let error = file.write(7).unwrap_err();
            assert!(error.to_string().contains("not replaced"), "{foreign}: {error}");
            assert_eq!(fs::read_to_string(&file.path).unwrap(), foreign);
        }
        fs::remove_file(&file.path).unwrap();
        assert!(file.read().is_none());
        for (kept, height) in [(None, 7), (Some("9\n"), 10), (None, 11)] {
            if let Some(kept) = kept {
                fs::write(&file.path, kept).unwrap();
            }
            file.write(height).unwrap();
            assert_eq!(file.read().unwrap().height, height);
            assert!(fs::read_to_string(&file.path).unwrap().contains("\"store\":\"ours\""));
        }
    }
}
