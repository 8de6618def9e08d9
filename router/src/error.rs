//! Why a router does not start.

use std::path::PathBuf;

use log::{FolderContents, FolderError, StoreId};
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
    /// Its data folder holds what it knows, and it is to be in a database.
    #[error(
        "{} holds what a router knows, and DATABASE_URL names a database, in which nothing of that is: unset DATABASE_URL to go on \
         with what is in the folder, or let ROUTER_DATA_DIR (--router-data-dir) name an empty folder to go on with what is in the \
         database", .0.display()
    )]
    StateInFolder(PathBuf),
    /// Its data folder says that what it knows is in a database, and none is named.
    #[error(
        "what the router of {} knows is in the database of the store {store}, and DATABASE_URL is not set: set it, or let \
         ROUTER_DATA_DIR (--router-data-dir) name an empty folder to begin with nothing known", .path.display()
    )]
    StateInDatabase {
        /// The folder.
        path: PathBuf,
        /// The store in the database.
        store: StoreId,
    },
    /// Its data folder cannot be read or written.
    #[error("cannot use {}, in which the router notes where what it knows is", .path.display())]
    Note {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
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
