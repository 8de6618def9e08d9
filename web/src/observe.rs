//! Every call is counted, and told at debug.

use std::sync::Arc;
use std::time::Instant;

use poem::{Endpoint, Request, Response};
use tracing::debug;

use crate::metrics;

/// Counts what the endpoint answers. An error has to be an answer by now.
pub async fn count<E: Endpoint<Output = Response>>(
    endpoint: Arc<E>,
    request: Request,
) -> poem::Result<Response> {
    let (started, method, uri) = (Instant::now(), request.method().clone(), request.uri().clone());
    let answer = endpoint.call(request).await?;
    let (status, took) = (answer.status(), started.elapsed());
    metrics::answered(metrics::route(uri.path()), &method, status, took);
    debug!(%method, %uri, status = status.as_u16(), ?took, "answered");
    Ok(answer)
}
