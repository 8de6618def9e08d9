//! The row that tells how far the tables of a store are.

use log::{Identity, Seq, StoreId};
use sqlx::{query, query_as};

use super::connect::schema;
use super::rows::signed;
use super::session::{Session, failed};
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
    session: &mut Session,
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
    let found: Option<Found> = session.optional(query_as(sql).bind(store.to_string()).bind(live)).await?;
    Ok(found.map(|(layout, position, fingerprint)| TablesCursor {
        layout,
        position: position.and_then(|position| u64::try_from(position).ok()).map(Seq::new),
        fingerprint,
    }))
}

/// Moves the cursor, in the transaction that moved the rows.
pub(super) async fn write(
    session: &mut Session,
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
    session.execute(update).await
}

/// Whether all tables of a store are there, as its cursor says: somebody may have dropped some.
pub(super) async fn has_tables(
    session: &mut Session,
    store: StoreId,
    live: bool,
) -> Result<bool, ProjectionError> {
    let sql = "select count(*) = cardinality(quipu.table_names()) from pg_class c \
               where c.relnamespace = to_regnamespace($1) and c.relname = any(quipu.table_names()) \
               and c.relkind = 'r' and c.relispartition = $2";
    let all = query_as::<_, (bool,)>(sql).bind(schema(store, live)).bind(live);
    session.one(all).await.map(|(all,)| all)
}

/// Makes the tables of a store, empty, with their cursor; within a transaction. What is left of earlier ones goes.
pub(super) async fn make(
    session: &mut Session,
    identity: Identity,
    live: bool,
) -> Result<(), ProjectionError> {
    let (store, schema) = (identity.store, schema(identity.store, live));
    session
        .run(format!(
            "delete from quipu.cursors where store = '{store}' and live = {live}; \
             insert into quipu.stores (store) values ('{store}') on conflict do nothing; \
             select quipu.make_tables('{schema}', '{store}')"
        ))
        .await?;
    if live {
        session
            .run(format!(
                "select quipu.make_indexes('{schema}'); select quipu.attach_tables('{schema}', '{store}')"
            ))
            .await?;
    }
    let cursor = query("insert into quipu.cursors (store, live, layout, term) values ($1::uuid, $2, $3, $4)");
    let cursor = cursor.bind(store.to_string()).bind(live).bind(LAYOUT).bind(signed(identity.term.0));
    session.execute(cursor).await
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
