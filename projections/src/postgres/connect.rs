//! Connections for writing: how they are made, what must hold for the database, and the schema in it.

use std::time::Duration;

use log::StoreId;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{Connection, PgConnection, query_as};
use thiserror::Error;

use super::options::PostgresOptions;
use super::patience::Backend;
use super::pooler;
use super::session::{Session, failed, in_time};
use crate::projection::{BoxError, ProjectionError};

/// Where what all stores share is.
const SHARED_SCHEMA: &str = "quipu";
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
const ENCODING: &str = "UTF8";

/// A commit that the server loses in a crash takes its cursor with it, so it need not be waited for.
const SETTINGS: &str = "set search_path = quipu, public; set synchronous_commit = off; set lock_timeout = '10s'; \
                        set client_min_messages = warning";
/// The server notices by itself when nobody is there any more, be it while it works or while it waits: what a node that
/// is gone has locked would be kept until then. Older servers, and those on some systems, cannot do each of these.
const NOTICE_LOSS: [&str; 5] = [
    "set client_connection_check_interval = '2s'",
    "set tcp_keepalives_idle = 15",
    "set tcp_keepalives_interval = 5",
    "set tcp_keepalives_count = 3",
    "set tcp_user_timeout = '30s'",
];

/// A database that cannot be written to as it is.
#[derive(Debug, Error)]
enum UnfitDatabase {
    #[error(
        "{variable} names a database with the encoding {found}, which does not hold all messages: make one with \
         `create database … encoding 'UTF8' template template0`"
    )]
    Encoding { variable: &'static str, found: String },
    #[error(
        "{variable} leads through a connection pooler in transaction mode (such as PgBouncer), in which settings and \
         locks of one connection go to others: name the database itself, or a pooler in session mode"
    )]
    Pooled { variable: &'static str },
    #[error(
        "{variable} names a server that does not tell what its connections do (track_activities = off), so that a lost \
         one would be waited for without end: set track_activities = on there, or for this role"
    )]
    Untracked { variable: &'static str },
    #[error(
        "the schema in the database has version {0}, which this version of quipu does not know; use the newer quipu \
         that made it, or another database"
    )]
    Newer(i64),
}

/// Connects for writing, and brings the schema up to date. Nothing is changed on the connection before it is known that
/// it is nobody else's as well.
pub(super) async fn connect(options: &PostgresOptions) -> Result<Session, ProjectionError> {
    let mut session = open(options).await?;
    if !options.is_unpooled() {
        let second = open(options).await?;
        if !pooler::is_served_by_one(&mut session, second).await? {
            return Err(failed(UnfitDatabase::Pooled { variable: options.url.variable() }));
        }
        options.found_unpooled();
    }
    let asked = "select current_setting('server_encoding'), current_setting('track_activities')::bool";
    let (found, is_tracked) = session.one(query_as::<_, (String, bool)>(asked)).await?;
    let variable = options.url.variable();
    if found != ENCODING {
        return Err(failed(UnfitDatabase::Encoding { variable, found }));
    }
    if !is_tracked {
        return Err(failed(UnfitDatabase::Untracked { variable }));
    }
    session.run(SETTINGS.to_owned()).await?;
    for setting in NOTICE_LOSS {
        let _ = session.run(setting.to_owned()).await;
    }
    let (connection, within) = session.parts();
    in_time(within, migrate(connection)).await?;
    let backend = Backend::of(&mut session, options).await?;
    session.watch(backend);
    Ok(session)
}

async fn open(options: &PostgresOptions) -> Result<Session, ProjectionError> {
    let connect = options.url.connect_as(options.writer_name());
    let connection = in_time(CONNECT_WITHIN, PgConnection::connect_with(&connect)).await?;
    Ok(Session::new(connection, options.answer_within))
}

async fn migrate(connection: &mut PgConnection) -> Result<(), BoxError> {
    let mut migrator: Migrator = sqlx::migrate!("../migrations");
    migrator.create_schema(SHARED_SCHEMA);
    migrator.dangerous_set_table_name("quipu._sqlx_migrations");
    migrator.run_direct(None, connection, false).await.map_err(|error| match error {
        MigrateError::VersionMissing(version) => UnfitDatabase::Newer(version).into(),
        error => error.into(),
    })
}

/// The schema in which the tables of a store are; those of a rebuild under way are in one of their own.
pub(super) fn schema(store: StoreId, live: bool) -> String {
    let suffix = if live { "" } else { "_new" };
    format!("{SHARED_SCHEMA}_{}{suffix}", store.0.simple())
}
