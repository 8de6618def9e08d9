//! The schedulers as the database has them.

use log::{StoreId, Term};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::{away, bigint, column, read_number};
use crate::list::{SchedulerFlags, read_wallets, wallets_text};
use crate::scheduler_url::SchedulerUrl;
use crate::state::event::scheduler_json;
use crate::state::{KnownScheduler, StateError};

const ALL: &str = "select number, url, no_route, wallets, wallets_only, retired, processes, store::text as store, term, admin \
                   from quipu_router.schedulers order by number";

/// All of them, in the order of their numbers.
pub(super) async fn all(connection: &mut PgConnection) -> Result<Vec<KnownScheduler>, StateError> {
    let rows = sqlx::query(ALL).fetch_all(connection).await.map_err(away)?;
    rows.iter().map(read).collect()
}

fn read(row: &PgRow) -> Result<KnownScheduler, StateError> {
    let number = read_number(row.try_get("number").map_err(away)?)?;
    let damaged = |error: &dyn std::fmt::Display| {
        StateError::Damaged(format!("the scheduler of number {}: {error}", number.0))
    };
    let text = |name: &str| row.try_get::<String, _>(name).map_err(away);
    let may_be = |name: &str| row.try_get::<Option<String>, _>(name).map_err(away);
    let is_so = |name: &str| row.try_get::<bool, _>(name).map_err(away);
    let count = |name: &str| row.try_get::<i64, _>(name).map(|count| u64::try_from(count).unwrap_or(0));
    let url: SchedulerUrl = text("url")?.parse().map_err(|error| damaged(&error))?;
    let wallets = read_wallets(&url, text("wallets")?.split(',')).map_err(|error| damaged(&error))?;
    let flags =
        SchedulerFlags { no_route: is_so("no_route")?, wallets, wallets_only: is_so("wallets_only")? };
    let store = may_be("store")?.map(|store| Uuid::parse_str(&store).map(StoreId));
    let admin = may_be("admin")?.map(|admin| admin.parse::<SchedulerUrl>());
    Ok(KnownScheduler {
        number,
        url,
        flags,
        is_retired: is_so("retired")?,
        processes: count("processes").map_err(away)?,
        store: store.transpose().map_err(|error| damaged(&error))?,
        term: Term(count("term").map_err(away)?),
        admin: admin.transpose().map_err(|error| damaged(&error))?,
    })
}

/// Stores a scheduler that is new or other than before.
pub(super) async fn keep(
    connection: &mut PgConnection,
    scheduler: &KnownScheduler,
) -> Result<(), StateError> {
    let KnownScheduler { number, url, flags, is_retired, store, term, admin, .. } = scheduler;
    sqlx::query(
        "insert into quipu_router.schedulers \
         (number, url, no_route, wallets, wallets_only, retired, store, term, admin) \
         values ($1, $2, $3, $4, $5, $6, $7::uuid, $8, $9) on conflict (number) do update set \
         no_route = excluded.no_route, wallets = excluded.wallets, wallets_only = excluded.wallets_only, \
         retired = excluded.retired, store = excluded.store, term = excluded.term, admin = excluded.admin",
    )
    .bind(column(*number))
    .bind(url.as_str())
    .bind(flags.no_route)
    .bind(wallets_text(&flags.wallets))
    .bind(flags.wallets_only)
    .bind(is_retired)
    .bind(store.map(|store| store.to_string()))
    .bind(bigint(term.0))
    .bind(admin.as_ref().map(SchedulerUrl::as_str))
    .execute(&mut *connection)
    .await
    .map_err(away)?;
    sqlx::query(
        "insert into quipu_router.events (kind, scheduler, detail) values ('scheduler', $1, $2::jsonb)",
    )
    .bind(column(*number))
    .bind(scheduler_json(scheduler))
    .execute(connection)
    .await
    .map_err(away)?;
    Ok(())
}
