//! What follows the log of a node.

use clap::Args;
use projections::PostgresOptions;
use thiserror::Error;

/// What follows the log of a node.
#[derive(Clone, Debug, Args)]
pub struct ProjectionArgs {
    /// A Postgres database to project the log into (postgres://user:password@host:port/name); without one the node
    /// does not answer /query and /graphql
    #[arg(long, env, value_name = "URL", hide_env_values = true)]
    database_url: Option<String>,

    /// The database that answers queries, for example a replica [default: DATABASE_URL]
    #[arg(long, env, value_name = "URL", hide_env_values = true)]
    database_read_url: Option<String>,

    /// The most connections to the database for writing: one follows the log, the others speed up rebuilds
    #[arg(long, env, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    db_write_connections: u32,

    /// The most connections to the database for queries
    #[arg(long, env, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    db_read_connections: u32,

    /// How many events a projection may take back by itself when the log has another history than the projection
    /// (after a store was restored from an older copy); beyond that it stops and asks for `quipu replay`
    #[arg(long, env, value_name = "EVENTS", default_value_t = 100_000)]
    projection_rewind_max: u64,
}

/// A setting of the database that cannot be used. The URLs are not shown: they may hold passwords.
#[derive(Debug, Error)]
pub enum DatabaseSettingError {
    /// It is no URL of Postgres.
    #[error("{0} is not the URL of a Postgres database; it takes postgres://user:password@host:port/name")]
    Url(&'static str),
    /// Queries have a database, but nothing is written to it.
    #[error(
        "DATABASE_READ_URL is set without DATABASE_URL, so nothing would ever be written there; set both"
    )]
    ReadAlone,
}

impl ProjectionArgs {
    /// The database to project into, if there is one.
    ///
    /// # Errors
    /// When a URL cannot be one of Postgres.
    pub fn postgres(&self) -> Result<Option<PostgresOptions>, DatabaseSettingError> {
        let read_url = checked("DATABASE_READ_URL", self.database_read_url.as_ref())?;
        let url = match checked("DATABASE_URL", self.database_url.as_ref())? {
            Some(url) => url,
            None if read_url.is_some() => return Err(DatabaseSettingError::ReadAlone),
            None => return Ok(None),
        };
        Ok(Some(PostgresOptions {
            url,
            read_url,
            write_connections: self.db_write_connections,
            read_connections: self.db_read_connections,
            rewind_events_max: self.projection_rewind_max,
        }))
    }

    /// How many events uploads may take back by themselves.
    pub fn uploads_rewind_max(&self) -> u64 {
        self.projection_rewind_max
    }
}

fn checked(name: &'static str, url: Option<&String>) -> Result<Option<String>, DatabaseSettingError> {
    let is_postgres = |url: &&String| url.starts_with("postgres://") || url.starts_with("postgresql://");
    match url {
        None => Ok(None),
        Some(url) if is_postgres(&url) => Ok(Some(url.clone())),
        Some(_) => Err(DatabaseSettingError::Url(name)),
    }
}
