//! From arguments to settings that are known to be right.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use ans104::{Signer, Wallet, WalletError};
use gateway::{EndpointError, Endpoints, parse_url, parse_url_list};
use node::{ListenOptions, NodeOptions, StorePaths, UploadOptions, WriteOptions};
use projections::PostgresOptions;
use thiserror::Error;
use tracing::info;

use super::args::{Database, Services, SuArgs, Tuning};

/// Everything that a node needs to know to start.
pub(super) struct Settings {
    pub(super) node: NodeOptions,
    pub(super) writing: WriteOptions,
}

/// A setting that a node cannot start with.
#[derive(Debug, Error)]
pub enum SettingError {
    /// The scheduler's wallet cannot be read.
    #[error("SU_WALLET_PATH: cannot read {path}; `quipu wallet new` makes a wallet")]
    WalletFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// It is no wallet.
    #[error("SU_WALLET_PATH: {path} is not a wallet")]
    Wallet {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: WalletError,
    },
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    #[error(
        "ADMIN_LISTEN is {0}, not a loopback address: ADMIN_TOKEN must be set, to anything that is hard to guess"
    )]
    AdminToken(SocketAddr),
    #[error("the port {0} has no next one for the admin listener; set ADMIN_LISTEN")]
    NoAdminPort(u16),
    #[error("MAX_READ_MEMORY is 0; it takes a number of bytes")]
    NoReadMemory,
    #[error("{0} is no address of a Postgres database; it takes postgres://user:password@host:port/name")]
    Database(&'static str),
    #[error("PROCESS_CACHE_SIZE is 0; it takes a number of processes")]
    NoProcessCache,
}

impl Settings {
    pub(super) fn from_su(args: SuArgs) -> Result<Self, SettingError> {
        let signer = read_wallet(args.su_wallet_path)?;
        let store = StorePaths {
            log: args.su_file_db_dir.unwrap_or_else(|| args.su_data_dir.join("log")),
            index: args.su_index_db_dir.unwrap_or_else(|| args.su_data_dir.join("index")),
        };
        let endpoints = endpoints(&args.services)?;
        let public = (Ipv4Addr::UNSPECIFIED, args.port).into();
        Self::of(signer, args.su_data_dir, store, endpoints, public, args.tuning)
    }

    pub(super) fn of(
        signer: Arc<dyn Signer>,
        data: PathBuf,
        store: StorePaths,
        endpoints: Endpoints,
        public: SocketAddr,
        tuning: Tuning,
    ) -> Result<Self, SettingError> {
        check(&tuning)?;
        let admin = admin_address(&tuning, public.port())?;
        let token = tuning.admin_token;
        if !admin.ip().is_loopback() && token.as_deref().unwrap_or_default().is_empty() {
            return Err(SettingError::AdminToken(admin));
        }
        let node = NodeOptions {
            data,
            store,
            listen: ListenOptions { public, admin, admin_token: token },
            max_read_memory: tuning.max_read_memory,
            metrics: tuning.enable_metrics,
            postgres: postgres(&tuning.database)?,
        };
        let scheduling = scheduler::Options {
            process_assignment: tuning.enable_process_assignment,
            deep_hash_checks: tuning.enable_deep_hash_checks,
            processes_cached: tuning.process_cache_size,
            ..scheduler::Options::default()
        };
        let rewind_events_max = tuning.database.projection_rewind_max;
        let uploads = UploadOptions { endpoints, rewind_events_max };
        if uploads.endpoints.upload.is_none() {
            info!("UPLOAD_NODE_URL is not set: nothing is uploaded");
        }
        Ok(Self { node, writing: WriteOptions { signer, scheduling, uploads } })
    }
}

/// Refuses what no node can run with.
fn check(tuning: &Tuning) -> Result<(), SettingError> {
    if tuning.max_read_memory == 0 {
        return Err(SettingError::NoReadMemory);
    }
    if tuning.process_cache_size == 0 {
        return Err(SettingError::NoProcessCache);
    }
    Ok(())
}

/// Where the admin listener goes: where it was told, or to the port after the public one.
fn admin_address(tuning: &Tuning, port: u16) -> Result<SocketAddr, SettingError> {
    if let Some(address) = tuning.admin_listen {
        return Ok(address);
    }
    // Port 0 asks for any free one, for both.
    let next = if port == 0 { Some(0) } else { port.checked_add(1) };
    let next = next.ok_or(SettingError::NoAdminPort(port))?;
    Ok((Ipv4Addr::LOCALHOST, next).into())
}

/// Where the services of the world are.
pub(super) fn endpoints(services: &Services) -> Result<Endpoints, SettingError> {
    let gateway = parse_url("GATEWAY_URL", &services.gateway_url)?;
    let url = |name: &str, text: &Option<String>| text.as_ref().map(|text| parse_url(name, text)).transpose();
    let heads = services.arweave_url_list.as_ref();
    Ok(Endpoints {
        arweave: url("ARWEAVE_URL", &services.arweave_url)?.unwrap_or_else(|| gateway.clone()),
        graphql: url("GRAPHQL_URL", &services.graphql_url)?.unwrap_or(gateway),
        upload: url("UPLOAD_NODE_URL", &services.upload_node_url)?,
        cache: url("CACHE_URL", &services.cache_url)?,
        heads: heads.map_or(Ok(Vec::new()), |list| parse_url_list("ARWEAVE_URL_LIST", list))?,
    })
}

/// The database to project into, if one is named.
pub(super) fn postgres(database: &Database) -> Result<Option<PostgresOptions>, SettingError> {
    let checked = |name: &'static str, url: &Option<String>| match url.as_deref() {
        // A variable that is set to nothing is one that is not set.
        None | Some("") => Ok(None),
        Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
            Ok(Some(url.to_owned()))
        }
        // Not shown: it may hold a password.
        Some(_) => Err(SettingError::Database(name)),
    };
    let read_url = checked("DATABASE_READ_URL", &database.database_read_url)?;
    let url = checked("DATABASE_URL", &database.database_url)?;
    Ok(url.map(|url| PostgresOptions {
        url,
        read_url,
        write_connections: database.db_write_connections,
        read_connections: database.db_read_connections,
        rewind_events_max: database.projection_rewind_max,
    }))
}

/// Reads the scheduler's wallet.
pub(super) fn read_wallet(path: PathBuf) -> Result<Arc<dyn Signer>, SettingError> {
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => return Err(SettingError::WalletFile { path, error }),
    };
    match Wallet::from_jwk(&text) {
        Ok(wallet) => Ok(Arc::new(wallet)),
        Err(error) => Err(SettingError::Wallet { path, error }),
    }
}
