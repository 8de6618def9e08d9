//! Every call is counted, and told at debug.

use std::sync::Arc;
use std::time::Instant;

use poem::{Endpoint, PathPattern, Request, Response};
use tracing::debug;

use crate::metrics;
use crate::routes::Routes;

/// Counts what the endpoint answers, by the route that it was matched with. An error has to be an answer by now.
pub(crate) async fn calls<E: Endpoint<Output = Response>>(
    endpoint: Arc<E>,
    request: Request,
    routes: Arc<Routes>,
) -> poem::Result<Response> {
    let (started, method, uri) = (Instant::now(), request.method().clone(), request.uri().clone());
    let answer = endpoint.call(request).await?;
    let (status, took) = (answer.status(), started.elapsed());
    let route = routes.find(answer.data::<PathPattern>()).map(|route| route.path.clone());
    metrics::answered(route, &method, status, took);
    debug!(%method, %uri, status = status.as_u16(), ?took, "answered");
    Ok(answer)
}
