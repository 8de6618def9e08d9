//! The arguments of the commands that are the node. The environment variables are those of existing deployments.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};

use super::defaults;

const SU_EXAMPLES: &str = "\
Examples:
  SU_WALLET_PATH=wallet.json quipu su                 everything else by default: data in ./data, port 9000
  quipu su 9000 --su-wallet-path wallet.json --su-data-dir /var/lib/quipu --enable-metrics true
  RUST_LOG=debug quipu su                             the same, telling more

Every flag is also an environment variable, and a line in ./.env. SIGTERM ends the node when all that it
accepted is answered.";

/// Run a scheduler unit
#[derive(Debug, Args)]
#[command(after_help = SU_EXAMPLES)]
pub struct SuArgs {
    /// The port to listen on, on all addresses; the admin listener takes the next one on 127.0.0.1
    #[arg(default_value_t = defaults::PORT)]
    pub(super) port: u16,

    /// The scheduler's wallet: an RSA-4096, secp256k1 or Ed25519 key as a JWK file (`quipu wallet new` makes one)
    #[arg(long, env)]
    pub(super) su_wallet_path: PathBuf,

    /// Where the node keeps everything
    #[arg(long, env, default_value = "./data")]
    pub(super) su_data_dir: PathBuf,

    /// Where the log is, if not in `log` of the data folder
    #[arg(long, env)]
    pub(super) su_file_db_dir: Option<PathBuf>,

    /// Where the index is, if not in `index` of the data folder
    #[arg(long, env)]
    pub(super) su_index_db_dir: Option<PathBuf>,

    #[command(flatten)]
    pub(super) services: Services,

    #[command(flatten)]
    pub(super) tuning: Tuning,
}

const DEV_EXAMPLES: &str = "\
Examples:
  quipu dev            on port 9000
  quipu dev 9100       on another one

Delete ./quipu-dev to start over.";

/// Run a node to develop against: wallets, gateway and log are made in ./quipu-dev
#[derive(Debug, Args)]
#[command(after_help = DEV_EXAMPLES)]
pub struct DevArgs {
    /// The port to listen on, on 127.0.0.1; admin listener and development gateway take the next two
    #[arg(default_value_t = defaults::PORT)]
    pub(super) port: u16,

    /// Where everything is kept
    #[arg(long, default_value = "./quipu-dev")]
    pub(super) dir: PathBuf,

    #[command(flatten)]
    pub(super) tuning: Tuning,
}

/// What both kinds of node can be told.
#[derive(Debug, Args)]
pub(super) struct Tuning {
    /// Whether /metrics answers with Prometheus text
    #[arg(long, env, action = ArgAction::Set, default_value_t = false)]
    pub(super) enable_metrics: bool,

    /// Whether a process is its own first assignment (AOP-6); false is the old way, without one
    #[arg(long, env, action = ArgAction::Set, default_value_t = true)]
    pub(super) enable_process_assignment: bool,

    /// Whether pushed messages of the same content are refused
    #[arg(long, env, action = ArgAction::Set, default_value_t = true)]
    pub(super) enable_deep_hash_checks: bool,

    /// The longest page, in bytes; a longer one ends early and says that there is more
    #[arg(long, env, default_value_t = defaults::MAX_READ_MEMORY)]
    pub(super) max_read_memory: usize,

    /// How many processes are kept in memory
    #[arg(long, env, default_value_t = defaults::PROCESS_CACHE_SIZE)]
    pub(super) process_cache_size: usize,

    #[command(flatten)]
    pub(super) database: Database,

    /// Where the admin listener is [default: 127.0.0.1 on the next port]
    #[arg(long, env)]
    pub(super) admin_listen: Option<SocketAddr>,

    /// The bearer token that the admin listener asks for; needed when it is not on a loopback address
    #[arg(long, env, hide_env_values = true)]
    pub(super) admin_token: Option<String>,

    /// What is logged: error, warn, info, debug, trace, or as `tracing` filters say it
    #[arg(long, env = "RUST_LOG", default_value = "info,poem=warn")]
    pub(super) rust_log: String,

    /// How it is logged
    #[arg(long, env, default_value = "text")]
    pub(super) log_format: LogFormat,
}

/// The services of the world.
#[derive(Clone, Debug, Args)]
pub(super) struct Services {
    /// The gateway to use where no other one is named
    #[arg(long, env, default_value = "https://arweave.net")]
    pub(super) gateway_url: String,

    /// The gateway for block heights, transaction status and data [default: GATEWAY_URL]
    #[arg(long, env)]
    pub(super) arweave_url: Option<String>,

    /// The gateway for GraphQL [default: GATEWAY_URL]
    #[arg(long, env)]
    pub(super) graphql_url: Option<String>,

    /// Gateways, separated by commas, of which any may have what a process boots from [default: ARWEAVE_URL]
    #[arg(long, env)]
    pub(super) arweave_url_list: Option<String>,

    /// Where items and assignments are uploaded to; without it nothing is uploaded
    #[arg(long, env)]
    pub(super) upload_node_url: Option<String>,

    /// A cache that gets a copy of everything that is uploaded, once, whether it takes it or not
    #[arg(long, env)]
    pub(super) cache_url: Option<String>,
}

/// The Postgres projection.
#[derive(Clone, Debug, Args)]
pub(super) struct Database {
    /// The Postgres database that the log is projected into (postgres://user:password@host/name); without it the
    /// queries under /query and /graphql are not answered, and all else is
    #[arg(long, env, hide_env_values = true)]
    pub(super) database_url: Option<String>,

    /// The database that queries go to, if it is not that one (a replica) [default: DATABASE_URL]
    #[arg(long, env, hide_env_values = true)]
    pub(super) database_read_url: Option<String>,

    /// The most connections for writing to the database
    #[arg(long, env, default_value_t = defaults::DB_WRITE_CONNECTIONS, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) db_write_connections: u32,

    /// The most connections for queries to the database
    #[arg(long, env, default_value_t = defaults::DB_READ_CONNECTIONS, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) db_read_connections: u32,

    /// How many events a projection takes back by itself when the log turns out to have another history than it has
    /// (a store restored from an older copy); beyond that it stops and asks for `quipu replay`
    #[arg(long, env, default_value_t = defaults::REWIND_EVENTS_MAX)]
    pub(super) projection_rewind_max: u64,
}

/// How the log of the program is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// One line for a person.
    Text,
    /// One JSON object a line.
    Json,
}

const VERIFY_EXAMPLES: &str = "\
Examples:
  quipu verify ./data                     a node's data folder, the node being stopped
  quipu verify ./data --signatures false  checksums, order and hash chains only: much quicker

Each fault is a line with its place. Exit codes: 0 whole, 1 damaged or not readable, 2 wrong usage.";

/// Check a log from its first event to its last
#[derive(Debug, Args)]
#[command(after_help = VERIFY_EXAMPLES)]
pub struct VerifyArgs {
    /// The data folder of a node, or the folder of its log
    pub(super) dir: PathBuf,

    /// Whether signatures are verified too
    #[arg(long, action = ArgAction::Set, default_value_t = true)]
    pub(super) signatures: bool,
}
