//! The row that tells how far the tables of a store are.

use log::{Identity, Seq, StoreId};
use sqlx::{PgConnection, query, query_as};

use super::connect::{failed, in_time, run, schema};
use super::rows::signed;
use super::{LAYOUT, NAME};
use crate::projection::ProjectionError;

/// How far the tables are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TablesCursor {
    pub(super) layout: i32,
    pub(super) position: Option<Seq>,
    pub(super) fingerprint: Option<String>,
}

/// The cursor of the live tables or of those of a rebuild; none when there are no such tables.
pub(super) async fn read(
    connection: &mut PgConnection,
    store: StoreId,
    live: bool,
    lock: bool,
) -> Result<Option<TablesCursor>, ProjectionError> {
    let sql = match lock {
        true => {
            "select layout, position, fingerprint from quipu.cursors where store = $1::uuid and live = $2 for update"
        }
        false => {
            "select layout, position, fingerprint from quipu.cursors where store = $1::uuid and live = $2"
        }
    };
    type Found = (i32, Option<i64>, Option<String>);
    let found: Option<Found> =
        in_time(query_as(sql).bind(store.to_string()).bind(live).fetch_optional(connection)).await?;
    Ok(found.map(|(layout, position, fingerprint)| TablesCursor {
        layout,
        position: position.and_then(|position| u64::try_from(position).ok()).map(Seq::new),
        fingerprint,
    }))
}

/// Moves the cursor, in the transaction that moved the rows.
pub(super) async fn write(
    connection: &mut PgConnection,
    identity: Identity,
    live: bool,
    position: Option<Seq>,
    fingerprint: Option<&str>,
) -> Result<(), ProjectionError> {
    let update = query(
        "update quipu.cursors set layout = $3, term = $4, position = $5, fingerprint = $6, updated_at = now() \
         where store = $1::uuid and live = $2",
    );
    let update =
        update.bind(identity.store.to_string()).bind(live).bind(LAYOUT).bind(signed(identity.term.0));
    let update = update.bind(position.map(|seq| signed(seq.get()))).bind(fingerprint);
    in_time(update.execute(connection)).await.map(|_| ())
}

/// Makes the tables of a store, empty, with their cursor; within a transaction.
pub(super) async fn make(
    connection: &mut PgConnection,
    identity: Identity,
    live: bool,
) -> Result<(), ProjectionError> {
    let (store, schema) = (identity.store, schema(identity.store, live));
    run(connection, format!("insert into quipu.stores (store) values ('{store}') on conflict do nothing"))
        .await?;
    run(connection, format!("select quipu.make_tables('{schema}', '{store}')")).await?;
    if live {
        run(connection, format!("select quipu.make_indexes('{schema}')")).await?;
        run(connection, format!("select quipu.attach_tables('{schema}', '{store}')")).await?;
    }
    let cursor = query("insert into quipu.cursors (store, live, layout, term) values ($1::uuid, $2, $3, $4)");
    let cursor = cursor.bind(store.to_string()).bind(live).bind(LAYOUT).bind(signed(identity.term.0));
    in_time(cursor.execute(connection)).await.map(|_| ())
}

/// Refuses rows that mean something else than this program knows.
pub(super) fn check_layout(cursor: &TablesCursor) -> Result<(), ProjectionError> {
    let reason = match cursor.layout.cmp(&LAYOUT) {
        std::cmp::Ordering::Equal => return Ok(()),
        std::cmp::Ordering::Less => {
            format!("its rows have layout {}, this version of quipu writes {LAYOUT}", cursor.layout)
        }
        std::cmp::Ordering::Greater => {
            let reason = format!(
                "its rows have layout {}, this version of quipu knows only {LAYOUT}: use the newer one",
                cursor.layout
            );
            return Err(failed(reason));
        }
    };
    Err(ProjectionError::NeedsRebuild { projection: NAME, reason })
}
