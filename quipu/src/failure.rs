//! Why a command failed, and how the user is told.

mod exit;

use std::error::Error;
use std::fmt::Write;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use backup::BackupError;
use gateway::dev::DevError;
use log::{FolderContents, FolderError};
use node::{NodeError, OfflineError, RejoinError};

use crate::backups::BackupCommandError;
use crate::bench::BenchError;
use crate::client::ClientError;
use crate::compare::CompareError;
use crate::compose::ComposeError;
use crate::dead_letters::RetryError;
use crate::export::ExportError;
use crate::import::{ImportCommandError, OldVerbError};
use crate::location::LocationCommandError;
use crate::moving::MoveError;
use crate::node::{DivergenceCommandError, GateCommandError, LogRepairError, LogVerifyError, PromoteError};
use crate::replay::ReplayError;
use crate::reupload::ReuploadError;
use crate::settings::SettingError;
use crate::status::StatusVerdict;
use crate::stderr::say;
use crate::verify_item::ItemVerifyError;
use crate::wallet::WalletFileError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The wallet cannot be read or written.
    #[error(transparent)]
    Wallet(#[from] WalletFileError),
    /// The item to send cannot be made.
    #[error(transparent)]
    Compose(#[from] ComposeError),
    /// The node cannot be asked, or refused.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The benchmark cannot be done, or found the node wrong.
    #[error(transparent)]
    Bench(#[from] BenchError),
    /// A setting is wrong.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The file of settings cannot be understood. Its text is not in the reason: it may be secret.
    #[error("{} cannot be read: {reason}; expected lines of NAME=value, with quotes around a value that has spaces in it", .path.display())]
    EnvFile {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// There are settings that no node can start with; they are told already.
    #[error("a node would not start with these settings")]
    WrongSettings,
    /// A command has no settings of a node.
    #[error("{0:?} is no command that runs a node; those are {1}")]
    NoSettings(String, String),
    /// A variable begins or ends with white space. Its value is not shown: it may be secret.
    #[error("{0} begins or ends with white space; leave it out")]
    OuterSpace(String),
    /// The node did not start.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// Nothing can be said of a gate.
    #[error(transparent)]
    GateCommand(#[from] GateCommandError),
    /// The development gateway did not start, or did not end in order.
    #[error(transparent)]
    DevGateway(#[from] DevError),
    /// The folder of the development node cannot be made.
    #[error("cannot make the folder {path}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// The folder of the development node cannot be read.
    #[error("--dir names a folder that cannot be used")]
    DevFolder(#[source] FolderError),
    /// The folder of the development node has something else in it.
    #[error(
        "{} is not used for a development node, since there is {found}; --dir names a folder that is empty or missing, or \
         that of a development node", .path.display()
    )]
    DevFolderNotOurs {
        /// The folder.
        path: PathBuf,
        /// What is there.
        found: FolderContents,
    },
    /// A part of the node ended by itself.
    #[error("the node has stopped, because its part {0:?} ended; its log says why")]
    PartEnded(&'static str),
    /// Nobody can be served there.
    #[error("cannot listen on port {port} of 127.0.0.1")]
    Listen {
        /// The port.
        port: u16,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// Signals cannot be waited for.
    #[error("cannot listen for signals")]
    Signals(#[source] io::Error),
    /// A log cannot be verified, or is damaged.
    #[error(transparent)]
    Verify(#[from] LogVerifyError),
    /// An item cannot be verified, or is not what it should be.
    #[error(transparent)]
    VerifyItem(#[from] ItemVerifyError),
    /// Nothing of a log was cut off.
    #[error(transparent)]
    Repair(#[from] LogRepairError),
    /// A backup was not made, or is not what it should be.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The same, by what a command asks for beyond that.
    #[error(transparent)]
    BackupCommand(#[from] BackupCommandError),
    /// Nothing was imported, or not all.
    #[error(transparent)]
    Import(#[from] ImportCommandError),
    /// Nothing was written back, or not all.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// Two schedulers are not compared, or differ.
    #[error(transparent)]
    Compare(#[from] CompareError),
    /// An old command that is none here.
    #[error(transparent)]
    OldVerb(#[from] OldVerbError),
    /// A standby did not take over.
    #[error(transparent)]
    Promote(#[from] PromoteError),
    /// Two logs are not compared, or differ.
    #[error(transparent)]
    Divergence(#[from] DivergenceCommandError),
    /// A process did not move.
    #[error(transparent)]
    Move(#[from] MoveError),
    /// A node did not become a standby.
    #[error(transparent)]
    Rejoin(#[from] RejoinError),
    /// A scheduler is not found as it should be.
    #[error(transparent)]
    Location(#[from] LocationCommandError),
    /// A replay is not what was asked for.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// A replay without a node was not done.
    #[error(transparent)]
    Offline(#[from] OfflineError),
    /// Not everything was uploaded again.
    #[error(transparent)]
    Reupload(#[from] ReuploadError),
    /// Not every dead letter was sent.
    #[error(transparent)]
    Retry(#[from] RetryError),
    /// A node answers that it is not well; how is told already.
    #[error("the node is not well")]
    NotWell(StatusVerdict),
    /// A node that was to say how it is does not answer.
    #[error(transparent)]
    NoAnswer(ClientError),
    /// A node answers, but takes no more messages.
    #[error("the node takes no messages: {0}")]
    WritesRefused(String),
    /// The async runtime does not start.
    #[error("cannot start the async runtime")]
    Runtime(#[source] io::Error),
    /// The manual cannot be written.
    #[error("cannot write the manual to {}", .path.display())]
    Manual {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// Nobody takes the output.
    #[error("cannot write to standard output")]
    Output(#[from] io::Error),
}

impl Failure {
    /// Tells the user on standard error in one line, and gives the exit code. A reader that went away (a broken pipe) is no failure.
    pub fn report(&self) -> ExitCode {
        if let Failure::Output(error) = self
            && error.kind() == io::ErrorKind::BrokenPipe
        {
            return ExitCode::SUCCESS;
        }
        // How a node is that is not well is told already.
        if !matches!(self, Self::NotWell(_)) {
            say(format_args!("quipu: {}", chain(self)));
        }
        ExitCode::from(self.exit_code())
    }
}

/// The error and its causes in one line. A cause that the text before it has is not said again.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        if !text.contains(&said) {
            // Writing to a string does not fail.
            let _ = write!(text, ": {said}");
        }
        source = cause.source();
    }
    text.replace('\n', " ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Link {
        text: &'static str,
        source: Option<Box<Link>>,
    }

    #[test]
    fn causes_are_told_once_and_in_one_line() {
        let deep = Link { text: "refused\nby peer", source: None };
        let middle = Link { text: "no connection", source: Some(Box::new(deep)) };
        let top = Link { text: "cannot reach it", source: Some(Box::new(middle)) };
        assert_eq!(chain(&top), "cannot reach it: no connection: refused by peer");
        let inner = Link { text: "why", source: None };
        let outer = Link { text: "that is why", source: Some(Box::new(inner)) };
        assert_eq!(chain(&outer), "that is why");
        let deepest = Link { text: "no such name", source: None };
        let between = Link { text: "dns error", source: Some(Box::new(deepest)) };
        let whole = Link { text: "not reached: dns error: no such name", source: Some(Box::new(between)) };
        assert_eq!(chain(&whole), "not reached: dns error: no such name");
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        let gone = Failure::Output(io::ErrorKind::BrokenPipe.into());
        assert_eq!(format!("{:?}", gone.report()), format!("{:?}", ExitCode::SUCCESS));
        let full = Failure::Output(io::ErrorKind::StorageFull.into());
        assert_eq!(format!("{:?}", full.report()), format!("{:?}", ExitCode::FAILURE));
    }
}
