//! Records of where the router is, in the database: of several routers one publishes each.

use std::time::Duration;

use ans104::Id;
use location::KeptPublication;
use protocol::Timestamp;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::{away, begin, bigint, lock};
use crate::state::StateError;
use crate::state::event::{publication_json, read_publication};

/// All of them, by their nonces.
pub(super) async fn all(connection: &mut PgConnection) -> Result<Vec<KeptPublication>, StateError> {
    let rows: Vec<(i64, String)> =
        sqlx::query_as("select nonce, record::text from quipu_router.locations order by nonce")
            .fetch_all(connection)
            .await
            .map_err(away)?;
    let read = |(nonce, record): (i64, String)| {
        let nonce =
            u64::try_from(nonce).map_err(|_| StateError::Damaged("a nonce is negative".to_owned()))?;
        read_publication(nonce, record.as_bytes())
    };
    rows.into_iter().map(read).collect()
}

/// Keeps one more, unless the last one is another than was thought.
pub(super) async fn publish(
    pool: &PgPool,
    kept: &KeptPublication,
    after: Option<u64>,
) -> Result<bool, StateError> {
    let mut transaction = begin(pool).await?;
    lock(&mut transaction).await?;
    let nonce = kept.publication.nonce;
    let last = all(&mut transaction).await?.last().map(|last| last.publication.nonce);
    if last != after || last >= Some(nonce) {
        return Ok(false);
    }
    sqlx::query("insert into quipu_router.locations (nonce, record) values ($1, $2::jsonb)")
        .bind(column(nonce)?)
        .bind(publication_json(kept))
        .execute(&mut *transaction)
        .await
        .map_err(away)?;
    transaction.commit().await.map_err(away)?;
    Ok(true)
}

/// Takes the right to send the record of this nonce and id, unless another has it; whoever has it may have it for longer. A
/// right that lasts longer than this was taken by a clock that was set back since then.
pub(super) async fn claim(
    pool: &PgPool,
    sender: Uuid,
    (nonce, id): (u64, Id),
    lasting: Duration,
) -> Result<bool, StateError> {
    const CLAIM: &str = "update quipu_router.locations \
        set sender = $3::uuid, sent_until = clock_timestamp() + make_interval(secs => $4) \
        where nonce = $1 and record->>'id' = $2 and record ? 'record' and (sender is null or sender = $3::uuid \
        or sent_until <= clock_timestamp() or sent_until > clock_timestamp() + make_interval(secs => $4))";
    let claimed = sqlx::query(CLAIM)
        .bind(column(nonce)?)
        .bind(id.to_string())
        .bind(sender.to_string())
        .bind(lasting.as_secs_f64())
        .execute(pool)
        .await
        .map_err(away)?;
    Ok(claimed.rows_affected() > 0)
}

/// The one of this nonce and id was taken: its bytes are needed no more.
pub(super) async fn taken(pool: &PgPool, (nonce, id): (u64, Id), at: Timestamp) -> Result<(), StateError> {
    const TAKEN: &str = "update quipu_router.locations \
        set record = (record - 'record') || jsonb_build_object('taken', $3) \
        where nonce = $1 and record->>'id' = $2 and record ? 'record'";
    let mut transaction = begin(pool).await?;
    sqlx::query(TAKEN)
        .bind(column(nonce)?)
        .bind(id.to_string())
        .bind(bigint(at.get()))
        .execute(&mut *transaction)
        .await
        .map_err(away)?;
    transaction.commit().await.map_err(away)
}

/// The nonce as a column has it.
fn column(nonce: u64) -> Result<i64, StateError> {
    let beyond = |_| StateError::Damaged(format!("the nonce {nonce} is beyond all others"));
    i64::try_from(nonce).map_err(beyond)
}
