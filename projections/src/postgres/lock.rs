//! The right to write the tables of a store: a lock that the server keeps as long as the connection lives.

use std::time::Duration;

use log::StoreId;
use sqlx::query_as;
use tokio::time::sleep;
use tracing::info;

use super::NAME;
use super::session::Session;
use crate::projection::ProjectionError;

/// How often a lock is tried by one that follows the log, which comes again; and by a rebuild, which would have failed.
pub(super) const LOCK_ATTEMPTS: usize = 20;
pub(super) const REBUILD_LOCK_ATTEMPTS: usize = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// Ends the connections of a name that have a lock; how many those were.
const END_OWN: &str = "\
    with wanted as (select hashtextextended($1, 0) as key)
    select count(*) filter (where pg_terminate_backend(l.pid))
    from wanted w
    join pg_locks l on l.locktype = 'advisory' and l.granted and l.objsubid = 1
        and l.classid::bigint = (w.key >> 32) & 4294967295 and l.objid::bigint = w.key & 4294967295
    join pg_stat_activity a on a.pid = l.pid and a.datname = current_database()
    where a.application_name = $2 and l.pid <> pg_backend_pid()";

/// Takes the right to write the tables of a store, until the connection ends. Whoever had it and is gone may be a
/// moment late in letting go. A connection of our own that has it is dead on our side, and is ended on the other one:
/// across a broken network the server would keep it for long.
pub(super) async fn lock(
    session: &mut Session,
    store: StoreId,
    what: &str,
    own_name: &str,
    attempts: usize,
) -> Result<(), ProjectionError> {
    let name = format!("quipu {what} {store}");
    for attempt in 0..attempts {
        if attempt > 0 {
            sleep(LOCK_PAUSE).await;
        }
        let (taken,) = session
            .one(query_as::<_, (bool,)>("select pg_try_advisory_lock(hashtextextended($1, 0))").bind(&name))
            .await?;
        if taken {
            return Ok(());
        }
        let (ended,) = session.one(query_as::<_, (i64,)>(END_OWN).bind(&name).bind(own_name)).await?;
        if ended > 0 {
            info!(%store, what, "ended a connection to Postgres that this node had lost");
        }
    }
    let reason = format!("another connection does the {what} of store {store} in this database");
    Err(ProjectionError::Waiting { projection: NAME, reason })
}
