//! The log is projected into Postgres, and queries are answered from there.

use std::sync::Arc;
use std::time::Duration;

use log::Log;
use projections::{Follower, PostgresOptions, PostgresWriter, Queries};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::error::NodeError;
use crate::following::{self, Patience};
use crate::part::NodeParts;

/// A database that hangs must not keep the node from stopping.
const SHUTDOWN: Duration = Duration::from_secs(5);

/// Lets the tables follow the log, if there is a database, and gives what answers queries.
pub(crate) fn start(
    parts: &mut NodeParts,
    options: Option<&PostgresOptions>,
    log: &Arc<dyn Log>,
) -> Result<Option<Queries>, NodeError> {
    let Some(options) = options else { return Ok(None) };
    let queries = Queries::new(options, log.identity().store);
    let (give_up, given_up) = watch::channel(false);
    let writer = PostgresWriter::new(options.clone(), log.identity(), Handle::current(), given_up);
    let patience = Patience { limit: SHUTDOWN, give_up };
    following::start(parts, Follower::new(writer, log.clone()), Some(patience))?;
    Ok(Some(queries))
}
