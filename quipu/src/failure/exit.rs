//! The exit codes, by one rule for all commands: what was typed or set has to be changed before it can work (2), or it did
//! not work for another reason (1), or it is done and something is to be looked at (3).

use importer::{BackError, ForeignStoreError, PostgresSourceError, TenantError};
use log::RocksError;
use node::{DataFolderError, NodeError, OfflineError, RejoinError};
use projections::IndexError;
use router::RouterError;

use super::Failure;
use crate::backups::BackupCommandError;
use crate::client::ClientError;
use crate::compare::CompareError;
use crate::export::ExportError;
use crate::import::ImportCommandError;
use crate::location::LocationCommandError;
use crate::node::{DivergenceCommandError, LogRepairError, LogVerifyError};

/// It failed.
const FAILED: u8 = 1;
/// Wrong usage, which the parser of the command line has too.
const USAGE: u8 = 2;
/// Done, and not all is as it should be; or nobody answers who was asked how they are.
const LOOK: u8 = 3;

impl Failure {
    /// The exit code that tells of it.
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::NotWell(verdict) => verdict.exit_code(),
            failure if failure.is_wrong_setting() => USAGE,
            Self::NoAnswer(_) => LOOK,
            failure if failure.is_done() => LOOK,
            _ => FAILED,
        }
    }

    /// Whether the command came to its end and found something.
    fn is_done(&self) -> bool {
        match self {
            Self::Import(error) => matches!(
                error,
                ImportCommandError::LeftOut(_)
                    | ImportCommandError::WouldLeaveOut(_)
                    | ImportCommandError::Awaited(_)
                    | ImportCommandError::Absent { .. }
            ),
            Self::Export(error) => {
                matches!(error, ExportError::LeftOut(_) | ExportError::ZeroBytes(_) | ExportError::Absent(_))
            }
            Self::Compare(error) => matches!(error, CompareError::Differ(_)),
            Self::Divergence(error) => matches!(error, DivergenceCommandError::Beyond { .. }),
            Self::Location(error) => {
                matches!(error, LocationCommandError::Wrong(..) | LocationCommandError::Unsent(_))
            }
            _ => false,
        }
    }

    /// Whether it fails for as long as what was typed or set is not changed.
    fn is_wrong_setting(&self) -> bool {
        match self {
            Self::Setting(_)
            | Self::EnvFile { .. }
            | Self::WrongSettings
            | Self::NoSettings(..)
            | Self::OuterSpace(_)
            | Self::OldVerb(_)
            | Self::DevFolderNotOurs { .. }
            | Self::Verify(LogVerifyError::NoLog(_))
            | Self::Repair(LogRepairError::NoLog(_))
            | Self::BackupCommand(BackupCommandError::NoLog(_)) => true,
            Self::Client(error) | Self::NoAnswer(error) => {
                matches!(error, ClientError::Url { .. } | ClientError::Tls(_))
            }
            Self::Import(error) => is_wrong_import(error),
            Self::Export(error) => is_wrong_export(error),
            Self::Compare(error) => is_wrong_comparison(error),
            Self::Node(error) => is_wrong_node(error),
            Self::Offline(error) => match error {
                OfflineError::NoLog(_) => true,
                OfflineError::Node(error) => is_wrong_node(error),
                _ => false,
            },
            Self::Rejoin(RejoinError::DataFolder(error)) => is_wrong_folder(error),
            _ => false,
        }
    }
}

fn is_wrong_import(error: &ImportCommandError) -> bool {
    match error {
        ImportCommandError::Missing(_)
        | ImportCommandError::Url(_)
        | ImportCommandError::Endpoint(_)
        | ImportCommandError::Processes(_)
        | ImportCommandError::NoByteStore(_)
        | ImportCommandError::NoTenantStores => true,
        ImportCommandError::Tenants(error) => match error {
            TenantError::Json(_)
            | TenantError::NotNamed { .. }
            | TenantError::Process(_)
            | TenantError::Database { .. }
            | TenantError::Url(_)
            | TenantError::NoBytes { .. } => true,
            TenantError::Postgres(error) => is_wrong_database(error),
            TenantError::Bytes(error) => is_wrong_store(error),
        },
        ImportCommandError::Postgres(error) => is_wrong_database(error),
        ImportCommandError::ForeignStore(error) => is_wrong_store(error),
        ImportCommandError::Folder(error) => is_wrong_folder(error),
        ImportCommandError::Store(error) => is_wrong_log(error),
        _ => false,
    }
}

fn is_wrong_export(error: &ExportError) -> bool {
    matches!(
        error,
        ExportError::Url(_)
            | ExportError::Wallet(_)
            | ExportError::NoWallet(_)
            | ExportError::NoLog(_)
            | ExportError::Back(BackError::Columns { .. })
    )
}

fn is_wrong_comparison(error: &CompareError) -> bool {
    matches!(
        error,
        CompareError::NoProcesses
            | CompareError::Processes(_)
            | CompareError::NoLog(_)
            | CompareError::Endpoint(_)
            | CompareError::OtherPair { .. }
            | CompareError::NoState(_)
    )
}

fn is_wrong_node(error: &NodeError) -> bool {
    match error {
        // The disk of the log may be mounted later, and then a service has to be started again.
        NodeError::DataFolder(DataFolderError::NoLog { .. }) => false,
        NodeError::DataFolder(error) => is_wrong_folder(error),
        NodeError::Store(error) => is_wrong_log(error),
        NodeError::Index(error) => is_wrong_index(error),
        NodeError::Router(error) => matches!(error, RouterError::NotOurs { .. }),
        NodeError::NoMemberUrl(_)
        | NodeError::LeaderToken
        | NodeError::OtherWallet { .. }
        | NodeError::OtherChange { .. } => true,
        _ => false,
    }
}

/// Whether a setting names another folder than it should. One in which an import is underway is the right one.
fn is_wrong_folder(error: &DataFolderError) -> bool {
    match error {
        DataFolderError::NotOurs { .. }
        | DataFolderError::OtherStore { .. }
        | DataFolderError::NoLog { .. }
        | DataFolderError::LogInIndex { .. }
        | DataFolderError::Taken { .. } => true,
        DataFolderError::Log(error) => is_wrong_log(error),
        DataFolderError::Index(error) => is_wrong_index(error),
        DataFolderError::HalfImported { .. } | DataFolderError::Folder(_) | DataFolderError::Uploads(_) => {
            false
        }
    }
}

fn is_wrong_log(error: &RocksError) -> bool {
    matches!(error, RocksError::NotOurs { .. })
}

fn is_wrong_index(error: &IndexError) -> bool {
    matches!(error, IndexError::NotOurs { .. } | IndexError::OtherStore { .. })
}

/// Whether a variable names what is no database of the existing scheduler.
fn is_wrong_database(error: &PostgresSourceError) -> bool {
    matches!(error, PostgresSourceError::Schema { .. })
}

/// Whether a variable names what is no store of the existing scheduler.
fn is_wrong_store(error: &ForeignStoreError) -> bool {
    matches!(error, ForeignStoreError::Open { .. } | ForeignStoreError::Table { .. })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread::{self, JoinHandle};

    use serde_json::json;

    use super::*;
    use crate::failure::chain;
    use crate::testing::quipu;

    const PROCESS: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    /// The exit code of a command line that fails, and what is told.
    fn failed(words: &[&str]) -> (u8, String) {
        let failure = quipu(words).expect_err("it did not fail");
        (failure.exit_code(), chain(&failure))
    }

    /// Serves a text to the first who asks.
    fn served_once(text: String) -> (String, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/list.json", listener.local_addr().unwrap());
        let serving = thread::spawn(move || {
            let (mut asked, _) = listener.accept().unwrap();
            let mut question = Vec::new();
            while !question.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                asked.read_exact(&mut byte).unwrap();
                question.extend(byte);
            }
            let head =
                format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", text.len());
            asked.write_all((head + &text).as_bytes()).unwrap();
        });
        (url, serving)
    }

    #[test]
    fn whoever_names_the_wrong_folder_or_file_is_told_that_a_setting_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().to_str().unwrap();
        let out = format!("{dir}/out");
        for words in [
            ["verify", dir].as_slice(),
            &["repair", dir, "--yes"],
            &["export", dir, "--to", "bundles", "--out", &out],
            &["compare", "http://127.0.0.1:1", dir, "--process", PROCESS],
            &["import", "--from", "local-store", "--plan", "--su-file-db-dir", dir, "--su-index-db-dir", dir],
            &["import", "--from", "url", "--url", "nonsense", "--plan", "--process", PROCESS],
            &["import", "--from", "url", "--url", "http://127.0.0.1:1", "--plan"],
        ] {
            let (code, told) = failed(words);
            assert_eq!(code, USAGE, "{words:?}: {told}");
        }
        assert_eq!(std::fs::read_dir(dir).unwrap().count(), 0, "something was made");
    }

    #[test]
    fn a_list_of_tenants_that_is_of_no_use_is_a_wrong_setting_and_a_database_that_is_away_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().to_str().unwrap();
        let list = |database: &str| {
            json!({
                "sus": { "http://own": { "dbs": [{ "db_name": "a", "efs_name": "ea" }] } },
                "processes": { PROCESS: { "su": "http://own", "db_name": database } },
            })
            .to_string()
        };
        let no_process = list("a").replace(PROCESS, "short");
        for (text, own, stores, code, part) in [
            ("[]".to_owned(), "http://own", "", USAGE, "this is no list of tenants"),
            (list("a"), "http://other", "", USAGE, "the list has no scheduler"),
            (no_process, "http://own", "", USAGE, "no id of a process"),
            (list("b"), "http://own", "", USAGE, "no database of this scheduler"),
            (list("a"), "http://own", dir, USAGE, "there is no byte store in"),
            (list("a"), "http://own", "", FAILED, "cannot connect"),
        ] {
            let (url, serving) = served_once(text);
            let mut words = vec!["import", "--from", "tenants", "--plan", "--own-url", own];
            words.extend(["--process-whitelist-url", &url, "--use-disk", "false"]);
            words.extend(["--multi-tenant-base-conn", "postgres://quipu@127.0.0.1:1"]);
            if !stores.is_empty() {
                words.extend(["--multi-tenant-base-data-dir", stores]);
            }
            let (found, told) = failed(&words);
            assert!(found == code && told.contains(part), "{part}: {found} {told}");
            serving.join().unwrap();
        }
        // Nobody is asked where content hashes would be lost.
        let words =
            ["import", "--from", "tenants", "--plan", "--own-url", "http://own", "--use-disk", "true"];
        let more =
            ["--process-whitelist-url", "http://127.0.0.1:1", "--multi-tenant-base-conn", "postgres://h"];
        let (code, told) = failed(&[words.as_slice(), &more].concat());
        assert!(code == USAGE && told.contains("MULTI_TENANT_BASE_DATA_DIR is not set"), "{code} {told}");
    }

    #[test]
    fn what_may_pass_is_no_wrong_setting_and_what_is_done_is_told_apart() {
        let half = |error| Failure::Import(ImportCommandError::Folder(error));
        let folder = || "/d".into();
        let log = RocksError::Locked(folder());
        for (failure, code) in [
            (half(DataFolderError::HalfImported { folder: folder(), of: None }), FAILED),
            (half(DataFolderError::Log(log)), FAILED),
            (half(DataFolderError::LogInIndex { log: folder(), index: folder() }), USAGE),
            (Failure::Import(ImportCommandError::InUse(folder())), FAILED),
            (Failure::Import(ImportCommandError::WouldLeaveOut(1)), LOOK),
            (Failure::Import(ImportCommandError::LeftOut(1)), LOOK),
            (Failure::Import(ImportCommandError::Awaited(1)), LOOK),
            (Failure::Import(ImportCommandError::Absent { count: 1, first: Vec::new() }), LOOK),
            (Failure::Export(ExportError::LeftOut(1)), LOOK),
            (Failure::Export(ExportError::ZeroBytes(1)), LOOK),
            (Failure::Export(ExportError::Absent(Vec::new())), LOOK),
            (Failure::Compare(CompareError::Differ(1)), LOOK),
            (Failure::Compare(CompareError::NoProcesses), USAGE),
        ] {
            assert_eq!(failure.exit_code(), code, "{failure}");
        }
    }
}
