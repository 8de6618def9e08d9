//! What a router is told: plain values that are known to be right.

use std::path::PathBuf;
use std::sync::Arc;

use limits::{ClientLimits, ItemLimits};
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
    /// Whom its public listener lets in.
    pub clients: Arc<ClientLimits>,
    /// What is let in of what is posted.
    pub items: Arc<ItemLimits>,
    /// Whether its public listener says to a browser where the pages are.
    pub public_page: bool,
    /// Whether its admin listener has a page for a browser.
    pub page: bool,
    /// How a leader that is gone is replaced; not at all without it.
    pub failover: Option<FailoverOptions>,
}

/// How a leader that is gone is replaced: one of the nodes that keep its log is asked to lead, which it does only with the
/// promises of enough others.
#[derive(Clone, Debug)]
pub struct FailoverOptions {
    /// What asks the admin listeners of nodes, as they want to be asked.
    pub http: reqwest::Client,
    /// The same without the token, for those of whom it is not known whether they are nodes.
    pub strangers: reqwest::Client,
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
