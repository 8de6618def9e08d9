//! The further connections of a rebuild: several of the server's processes work at once then.
//!
//! Each of them fills tables of its own, and commits a batch before the cursor moves on. What a kill leaves in them
//! beyond the cursor is taken out when the rebuild is taken up again.

use futures_util::future::try_join_all;
use log::{Seq, StoreId};

use super::PostgresOptions;
use super::connect::{connect, schema};
use super::copy::CopyRows;
use super::lock::{REBUILD_LOCK_ATTEMPTS, lock};
use super::rows::signed;
use super::session::Session;
use crate::projection::ProjectionError;

/// The tables that they fill.
const TABLES: [&str; 3] = ["assignments", "tags", "processes"];
/// More would have nothing to do.
const CONNECTIONS_MAX: u32 = 2;

/// Connections without the cursor.
pub(super) struct RebuildConnections(Vec<Session>);

impl RebuildConnections {
    /// Opens as many as the options leave room for beside the connection with the cursor and the one that follows the
    /// log; the tables end at `position` then.
    pub(super) async fn open(
        options: &PostgresOptions,
        store: StoreId,
        position: Option<Seq>,
        main: &mut Session,
    ) -> Result<Self, ProjectionError> {
        let (mut connections, own) = (Vec::new(), options.writer_name());
        for number in 0..CONNECTIONS_MAX {
            // One that was killed may still be about to commit.
            let name = format!("rebuild on connection {number}");
            if number < options.write_connections.saturating_sub(2) {
                let mut connection = connect(options).await?;
                lock(&mut connection, store, &name, own, REBUILD_LOCK_ATTEMPTS).await?;
                connections.push(connection);
            } else {
                lock(main, store, &name, own, REBUILD_LOCK_ATTEMPTS).await?;
            }
        }
        let (schema, after) = (schema(store, false), position.map_or(-1, |seq| signed(seq.get())));
        for table in TABLES {
            // No index helps here: it takes as long as it takes to read the table.
            main.run_patiently(format!("delete from {schema}.{table} where sequence > {after}")).await?;
        }
        Ok(Self(connections))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts the rows of [`TABLES`] in place, each connection those of some tables, and commits them.
    pub(super) async fn fill(
        &mut self,
        schema: &str,
        tables: [&mut CopyRows; 3],
    ) -> Result<(), ProjectionError> {
        let mut work: Vec<_> = self.0.iter_mut().map(|connection| (connection, Vec::new())).collect();
        let connections = work.len().max(1);
        for (place, rows) in tables.into_iter().enumerate() {
            if let Some((_, of_connection)) = work.get_mut(place % connections) {
                of_connection.push(rows);
            }
        }
        let fill = async |(session, tables): (&mut Session, Vec<&mut CopyRows>)| {
            session.begin().await?;
            for rows in tables {
                session.copy(schema, rows).await?;
            }
            session.commit().await
        };
        try_join_all(work.into_iter().map(fill)).await.map(|_| ())
    }
}
