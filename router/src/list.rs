//! The list of schedulers in a file, as existing deployments have it.
//!
//! ```json
//! [{"url": "https://su1.example", "no_route": false, "wallets_to_route": "ADDRESS,ADDRESS", "wallets_only": false}]
//! ```

use std::collections::BTreeSet;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use ans104::Address;
use rustix::fs::OFlags;
use serde::Deserialize;
use thiserror::Error;

use crate::scheduler_url::{SchedulerUrl, SchedulerUrlError};

/// A longer file is none that lists schedulers.
const BYTES_MAX: u64 = 4 << 20;

/// What an operator says of a scheduler.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchedulerFlags {
    /// Whether it gets no new processes but those of its wallets.
    pub no_route: bool,
    /// The wallets whose new processes it gets.
    pub wallets: BTreeSet<Address>,
    /// Whether it gets those alone.
    pub wallets_only: bool,
}

/// A scheduler of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListedScheduler {
    pub(crate) url: SchedulerUrl,
    pub(crate) flags: SchedulerFlags,
}

/// A list of schedulers cannot be used.
#[derive(Debug, Error)]
pub enum SchedulerListError {
    /// It cannot be read.
    #[error("SCHEDULER_LIST_PATH: cannot read {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// It is too long.
    #[error("SCHEDULER_LIST_PATH: {} is longer than a list of schedulers can be", .0.display())]
    TooLong(PathBuf),
    /// It is no list.
    #[error(
        "SCHEDULER_LIST_PATH: {} is no list of schedulers; expected JSON such as \
         [{{\"url\": \"https://su1.example\"}}]", .path.display()
    )]
    NoList {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        error: serde_json::Error,
    },
    /// There is nothing in it.
    #[error("SCHEDULER_LIST_PATH: there is no scheduler in {}", .0.display())]
    Empty(PathBuf),
    /// A URL in it is none.
    #[error(transparent)]
    Url(#[from] SchedulerUrlError),
    /// A wallet in it is none.
    #[error(
        "wallets_to_route of {url} has {text:?}: expected addresses of 43 characters, with commas between them"
    )]
    Wallet {
        /// The scheduler.
        url: SchedulerUrl,
        /// What was found.
        text: String,
    },
    /// A scheduler is there twice.
    #[error("{0} is listed twice")]
    Twice(SchedulerUrl),
}

#[derive(Deserialize)]
struct Entry {
    url: String,
    no_route: Option<bool>,
    wallets_to_route: Option<Wallets>,
    wallets_only: Option<bool>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Wallets {
    Text(String),
    List(Vec<String>),
}

/// The schedulers in a file.
///
/// # Errors
/// When it is no such list as a whole.
pub(crate) fn read_list(path: &Path) -> Result<Vec<ListedScheduler>, SchedulerListError> {
    let text = read(path).map_err(|error| SchedulerListError::Read { path: path.to_owned(), error })?;
    if text.len() as u64 > BYTES_MAX {
        return Err(SchedulerListError::TooLong(path.to_owned()));
    }
    let entries: Vec<Entry> = serde_json::from_slice(&text)
        .map_err(|error| SchedulerListError::NoList { path: path.to_owned(), error })?;
    if entries.is_empty() {
        return Err(SchedulerListError::Empty(path.to_owned()));
    }
    let mut listed: Vec<ListedScheduler> = Vec::with_capacity(entries.len());
    let mut urls = BTreeSet::new();
    for entry in entries {
        let url: SchedulerUrl = entry.url.parse()?;
        if !urls.insert(url.clone()) {
            return Err(SchedulerListError::Twice(url));
        }
        let wallets = match entry.wallets_to_route {
            None => BTreeSet::new(),
            Some(Wallets::Text(text)) => read_wallets(&url, text.split(','))?,
            Some(Wallets::List(list)) => read_wallets(&url, list.iter().map(String::as_str))?,
        };
        let (no_route, wallets_only) = (entry.no_route == Some(true), entry.wallets_only == Some(true));
        listed.push(ListedScheduler { url, flags: SchedulerFlags { no_route, wallets, wallets_only } });
    }
    Ok(listed)
}

/// What is in a file, so far as it may be a list. Whoever opens a pipe, or reads it, may wait for ever.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let unblocked = i32::try_from(OFlags::NONBLOCK.bits()).map_err(io::Error::other)?;
    let file = fs::OpenOptions::new().read(true).custom_flags(unblocked).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
    }
    let mut bytes = Vec::new();
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The addresses in these texts; empty ones do not count.
///
/// # Errors
/// When one of them is none.
pub(crate) fn read_wallets<'a>(
    url: &SchedulerUrl,
    texts: impl Iterator<Item = &'a str>,
) -> Result<BTreeSet<Address>, SchedulerListError> {
    let texts = texts.map(str::trim).filter(|text| !text.is_empty());
    let wrong = |text: &str| SchedulerListError::Wallet { url: url.clone(), text: text.to_owned() };
    texts.map(|text| text.parse().map_err(|_| wrong(text))).collect()
}

/// Addresses as the database of existing routers has them.
pub(crate) fn wallets_text(wallets: &BTreeSet<Address>) -> String {
    wallets.iter().map(Address::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    fn list(text: &str) -> Result<Vec<ListedScheduler>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.json");
        fs::write(&path, text).unwrap();
        read_list(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn lists_of_existing_deployments_are_read() {
        let (one, two) = (Address::from_bytes([1; 32]), Address::from_bytes([2; 32]));
        let listed = list(&format!(
            r#"[{{"url": "http://su1:1/", "no_route": null, "wallets_to_route": "{one}, {two},"}},
                {{"url": "http://su2:1", "no_route": true, "wallets_to_route": ["{two}"], "wallets_only": true, "x": 1}},
                {{"url": "http://su3:1"}}]"#
        ));
        let listed = listed.unwrap();
        assert_eq!(listed[0].flags.wallets, BTreeSet::from([one, two]));
        assert!(!listed[0].flags.no_route);
        let all = SchedulerFlags { no_route: true, wallets: BTreeSet::from([two]), wallets_only: true };
        assert_eq!(listed[1].flags, all);
        assert_eq!((listed[2].url.as_str(), &listed[2].flags), ("http://su3:1", &SchedulerFlags::default()));
    }

    #[test]
    fn what_is_no_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("list.json");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
        // Nobody ever writes to it, and a folder is none either.
        for path in [pipe.as_path(), folder.path()] {
            let error = read_list(path).unwrap_err();
            let reason = std::error::Error::source(&error).unwrap().to_string();
            assert!(reason.contains("no file"), "{reason}");
        }
    }

    #[test]
    fn what_is_no_list_is_refused_as_a_whole() {
        for (text, told) in [
            ("", "no list"),
            ("[", "no list"),
            (r#"[{"url": "http://su1:1"}, {"url": "http://su2:1""#, "no list"),
            (r#"{"url": "http://su1:1"}"#, "no list"),
            ("[]", "no scheduler"),
            (r#"[{"url": "su1"}]"#, "not the URL"),
            (r#"[{"url": "http://su1:1"}, {"url": "http://su1:1/"}]"#, "twice"),
            (r#"[{"url": "http://su1:1", "wallets_to_route": "me"}]"#, "expected addresses"),
            (&" ".repeat(usize::try_from(BYTES_MAX).unwrap() + 1), "longer than"),
        ] {
            let refused = list(text).unwrap_err();
            assert!(refused.contains(told), "{text}: {refused}");
        }
    }
}
