//! `quipu router`: running one.

use std::net::Ipv6Addr;

use clap::Args;
use node::{ListenOptions, RoutingOptions};

use crate::failure::Failure;
use crate::node::run_router;
use crate::settings::{
    AcceptedItemArgs, ClientArgs, ListenerArgs, LoggingArgs, PORT, RouterArgs, RouterLocationArgs,
    SettingError, check_router_restrictions,
};

/// A router to run.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// The port to listen on, on all addresses of IPv4 and IPv6
    #[arg(default_value_t = PORT)]
    port: u16,

    #[command(flatten, next_help_heading = "Routing")]
    routing: RouterArgs,

    #[command(flatten, next_help_heading = "Where it is found")]
    location: RouterLocationArgs,

    #[command(flatten, next_help_heading = "Who is let in")]
    clients: ClientArgs,

    #[command(flatten)]
    items: AcceptedItemArgs,

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
        run_router(self.options()?)
    }

    /// What is wrong with the settings, at most one for each subject.
    pub(crate) fn problems(&self) -> Vec<SettingError> {
        let listen = self.listeners.clone().options(Ipv6Addr::UNSPECIFIED.into(), self.port);
        let subjects: [Result<(), SettingError>; 5] = [
            self.clients.options().map(drop).map_err(Into::into),
            self.items.options().map(drop).map_err(Into::into),
            self.location.options().map(drop).map_err(Into::into),
            listen.map(drop).map_err(Into::into),
            self.logging.check().map_err(Into::into),
        ];
        let mut found: Vec<_> = subjects.into_iter().filter_map(Result::err).collect();
        found.extend(self.clone().options().err().filter(|_| found.is_empty()));
        found
    }

    fn options(self) -> Result<RoutingOptions, SettingError> {
        let listen = self.listeners.options(Ipv6Addr::UNSPECIFIED.into(), self.port)?;
        let listen = ListenOptions { clients: self.clients.options()?, ..listen };
        let location = self.location.options()?;
        Ok(RoutingOptions { items: self.items.options()?, ..self.routing.options(listen, location)? })
    }
}
