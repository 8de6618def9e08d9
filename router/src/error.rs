//! Why a router does not start.

use std::path::PathBuf;

use log::{FolderContents, FolderError};
use thiserror::Error;

use crate::list::SchedulerListError;
use crate::state::StateError;

/// Why a router does not start.
#[derive(Debug, Error)]
pub enum RouterError {
    /// The list of schedulers cannot be used, and none is known from before.
    #[error(transparent)]
    List(#[from] SchedulerListError),
    /// Its data folder cannot be used.
    #[error("ROUTER_DATA_DIR (--router-data-dir) names a folder that cannot be used")]
    Folder(#[from] FolderError),
    /// Its data folder has something else in it.
    #[error(
        "{} is not used as the data folder of a router, since there is {found}; ROUTER_DATA_DIR (--router-data-dir) names \
         a folder that is empty or missing, or that of a router", .path.display()
    )]
    NotOurs {
        /// The folder.
        path: PathBuf,
        /// What is there.
        found: FolderContents,
    },
    /// What it knows cannot be opened.
    #[error(transparent)]
    State(#[from] StateError),
    /// The schedulers cannot be asked.
    #[error("cannot set up the HTTP client that asks schedulers")]
    Client(#[source] reqwest::Error),
    /// The system gives no thread.
    #[error("cannot start a thread of the router")]
    Thread(#[source] std::io::Error),
}
