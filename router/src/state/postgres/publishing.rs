//! Records of where the router is, in the database: of several routers one publishes each.

use ans104::Id;
use location::KeptPublication;
use sqlx::{PgConnection, PgPool};

use super::{away, begin, lock};
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
    let beyond = |_| StateError::Damaged(format!("the nonce {nonce} is beyond all others"));
    sqlx::query("insert into quipu_router.locations (nonce, record) values ($1, $2::jsonb)")
        .bind(i64::try_from(nonce).map_err(beyond)?)
        .bind(publication_json(kept))
        .execute(&mut *transaction)
        .await
        .map_err(away)?;
    transaction.commit().await.map_err(away)?;
    Ok(true)
}

/// The one of this nonce and id was taken: its bytes are needed no more.
pub(super) async fn taken(pool: &PgPool, nonce: u64, id: Id) -> Result<(), StateError> {
    let nonce = i64::try_from(nonce).map_err(|_| StateError::Damaged("there is no such nonce".to_owned()))?;
    let taken = "update quipu_router.locations set record = record - 'record' where nonce = $1 and record->>'id' = $2";
    sqlx::query(taken).bind(nonce).bind(id.to_string()).execute(pool).await.map_err(away)?;
    Ok(())
}
