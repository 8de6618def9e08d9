//! Connections that a source is read by.

use projections::DatabaseUrl;
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection};

use crate::waiting::{answered, connected};

/// What a transaction begins with in which nothing can be written.
const BEGIN: &str = "begin isolation level repeatable read read only";
/// How it reads, whatever the server has as the usual way.
const SETTINGS: [&str; 4] = [
    // The order of the index, and not a sort of all blobs.
    "set local enable_sort = off",
    // Plans without it look dear, and compiling one takes longer than it runs.
    "set local jit = off",
    // Limits on how long a query, a lock, a pause or the whole may take; not each server has each of them.
    "select set_config(name, '0', true) from pg_settings where name in ('statement_timeout', 'lock_timeout', \
     'idle_in_transaction_session_timeout', 'transaction_timeout')",
    // A node keeps to the schema quipu, which comes first for a user of that name, with tables of the same names.
    "select set_config('search_path', coalesce(string_agg(quote_ident(found), ', ' order by place), ''), true) \
     from unnest(current_schemas(false)::text[]) with ordinality schemas (found, place) where found <> 'quipu'",
];

/// A connection in a transaction that sees one snapshot: this one, or one of its own.
pub(super) async fn begun(url: &DatabaseUrl, snapshot: Option<&str>) -> Result<PgConnection, sqlx::Error> {
    let mut connection = connected(url.connect_as("quipu import").connect()).await?;
    let taken = snapshot.map(|snapshot| format!("set transaction snapshot '{snapshot}'"));
    let settings = SETTINGS.into_iter().map(str::to_owned);
    for sql in [BEGIN.to_owned()].into_iter().chain(taken).chain(settings) {
        answered(sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection)).await?;
    }
    Ok(connection)
}
