//! Whether a pooler is in the way that gives each transaction to whichever server connection is free.
//!
//! The writer's settings would then go to other clients and its locks be held by nobody in particular. A pooler gives
//! no sign of itself, so two connections are made: while the second one has a transaction open, and after that, the
//! first one has to be served by the same process of the server all the time. Where the second one gets none at all, the
//! first one has to be served while the second one waits: in a pool of transactions it would have to wait behind it.

use std::pin::pin;
use std::time::Duration;

use sqlx::{Row, raw_sql};
use tokio::time::timeout;

use super::NAME;
use super::session::{Session, failed, in_time, is_silence};
use crate::projection::ProjectionError;

/// How long an answer may take that only waits when a pooler has no other connection left.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// How often is looked after the second transaction, since a pooler may take its connections in turn, or while that cannot
/// begin.
const LOOKS: usize = 4;
/// How long between two looks while it cannot: others may let go of a connection meanwhile.
const PAUSE: Duration = Duration::from_millis(300);

/// What is found while the second connection begins a transaction.
enum Beside {
    /// It has one.
    Begun,
    /// It waits for a process of the server, and the first one has its own all the time.
    Waits,
    /// The first one is served by another process than before.
    Changed,
}

/// Whether the first connection is served by one process of the server alone. Neither connection is changed.
pub(super) async fn is_served_by_one(
    first: &mut Session,
    mut second: Session,
) -> Result<bool, ProjectionError> {
    let process = process_of(first).await?;
    match begin_beside(first, &mut second, process).await? {
        Beside::Begun => second.wait_within(ANSWER_WITHIN),
        Beside::Waits => return Ok(true),
        Beside::Changed => return Ok(false),
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

/// Begins a transaction on the second connection; what is found if that takes too long.
async fn begin_beside(
    first: &mut Session,
    second: &mut Session,
    process: i32,
) -> Result<Beside, ProjectionError> {
    let mut begun = pin!(second.begin());
    if let Ok(begun) = timeout(ANSWER_WITHIN, begun.as_mut()).await {
        return begun.map(|()| Beside::Begun);
    }
    first.wait_within(ANSWER_WITHIN);
    for _ in 0..LOOKS {
        match process_of(first).await {
            Ok(found) if found == process => {}
            Ok(_) => return Ok(Beside::Changed),
            Err(error) if is_silence(&error) => return Err(untold()),
            Err(error) => return Err(error),
        }
        if let Ok(begun) = timeout(PAUSE, begun.as_mut()).await {
            first.wait_as_usual();
            return begun.map(|()| Beside::Begun);
        }
    }
    first.wait_as_usual();
    Ok(Beside::Waits)
}

/// Neither of both is served: whoever has all connections has to let go of one first.
fn untold() -> ProjectionError {
    let reason = "whether a connection pooler in transaction mode is in the way cannot be told while the database serves \
                  none of two connections";
    ProjectionError::Waiting { projection: NAME, reason: reason.to_owned() }
}

/// Asked in one message: a pooler may part what comes in several, and the second is then told of no first one.
async fn process_of(session: &mut Session) -> Result<i32, ProjectionError> {
    let (connection, within) = session.parts();
    let row = in_time(within, raw_sql("select pg_backend_pid()").fetch_one(connection)).await?;
    row.try_get(0).map_err(failed)
}
