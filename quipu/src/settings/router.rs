//! How a router routes, and where it keeps what it knows.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use limits::ItemOptions;
use node::{ListenOptions, RouterLocation, RoutingOptions};
use projections::DatabaseUrl;
use router::{RouterMode, StateOptions};

use super::replication::TokenArgs;
use super::{DatabaseSettingError, SettingError};

/// The data folder of a router where none is named.
pub const ROUTER_DIR: &str = "./router-data";

/// How a router routes, and where it keeps what it knows.
#[derive(Clone, Debug, Args)]
pub struct RouterArgs {
    /// The file with the list of schedulers, JSON such as [{"url": "https://su1.example"}], each with no_route,
    /// wallets_to_route and wallets_only if need be; read again when it changes, and on SIGHUP [default: none;
    /// `quipu router add` names schedulers]
    #[arg(long, env, value_name = "FILE")]
    scheduler_list_path: Option<PathBuf>,

    /// How calls are sent on: `auto` redirects who reads and passes on what is posted
    #[arg(long, env, value_enum, value_name = "MODE", default_value_t = RouterModeArg::Auto)]
    router_mode: RouterModeArg,

    /// Whether a leader that is gone is replaced: with `auto` another node that keeps its log (REPLICATION_ACKS of 1 or
    /// more) is asked to lead, once it has been away for three of five questions, and once in 10 minutes
    #[arg(long, env, value_enum, value_name = "WHEN", default_value_t = FailoverArg::Off)]
    failover: FailoverArg,

    #[command(flatten)]
    nodes: TokenArgs,

    #[command(flatten)]
    folder: RouterFolderArgs,

    /// A Postgres database for what the router knows (postgres://user:password@host:port/name), which several routers may
    /// share [default: none, it is kept in the data folder]
    #[arg(long, env, value_name = "URL", hide_env_values = true)]
    database_url: Option<String>,
}

/// The data folder of a router.
#[derive(Clone, Debug, Args)]
pub struct RouterFolderArgs {
    /// The folder in which the router keeps its data: one that is missing, empty, or a router's already
    #[arg(long, env, value_name = "DIR", default_value = ROUTER_DIR)]
    router_data_dir: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RouterModeArg {
    /// Redirects who reads, and passes on what is posted
    Auto,
    /// Redirects everybody
    Redirect,
    /// Passes on everything
    Forward,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailoverArg {
    /// Nobody is asked
    Off,
    /// Another node is asked
    Auto,
}

impl RouterFolderArgs {
    /// The folder.
    pub fn path(&self) -> &Path {
        &self.router_data_dir
    }
}

impl RouterArgs {
    /// All of it, with these listeners, found there.
    ///
    /// # Errors
    /// When the database's URL is none, or the file with the nodes' token cannot be read.
    pub fn options(
        self,
        listen: ListenOptions,
        location: Option<RouterLocation>,
    ) -> Result<RoutingOptions, SettingError> {
        let mode = match self.router_mode {
            RouterModeArg::Auto => RouterMode::Auto,
            RouterModeArg::Redirect => RouterMode::Redirect,
            RouterModeArg::Forward => RouterMode::Forward,
        };
        let state = match &self.database_url {
            None => StateOptions::Folder,
            Some(url) => {
                let url = DatabaseUrl::parse("DATABASE_URL", url).map_err(DatabaseSettingError::from)?;
                StateOptions::Postgres(Box::new(url.connect_as("quipu-router")))
            }
        };
        let access = self.nodes.access()?;
        let failover = (self.failover == FailoverArg::Auto).then_some(access);
        let (list, folder) = (self.scheduler_list_path, self.folder.router_data_dir);
        let items = ItemOptions::default();
        Ok(RoutingOptions { listen, mode, list, folder, state, items, failover, location })
    }
}
