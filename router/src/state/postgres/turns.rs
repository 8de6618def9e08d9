//! The right to have the leader of a store replaced, in a row that one router can take: by the clock of the database, which
//! is one for all of them.

use std::time::Duration;

use log::{StoreId, Term};
use sqlx::{PgConnection, PgPool};

use super::{away, begin, bigint};
use crate::state::{PromotionTurn, StateError, TURN_MAX};

/// A right that is taken for a longer time than any is was taken by a clock that was set back since then.
const TAKE: &str = "insert into quipu_router.turns as t (store, term, given, free_at) \
    values ($1::uuid, $2, 1, clock_timestamp() + make_interval(secs => $3)) \
    on conflict (store) do update set term = excluded.term, given = t.given + 1, free_at = excluded.free_at \
    where t.free_at <= clock_timestamp() or t.free_at > clock_timestamp() + make_interval(secs => $4) returning given";

const GIVE_BACK: &str = "update quipu_router.turns set free_at = clock_timestamp() + make_interval(secs => $3) \
    where store = $1::uuid and given = $2";

pub(super) async fn take(
    pool: &PgPool,
    store: StoreId,
    term: Term,
    pause: Duration,
) -> Result<Option<PromotionTurn>, StateError> {
    let mut transaction = begin(pool).await?;
    let given: Option<(i64,)> = sqlx::query_as(TAKE)
        .bind(store.to_string())
        .bind(bigint(term.0))
        .bind(pause.as_secs_f64())
        .bind(TURN_MAX.as_secs_f64())
        .fetch_optional(&mut *transaction)
        .await
        .map_err(away)?;
    if let Some((given,)) = given {
        note(&mut transaction, store, term, given).await?;
    }
    transaction.commit().await.map_err(away)?;
    Ok(given.map(|(given,)| PromotionTurn(u64::try_from(given).unwrap_or(0))))
}

async fn note(
    connection: &mut PgConnection,
    store: StoreId,
    term: Term,
    given: i64,
) -> Result<(), StateError> {
    let detail = serde_json::json!({ "store": store.to_string(), "term": term.0, "given": given });
    sqlx::query("insert into quipu_router.events (kind, scheduler, detail) values ('turn', 0, $1::jsonb)")
        .bind(detail.to_string())
        .execute(connection)
        .await
        .map(drop)
        .map_err(away)
}

pub(super) async fn give_back(
    pool: &PgPool,
    store: StoreId,
    turn: PromotionTurn,
    pause: Duration,
) -> Result<(), StateError> {
    let mut transaction = begin(pool).await?;
    sqlx::query(GIVE_BACK)
        .bind(store.to_string())
        .bind(bigint(turn.0))
        .bind(pause.as_secs_f64())
        .execute(&mut *transaction)
        .await
        .map_err(away)?;
    transaction.commit().await.map_err(away)
}
