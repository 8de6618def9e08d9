//! What follows the log of a node.

use clap::Args;
use projections::{DatabaseUrl, DatabaseUrlError, PostgresOptions};
use thiserror::Error;

/// What follows the log of a node.
#[derive(Clone, Debug, Args)]
pub struct ProjectionArgs {
    /// A Postgres database to project the log into (postgres://user:password@host:port/name); without one the node
    /// does not answer /query/v1/... and /graphql
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
    /// It is no URL of Postgres, or asks for what is not supported.
    #[error(transparent)]
    Url(#[from] DatabaseUrlError),
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
        let parse = |variable, url: &Option<String>| {
            url.as_ref().map(|url| DatabaseUrl::parse(variable, url)).transpose()
        };
        let read_url = parse("DATABASE_READ_URL", &self.database_read_url)?;
        let url = match parse("DATABASE_URL", &self.database_url)? {
            Some(url) => url,
            None if read_url.is_some() => return Err(DatabaseSettingError::ReadAlone),
            None => return Ok(None),
        };
        let mut options = PostgresOptions::new(url);
        options.read_url = read_url;
        options.write_connections = self.db_write_connections;
        options.read_connections = self.db_read_connections;
        options.rewind_events_max = self.projection_rewind_max;
        Ok(Some(options))
    }

    /// How many events uploads may take back by themselves.
    pub fn uploads_rewind_max(&self) -> u64 {
        self.projection_rewind_max
    }
}
