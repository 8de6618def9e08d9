//! From arguments to settings that are known to be right.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ans104::Signer;
use gateway::{EndpointError, Endpoints, parse_url, parse_url_list};
use projections::PostgresOptions;
use thiserror::Error;

use super::args::{Database, Services, SuArgs, Tuning};
use crate::wallet::{self, WalletFileError};

/// Everything that a node needs to know to start.
pub(super) struct Settings {
    pub(super) wallet: Arc<dyn Signer>,
    pub(super) data: PathBuf,
    pub(super) log: PathBuf,
    pub(super) index: PathBuf,
    pub(super) endpoints: Endpoints,
    pub(super) listen: SocketAddr,
    pub(super) admin: SocketAddr,
    pub(super) postgres: Option<PostgresOptions>,
    pub(super) tuning: Tuning,
}

/// A setting that a node cannot start with.
#[derive(Debug, Error)]
pub(super) enum SettingError {
    #[error("SU_WALLET_PATH")]
    Wallet(#[from] WalletFileError),
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
        let settings = Self {
            wallet: read_wallet(&args.su_wallet_path)?,
            log: args.su_file_db_dir.unwrap_or_else(|| args.su_data_dir.join("log")),
            index: args.su_index_db_dir.unwrap_or_else(|| args.su_data_dir.join("index")),
            data: args.su_data_dir,
            endpoints: endpoints(&args.services)?,
            listen: (Ipv4Addr::UNSPECIFIED, args.port).into(),
            admin: admin_address(&args.tuning, args.port)?,
            postgres: postgres(&args.tuning.database)?,
            tuning: args.tuning,
        };
        settings.check()?;
        Ok(settings)
    }

    /// Refuses what no node can run with.
    pub(super) fn check(&self) -> Result<(), SettingError> {
        if !self.admin.ip().is_loopback() && self.tuning.admin_token.as_deref().unwrap_or_default().is_empty()
        {
            return Err(SettingError::AdminToken(self.admin));
        }
        if self.tuning.max_read_memory == 0 {
            return Err(SettingError::NoReadMemory);
        }
        if self.tuning.process_cache_size == 0 {
            return Err(SettingError::NoProcessCache);
        }
        Ok(())
    }
}

/// Where the admin listener goes: where it was told, or to the port after the public one.
pub(super) fn admin_address(tuning: &Tuning, port: u16) -> Result<SocketAddr, SettingError> {
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
pub(super) fn read_wallet(path: &Path) -> Result<Arc<dyn Signer>, SettingError> {
    Ok(Arc::new(wallet::read(path)?))
}
