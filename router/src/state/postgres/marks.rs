//! How much each store was seen to have, in the database: by whichever router saw the most.

use std::collections::{BTreeMap, HashMap};

use log::{StoreId, Term};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::{away, begin, bigint, column};
use crate::state::{SchedulerNumber, StateError, StoreMark};

const ALL: &str = "select store::text, accepted, term, events from quipu_router.marks";

const RAISE: &str = "insert into quipu_router.marks as m (store, accepted, term, events) \
    select store::uuid, accepted, term, events \
    from unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[]) as seen (store, accepted, term, events) \
    on conflict (store) do update set accepted = excluded.accepted, term = excluded.term, events = excluded.events \
    where (m.accepted, m.term, m.events) < (excluded.accepted, excluded.term, excluded.events)";

const ACCEPT: &str = "insert into quipu_router.marks as m (store, accepted, term, events) values ($1::uuid, 1, $2, $3) \
    on conflict (store) do update set accepted = m.accepted + 1, term = excluded.term, events = excluded.events \
    returning accepted";

/// All of them.
pub(super) async fn all(connection: &mut PgConnection) -> Result<HashMap<StoreId, StoreMark>, StateError> {
    let rows: Vec<(String, i64, i64, i64)> = sqlx::query_as(ALL).fetch_all(connection).await.map_err(away)?;
    let read = |(store, accepted, term, events): (String, i64, i64, i64)| {
        let damaged =
            |error: uuid::Error| StateError::Damaged(format!("how much was seen of a store: {error}"));
        let store = StoreId(Uuid::parse_str(&store).map_err(damaged)?);
        let [accepted, term, events] =
            [accepted, term, events].map(|number| u64::try_from(number).unwrap_or(0));
        Ok((store, StoreMark { accepted, term: Term(term), events }))
    };
    rows.into_iter().map(read).collect()
}

/// So much was seen of these, which counts where it is more than is known. That is nothing that happened: there is no event of it.
pub(super) async fn raise(pool: &PgPool, seen: HashMap<StoreId, StoreMark>) -> Result<(), StateError> {
    // In their order: two routers that write the same ones never wait for each other.
    let seen: BTreeMap<String, StoreMark> =
        seen.into_iter().map(|(store, mark)| (store.to_string(), mark)).collect();
    let stores: Vec<&str> = seen.keys().map(String::as_str).collect();
    let numbers = |of: fn(&StoreMark) -> u64| seen.values().map(|mark| bigint(of(mark))).collect::<Vec<_>>();
    let mut transaction = begin(pool).await?;
    sqlx::query(RAISE)
        .bind(stores)
        .bind(numbers(|mark| mark.accepted))
        .bind(numbers(|mark| mark.term.0))
        .bind(numbers(|mark| mark.events))
        .execute(&mut *transaction)
        .await
        .map_err(away)?;
    transaction.commit().await.map_err(away)
}

/// An operator takes what this scheduler has for all that its store has.
pub(super) async fn accept(
    pool: &PgPool,
    scheduler: SchedulerNumber,
    store: StoreId,
    (term, events): (Term, u64),
) -> Result<StoreMark, StateError> {
    let mut transaction = begin(pool).await?;
    let accepted: (i64,) = sqlx::query_as(ACCEPT)
        .bind(store.to_string())
        .bind(bigint(term.0))
        .bind(bigint(events))
        .fetch_one(&mut *transaction)
        .await
        .map_err(away)?;
    let accepted = u64::try_from(accepted.0).unwrap_or(0);
    let detail = serde_json::json!({
        "store": store.to_string(), "accepted": accepted, "term": term.0, "events": events,
    });
    sqlx::query(
        "insert into quipu_router.events (kind, scheduler, detail) values ('accepted', $1, $2::jsonb)",
    )
    .bind(column(scheduler))
    .bind(detail.to_string())
    .execute(&mut *transaction)
    .await
    .map_err(away)?;
    transaction.commit().await.map_err(away)?;
    Ok(StoreMark { accepted, term, events })
}
