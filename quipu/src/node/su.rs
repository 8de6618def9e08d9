//! `quipu su`: a scheduler unit for production.

use std::io::Write;
use std::net::Ipv6Addr;

use clap::Args;
use node::{GateOptions, ListenOptions, LocationOptions, MemberOptions, NodeOptions, NodeTls, WriteOptions};
use tracing::info;

use super::signals::run_node;
use crate::failure::Failure;
use crate::settings::{
    ClientArgs, DataArgs, GateArgs, GateSettingError, ItemArgs, ListenerArgs, LocationArgs, LoggingArgs,
    MemberArgs, PORT, PeerArgs, ProjectionArgs, RegisteringArgs, SchedulerWalletArgs, SchedulingArgs,
    ServiceArgs, SettingError, tell_unused,
};

const EXAMPLES: &str = "\
Examples:
  SU_WALLET_PATH=wallet.json quipu su     with the defaults: data in ./data, port 9000
  quipu su 9000 --su-wallet-path wallet.json --su-data-dir /var/lib/quipu/data --enable-metrics true
  RUST_LOG=debug quipu su                 logging more

Every option can also be set as an environment variable, or on a line of ./.env. SIGTERM, Ctrl-C or the end of \
its terminal stops the node once it has answered everything it accepted; a second SIGTERM or Ctrl-C stops it at once, which \
loses nothing that was acknowledged.

Exit codes: 0 stopped as told, 1 failed (the last line on standard error says why), 2 wrong usage or setting, 130 stopped at once.";

/// Run a scheduler unit
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct SuArgs {
    /// The port to listen on, on all addresses of IPv4 and IPv6
    #[arg(default_value_t = PORT)]
    port: u16,

    #[command(flatten)]
    wallet: SchedulerWalletArgs,

    #[command(flatten, next_help_heading = "Data")]
    data: DataArgs,

    #[command(flatten, next_help_heading = "Services")]
    services: ServiceArgs,

    #[command(flatten)]
    location: LocationArgs,

    #[command(flatten, next_help_heading = "Projections")]
    projections: ProjectionArgs,

    #[command(flatten, next_help_heading = "Scheduling")]
    scheduling: SchedulingArgs,

    #[command(flatten, next_help_heading = "What is let in")]
    items: ItemArgs,

    #[command(flatten)]
    clients: ClientArgs,

    #[command(flatten, next_help_heading = "Standbys")]
    peers: PeerArgs,

    #[command(flatten, next_help_heading = "Standbys")]
    members: MemberArgs,

    #[command(flatten, next_help_heading = "An engine that remembers the log")]
    gate: GateArgs,

    #[command(flatten, next_help_heading = "Routers")]
    registering: RegisteringArgs,

    #[command(flatten, next_help_heading = "Listeners")]
    listeners: ListenerArgs,

    #[command(flatten, next_help_heading = "Logging")]
    logging: LoggingArgs,
}

impl SuArgs {
    /// Runs the node until it is told to stop.
    ///
    /// # Errors
    /// When a setting is wrong, or what the node needs (ports, folders, the log) cannot be had.
    pub fn run(self, _out: &mut dyn Write) -> Result<(), Failure> {
        self.logging.start().map_err(SettingError::from)?;
        tell_unused(self.gate.is_set() || self.data.has_log()).map_err(SettingError::from)?;
        let (options, writing) = self.options()?;
        if options.endpoints.upload.is_none() {
            info!("UPLOAD_NODE_URL is not set: nothing is uploaded");
        }
        run_node(async |progress| node::leader(options.clone(), writing.clone(), progress).await)
    }

    /// What is wrong with the settings, at most one for each subject.
    pub(crate) fn problems(&self) -> Vec<SettingError> {
        let listen = self.listeners.clone().options(Ipv6Addr::UNSPECIFIED.into(), self.port);
        let subjects: [Result<(), SettingError>; 13] = [
            self.wallet.signer().map(drop).map_err(Into::into),
            self.services.endpoints().map(drop).map_err(Into::into),
            self.projections.postgres().map(drop).map_err(Into::into),
            self.scheduling.options().map(drop).map_err(Into::into),
            self.items.options().map(drop).map_err(Into::into),
            self.location().map(drop),
            self.clients.options().map(drop).map_err(Into::into),
            self.peers.options().map(drop).map_err(Into::into),
            self.gate().map(drop),
            self.registering.options(None, NodeTls::default()).map(drop).map_err(Into::into),
            // What is wrong with the listeners is told of these.
            listen.as_ref().map_or(Ok(()), |listen| self.members(listen).map(drop)),
            listen.map(drop).map_err(Into::into),
            self.logging.check().map_err(Into::into),
        ];
        let mut found: Vec<_> = subjects.into_iter().filter_map(Result::err).collect();
        // Whatever refuses a start is found, also what is no subject above.
        found.extend(self.clone().options().err().filter(|_| found.is_empty()));
        found
    }

    fn location(&self) -> Result<Option<LocationOptions>, SettingError> {
        // What is wrong with these is told of these.
        let (Ok(endpoints), Ok(router)) = (self.services.endpoints(), self.items.router()) else {
            return Ok(None);
        };
        Ok(self.location.options(&endpoints, router)?)
    }

    fn gate(&self) -> Result<Option<GateOptions>, SettingError> {
        let others = [("REPLICATION_ACKS", self.members.is_set()), ("REPLICATE_PEERS", self.peers.is_set())];
        match others.into_iter().find(|(_, is_set)| *is_set && self.gate.is_set()) {
            Some((name, _)) => Err(GateSettingError::Both(name).into()),
            None => Ok(self.gate.options()?),
        }
    }

    fn members(&self, listen: &ListenOptions) -> Result<MemberOptions, SettingError> {
        let members = self.members.options(self.peers.access()?)?;
        if self.members.is_confirmed() {
            self.members.check_found(listen)?;
        }
        Ok(members)
    }

    fn options(self) -> Result<(NodeOptions, WriteOptions), SettingError> {
        let listen = self.listeners.clone().options(Ipv6Addr::UNSPECIFIED.into(), self.port)?;
        let writing = WriteOptions {
            signer: self.wallet.signer()?,
            wallet_change_to: self.wallet.change_to(),
            peers: self.peers.options()?,
            members: self.members(&listen)?,
            gate: self.gate()?,
            scheduling: self.scheduling.options()?,
            items: self.items.options()?,
            location: self.location()?,
            uploads_rewind_max: self.projections.uploads_rewind_max(),
        };
        let (clients, registering) = (
            self.clients.options()?,
            self.registering.options(self.members.url()?, self.peers.access()?.tls)?,
        );
        let options = NodeOptions {
            memory: self.data.memory(),
            data: self.data.paths(),
            listen: ListenOptions { clients, registering, ..listen },
            endpoints: self.services.endpoints()?,
            clock_jump_max: self.scheduling.clock_jump_max(),
            postgres: self.projections.postgres()?,
        };
        Ok((options, writing))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::collections::BTreeSet;

    use clap::Command;

    use super::*;
    use crate::node::StandbyArgs;
    use crate::router::RouterCommandArgs;

    #[test]
    fn the_example_of_a_settings_file_has_every_setting() {
        let commands = [
            SuArgs::augment_args(Command::new("su")),
            StandbyArgs::augment_args(Command::new("standby")),
            RouterCommandArgs::augment_args(Command::new("router")),
        ];
        let arguments = commands.iter().flat_map(Command::get_arguments);
        let settings: BTreeSet<_> = arguments.filter_map(|arg| arg.get_env()?.to_str()).collect();
        let example = include_str!("../../../.env.example");
        let example =
            example.lines().filter_map(|line| Some(line.trim_start_matches('#').split_once('=')?.0));
        assert_eq!(example.collect::<BTreeSet<_>>(), settings);
    }
}
