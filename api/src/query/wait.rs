//! What comes before every query: whether there is a database, and whether it is as far as the client needs it.

use std::time::Duration;

use log::Seq;
use projections::Queries;
use protocol::Code;
use tokio::time::{Instant, sleep, timeout_at};
use web::HttpError;

use super::params::MinPosition;
use crate::error::CallError;
use crate::node::ApiNode;

/// The projection that the queries are answered from.
const POSTGRES: &str = "postgres";
/// How long a client may let the node wait for an event.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often the database is asked how far it is, where nobody tells: another node writes it, or it is a replica.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// What clients are told of a projection that does not go on; why that is, the status tells the operator.
const STANDS_STILL: &str = "Postgres does not follow the log for now; try again later";

/// What answers queries here.
pub(crate) fn queries(node: &ApiNode) -> Result<&Queries, HttpError> {
    node.parts
        .queries
        .as_ref()
        .ok_or_else(|| HttpError::new(Code::Unavailable, "queries need Postgres: set DATABASE_URL"))
}

/// The same, and the position of Postgres, as soon as it has what the client wants to see. What is found afterwards
/// goes at least up to there.
pub(super) async fn ready(
    node: &ApiNode,
    wanted: Option<MinPosition>,
) -> Result<(&Queries, Option<Seq>), CallError> {
    let queries = queries(node)?;
    let mut position = queries.position().await?;
    let Some(MinPosition(wanted)) = wanted else { return Ok((queries, position)) };
    let deadline = Instant::now() + PATIENCE;
    if position < Some(wanted) {
        let follower = node.parts.projections.iter().find(|projection| projection.name() == POSTGRES);
        if let Some(mut follower) = follower.cloned() {
            let applied = timeout_at(deadline, follower.applied(wanted)).await;
            applied
                .map_err(|_| behind(wanted, position))?
                .map_err(|_| unavailable(STANDS_STILL.to_owned()))?;
        }
    }
    loop {
        if position >= Some(wanted) {
            return Ok((queries, position));
        }
        if Instant::now() >= deadline {
            return Err(behind(wanted, position).into());
        }
        position = queries.position().await?;
        if position < Some(wanted) {
            sleep(ASK_AGAIN).await;
        }
    }
}

fn behind(wanted: Seq, position: Option<Seq>) -> HttpError {
    let position = position.map_or("is empty".to_owned(), |position| format!("is at {position}"));
    unavailable(format!("Postgres {position} and did not reach {wanted} within 5 seconds; try again"))
}

fn unavailable(text: String) -> HttpError {
    HttpError::new(Code::Unavailable, text)
}
