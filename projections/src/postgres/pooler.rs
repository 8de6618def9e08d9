//! Whether a pooler is in the way that gives each transaction to whichever server connection is free.
//!
//! The writer's settings would then go to other clients and its locks be held by nobody in particular. A pooler gives
//! no sign of itself, so two connections are made: while the second one has a transaction open, and after that, the
//! first one has to be served by the same process of the server all the time.

use std::time::Duration;

use sqlx::{Row, raw_sql};

use super::session::{Session, failed, in_time, is_silence};
use crate::projection::ProjectionError;

/// How long an answer may take that only waits when a pooler has no other connection left.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// How often is looked after the second transaction: a pooler may take its connections in turn.
const LOOKS: usize = 4;

/// Whether the first connection is served by one process of the server alone. Neither connection is changed.
pub(super) async fn is_served_by_one(
    first: &mut Session,
    mut second: Session,
) -> Result<bool, ProjectionError> {
    let process = process_of(first).await?;
    second.wait_within(ANSWER_WITHIN);
    if let Err(error) = second.begin().await {
        // Every connection has a process of its own, and there is none left for a second one.
        return if is_silence(&error) { Ok(true) } else { Err(error) };
    }
    process_of(&mut second).await?;
    first.wait_within(ANSWER_WITHIN);
    let beside = process_of(first).await;
    first.wait_as_usual();
    match beside {
        Ok(found) if found == process => {}
        Ok(_) => return Ok(false),
        // The second one has what served the first one before.
        Err(error) if is_silence(&error) => return Ok(false),
        Err(error) => return Err(error),
    }
    second.rollback().await?;
    for _ in 0..LOOKS {
        if process_of(first).await? != process {
            return Ok(false);
        }
    }
    second.close().await?;
    Ok(true)
}

/// Asked in one message: a pooler may part what comes in several, and the second is then told of no first one.
async fn process_of(session: &mut Session) -> Result<i32, ProjectionError> {
    let (connection, within) = session.parts();
    let row = in_time(within, raw_sql("select pg_backend_pid()").fetch_one(connection)).await?;
    row.try_get(0).map_err(failed)
}
