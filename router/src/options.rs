//! What a router is told: plain values that are known to be right.

use std::path::PathBuf;

use sqlx::postgres::PgConnectOptions;
use web::Budget;

/// How calls come to the scheduler that has the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RouterMode {
    /// Who reads is redirected, what is posted is passed on: some clients lose bodies on a redirect, or follow none.
    #[default]
    Auto,
    /// Everybody is redirected.
    Redirect,
    /// Everything is passed on.
    Forward,
}

/// Where a router keeps what it knows.
#[derive(Clone, Debug)]
pub enum StateOptions {
    /// In its own data folder.
    Folder,
    /// In a database, which other routers may share.
    Postgres(Box<PgConnectOptions>),
}

/// What a router is told.
#[derive(Clone, Debug)]
pub struct RouterOptions {
    /// How calls are sent on.
    pub mode: RouterMode,
    /// The file with the list of schedulers; without it they are added by an operator.
    pub list: Option<PathBuf>,
    /// The folder of its own.
    pub folder: PathBuf,
    /// Where it keeps what it knows.
    pub state: StateOptions,
    /// The memory for what clients send and get.
    pub budget: Budget,
}

impl RouterMode {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Redirect => "redirect",
            Self::Forward => "forward",
        }
    }
}
