//! `quipu router`: running one.

use std::net::Ipv6Addr;

use clap::Args;
use node::ListenOptions;

use crate::failure::Failure;
use crate::node::run_router;
use crate::settings::{
    ClientArgs, ListenerArgs, LoggingArgs, PORT, RouterArgs, SettingError, check_router_restrictions,
};

/// A router to run.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The port to listen on, on all addresses of IPv4 and IPv6
    #[arg(default_value_t = PORT)]
    port: u16,

    #[command(flatten, next_help_heading = "Routing")]
    routing: RouterArgs,

    #[command(flatten, next_help_heading = "Who is let in")]
    clients: ClientArgs,

    #[command(flatten, next_help_heading = "Listeners")]
    listeners: ListenerArgs,

    #[command(flatten, next_help_heading = "Logging")]
    logging: LoggingArgs,
}

impl RunArgs {
    /// Runs the router until it is told to stop.
    ///
    /// # Errors
    /// When a setting is wrong, or what the router needs (ports, folder, database, list) cannot be had.
    pub fn run(self) -> Result<(), Failure> {
        self.logging.start().map_err(SettingError::from)?;
        check_router_restrictions().map_err(SettingError::from)?;
        let listen = self.listeners.options(Ipv6Addr::UNSPECIFIED.into(), self.port);
        let clients = self.clients.options().map_err(SettingError::from)?;
        let listen = ListenOptions { clients, ..listen.map_err(SettingError::from)? };
        let options = self.routing.options(listen);
        run_router(options.map_err(|error| SettingError::Database(error.into()))?)
    }
}
