//! The settings of a node, a file for each subject. Each holds one struct of arguments with everything about them:
//! name and environment variable, default, help, check, and the conversion into plain options. The names are those of
//! existing deployments.

mod clients;
mod data;
mod existing;
mod gate;
mod items;
mod listeners;
mod location;
mod logging;
mod numbers;
mod projections;
mod registering;
mod replication;
mod router;
mod scheduling;
mod services;
mod tls;
mod tokens;
mod wallet;

use gateway::EndpointError;
use thiserror::Error;

pub use clients::{ClientArgs, ClientSettingError};
pub use data::{DATA_DIR, DEV_DIR, DataArgs, is_log_there};
pub use existing::{
    RestrictingVariableError, check_router_restrictions, heed_existing, is_everywhere, tell_unused,
};
pub use gate::{GateArgs, GateEngineArgs, GateSettingError};
pub use items::{AcceptedItemArgs, ItemArgs, ItemSettingError};
pub use listeners::{ListenerArgs, ListenerSettingError, PORT};
pub use location::{LocationArgs, LocationSettingError, RouterLocationArgs};
pub use logging::{LogFilterError, LoggingArgs};
pub use numbers::positive;
pub use projections::{DatabaseSettingError, ProjectionArgs};
pub use registering::{RegisteringArgs, RegisteringSettingError};
pub use replication::{LeaderArgs, MemberArgs, PeerArgs, ReplicationArgs, ReplicationSettingError};
pub use router::{RouterArgs, RouterFolderArgs};
pub use scheduling::{SchedulingArgs, SchedulingSettingError};
pub use services::ServiceArgs;
pub use tls::{AskingTlsArgs, TlsSettingError};
pub use wallet::{LeadersWalletArgs, SchedulerWalletArgs, WalletChangeArgs, WalletSettingError, read_wallet};

/// A setting that a node cannot start with; the text names its variable and what it takes.
#[derive(Debug, Error)]
pub enum SettingError {
    /// A variable of the existing scheduler that must not be ignored.
    #[error(transparent)]
    Restricting(#[from] RestrictingVariableError),
    /// The wallet.
    #[error(transparent)]
    Wallet(#[from] WalletSettingError),
    /// The URL of a service.
    #[error(transparent)]
    Service(#[from] EndpointError),
    /// The database.
    #[error(transparent)]
    Database(#[from] DatabaseSettingError),
    /// How messages are scheduled.
    #[error(transparent)]
    Scheduling(#[from] SchedulingSettingError),
    /// Which clients are let in.
    #[error(transparent)]
    Clients(#[from] ClientSettingError),
    /// What is let in of what they send.
    #[error(transparent)]
    Items(#[from] ItemSettingError),
    /// Where the node listens.
    #[error(transparent)]
    Listeners(#[from] ListenerSettingError),
    /// Where clients find the node.
    #[error(transparent)]
    Location(#[from] LocationSettingError),
    /// What remembers the log.
    #[error(transparent)]
    Gate(#[from] GateSettingError),
    /// Whom a standby follows.
    #[error(transparent)]
    Replication(#[from] ReplicationSettingError),
    /// Which routers are told of the node.
    #[error(transparent)]
    Registering(#[from] RegisteringSettingError),
    /// What is logged.
    #[error(transparent)]
    LogFilter(#[from] LogFilterError),
}
