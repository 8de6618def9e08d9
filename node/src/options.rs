//! What a node is told: plain values that are known to be right.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use ans104::Signer;
use api::RenderMetrics;
use gateway::Endpoints;
use projections::PostgresOptions;

/// What every node that serves is told, whatever its role.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// The data folder: the block height, the jobs and what is known of uploads are in it.
    pub data: PathBuf,
    /// Where the log and the index are.
    pub store: StorePaths,
    /// Where it listens.
    pub listen: ListenOptions,
    /// The longest page that is made, in bytes; it ends early and says that there is more.
    pub max_read_memory: usize,
    /// Whether `/metrics` is answered.
    pub metrics: bool,
    /// The database that the log is projected into, if there is one.
    pub postgres: Option<PostgresOptions>,
}

/// Where the log and the index are. Neither is in the other.
#[derive(Clone, Debug)]
pub struct StorePaths {
    /// The folder of the log.
    pub log: PathBuf,
    /// The folder of the index.
    pub index: PathBuf,
}

/// The two listeners of a node; port 0 takes any free one.
#[derive(Clone, Debug)]
pub struct ListenOptions {
    /// Where clients are served.
    pub public: SocketAddr,
    /// Where operators are served.
    pub admin: SocketAddr,
    /// The token that operators need; without one everybody who reaches the admin listener is one.
    pub admin_token: Option<String>,
}

/// What a node is told besides when it orders messages.
#[derive(Clone)]
pub struct WriteOptions {
    /// The scheduler's wallet.
    pub signer: Arc<dyn Signer>,
    /// How messages are scheduled.
    pub scheduling: scheduler::SchedulerOptions,
    /// Where uploads go, and what is asked about things on chain.
    pub uploads: UploadOptions,
}

/// Where the services of the world are, and how much is uploaded again unasked.
#[derive(Clone, Debug)]
pub struct UploadOptions {
    /// The services; without an upload node nothing is uploaded.
    pub endpoints: Endpoints,
    /// How many events are sent again without being asked when the log turns out to have another history.
    pub rewind_events_max: u64,
}

impl NodeOptions {
    /// What of it the API needs to know.
    pub(crate) fn api(&self, metrics: Option<RenderMetrics>) -> api::ApiOptions {
        api::ApiOptions {
            max_read_memory: self.max_read_memory,
            metrics,
            data: Some(self.data.clone()),
            ..api::ApiOptions::default()
        }
    }
}
