//! What the calls of HyperBEAM's form have in common, at a scheduler and at a router.

mod below_500;
mod devices;
mod named;
mod sent_as;

use std::sync::Arc;

use poem::error::ResponseError;
use poem::{Endpoint, Request, Response};

use below_500::below_500;
use devices::check_device;
pub use named::{NamedId, NamedProcess};
pub use sent_as::SentAs;

/// Answers as readers of this form need it: a device that is not here is not found, and nothing is a 5xx or a 201.
pub(crate) async fn as_readers_need<E: Endpoint<Output = Response>>(
    endpoint: Arc<E>,
    request: Request,
) -> poem::Result<Response> {
    match check_device(request.uri().path()) {
        Ok(()) => below_500(endpoint, request).await,
        Err(refusal) => Ok(refusal.as_response()),
    }
}

/// A media type without its parameters.
pub fn essence(kind: &str) -> String {
    kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}
