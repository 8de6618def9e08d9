//! Records of where the router is, in the database: of several routers one publishes each.

use log::Publication;
use sqlx::{PgConnection, PgPool};

use super::{away, lock};
use crate::state::StateError;
use crate::state::event::{publication_json, read_publication};

/// All of them, by their nonces.
pub(super) async fn all(connection: &mut PgConnection) -> Result<Vec<Publication>, StateError> {
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
    publication: &Publication,
    after: Option<u64>,
) -> Result<bool, StateError> {
    let mut transaction = pool.begin().await.map_err(away)?;
    lock(&mut transaction).await?;
    let last = all(&mut transaction).await?.last().map(|last| last.nonce);
    if last != after || last >= Some(publication.nonce) {
        return Ok(false);
    }
    // What is sent is on disk before, whatever the database is set to.
    sqlx::query("set local synchronous_commit = on").execute(&mut *transaction).await.map_err(away)?;
    let beyond = |_| StateError::Damaged(format!("the nonce {} is beyond all others", publication.nonce));
    sqlx::query("insert into quipu_router.locations (nonce, record) values ($1, $2::jsonb)")
        .bind(i64::try_from(publication.nonce).map_err(beyond)?)
        .bind(publication_json(publication))
        .execute(&mut *transaction)
        .await
        .map_err(away)?;
    transaction.commit().await.map_err(away)?;
    Ok(true)
}
