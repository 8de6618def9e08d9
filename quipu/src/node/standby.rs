//! `quipu standby`: a node that follows another one.

use std::cell::Cell;
use std::io::Write;
use std::net::Ipv6Addr;

use clap::Args;
use node::{ListenOptions, NodeAccess, NodeOptions, NodeTls, StandbyOptions, VotingOptions, WriteOptions};
use tracing::info;

use super::signals::run_node;
use crate::failure::Failure;
use crate::settings::{
    ClientArgs, DataArgs, ItemArgs, LeadersWalletArgs, ListenerArgs, LocationArgs, LoggingArgs, MemberArgs,
    PORT, ProjectionArgs, RegisteringArgs, ReplicationArgs, SchedulingArgs, ServiceArgs, SettingError,
    tell_unused,
};

const EXAMPLES: &str = "\
Examples:
  quipu standby 9100 --from http://10.0.0.5:9001 --replicate-token $TOKEN
  quipu standby 9100 --from http://127.0.0.1:9001 --su-data-dir ./standby \\
    --replicate-token-file ./quipu-dev/data/admin-token       beside a node of `quipu dev`

It keeps a copy of the log of another node, verifies every signature on the way, and answers reads from it. An empty \
folder becomes a copy of the store that is followed, and never that of another. Messages are refused with the leader's \
URL, or passed on to it with FORWARD_WRITES=true. Every option can also be set as an environment variable, or on a line of ./.env.

Exit codes: 0 stopped as told, 1 failed (the last line on standard error says why), 2 wrong usage or setting, 130 stopped at once.";

/// Keep a copy of another node's log, and answer reads from it
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct StandbyArgs {
    /// The port to listen on, on all addresses of IPv4 and IPv6
    #[arg(default_value_t = PORT)]
    port: u16,

    #[command(flatten)]
    replication: ReplicationArgs,

    #[command(flatten, next_help_heading = "Voting")]
    members: MemberArgs,

    #[command(flatten, next_help_heading = "Voting")]
    wallet: LeadersWalletArgs,

    #[command(flatten, next_help_heading = "Data")]
    data: DataArgs,

    #[command(flatten, next_help_heading = "Services")]
    services: ServiceArgs,

    #[command(flatten)]
    location: LocationArgs,

    #[command(flatten, next_help_heading = "Projections")]
    projections: ProjectionArgs,

    #[command(flatten, next_help_heading = "Scheduling, once it leads")]
    scheduling: SchedulingArgs,

    #[command(flatten, next_help_heading = "Whom it lets in, once it leads")]
    items: ItemArgs,

    #[command(flatten, next_help_heading = "Routers")]
    registering: RegisteringArgs,

    #[command(flatten, next_help_heading = "Listeners")]
    listeners: ListenerArgs,

    #[command(flatten, next_help_heading = "What is let in")]
    clients: ClientArgs,

    #[command(flatten, next_help_heading = "Logging")]
    logging: LoggingArgs,
}

impl StandbyArgs {
    /// Runs the node until it is told to stop.
    ///
    /// # Errors
    /// When a setting is wrong, or what the node needs (ports, folders, the log) cannot be had.
    pub fn run(self, _out: &mut dyn Write) -> Result<(), Failure> {
        self.logging.start().map_err(SettingError::from)?;
        tell_unused(true).map_err(SettingError::from)?;
        let (is_located, has_peers) = (self.location.is_set(), self.replication.has_peers());
        let (options, standing) = self.options()?;
        if is_located && standing.votes.is_none() {
            info!("LOCATION_URL has no effect here: the leader publishes where the scheduler is");
        }
        if has_peers && standing.votes.as_ref().is_none_or(|votes| votes.writing.is_none()) {
            info!(
                "REPLICATE_PEERS has no effect here: without --voter and SU_WALLET_PATH this node does not schedule"
            );
        }
        if options.endpoints.upload.is_some() && standing.votes.is_none() {
            info!("UPLOAD_NODE_URL has no effect here: the leader uploads");
        }
        // Where it is found stays, whatever ports it was given.
        let ports = Cell::new(None);
        run_node(async |progress| {
            let mut options = options.clone();
            if let Some((public, admin)) = ports.get() {
                options.listen.public.set_port(public);
                options.listen.admin.iter_mut().for_each(|address| address.set_port(admin));
            }
            let node = node::standby(options, standing.clone(), progress).await?;
            ports.set(Some((node.public().port(), node.admin().port())));
            Ok(node)
        })
    }

    /// What is wrong with the settings, at most one for each subject.
    pub(crate) fn problems(&self) -> Vec<SettingError> {
        let listen = self.listeners.clone().options(Ipv6Addr::UNSPECIFIED.into(), self.port);
        let subjects: [Result<(), SettingError>; 11] = [
            self.clients.options().map(drop).map_err(Into::into),
            self.replication.options().map(drop).map_err(Into::into),
            self.services.endpoints().map(drop).map_err(Into::into),
            self.projections.postgres().map(drop).map_err(Into::into),
            self.scheduling.options().map(drop).map_err(Into::into),
            self.items.options().map(drop).map_err(Into::into),
            self.registering.options(None, NodeTls::default()).map(drop).map_err(Into::into),
            self.voting(),
            // What is wrong with the listeners is told of these.
            listen.as_ref().map_or(Ok(()), |listen| self.check_found(listen)),
            listen.map(drop).map_err(Into::into),
            self.logging.check().map_err(Into::into),
        ];
        let mut found: Vec<_> = subjects.into_iter().filter_map(Result::err).collect();
        // Whatever refuses a start is found, also what is no subject above.
        found.extend(self.clone().options().err().filter(|_| found.is_empty()));
        found
    }

    /// What only one that may lead is told.
    fn voting(&self) -> Result<(), SettingError> {
        if self.replication.voter() {
            self.wallet.signer()?;
            self.replication.peers()?;
        }
        Ok(())
    }

    fn check_found(&self, listen: &ListenOptions) -> Result<(), SettingError> {
        if self.replication.voter() {
            self.members.check_found(listen)?;
        }
        Ok(())
    }

    /// What it is told whose copy counts.
    fn votes(&self, access: NodeAccess) -> Result<VotingOptions, SettingError> {
        let members = self.members.options(access)?;
        let Some(signer) = self.wallet.signer()? else { return Ok(VotingOptions { members, writing: None }) };
        let writing = WriteOptions {
            signer,
            wallet_change_to: None,
            peers: self.replication.peers()?,
            members: members.clone(),
            gate: None,
            scheduling: self.scheduling.options()?,
            items: self.items.options()?,
            location: self.location.options(&self.services.endpoints()?, self.items.router()?)?,
            uploads_rewind_max: self.projections.uploads_rewind_max(),
        };
        Ok(VotingOptions { members, writing: Some(writing) })
    }

    fn options(self) -> Result<(NodeOptions, StandbyOptions), SettingError> {
        let mut standing = self.replication.options()?;
        if self.replication.voter() {
            standing.votes = Some(self.votes(standing.from.access.clone())?);
        }
        let listen = self.listeners.clone().options(Ipv6Addr::UNSPECIFIED.into(), self.port)?;
        self.check_found(&listen)?;
        let (clients, registering) = (
            self.clients.options()?,
            self.registering.options(self.members.url()?, standing.from.access.tls.clone())?,
        );
        let options = NodeOptions {
            memory: self.data.memory(),
            data: self.data.paths(),
            listen: ListenOptions { clients, registering, ..listen },
            endpoints: self.services.endpoints()?,
            clock_jump_max: self.scheduling.clock_jump_max(),
            postgres: self.projections.postgres()?,
        };
        Ok((options, standing))
    }
}
