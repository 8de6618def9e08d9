//! What the calls of HyperBEAM's form have in common, at a scheduler and at a router.

mod named;
mod sent_as;

use poem::error::ResponseError;
use poem::http::StatusCode;

use crate::error::HttpError;
pub use named::{NamedId, NamedProcess};
pub use sent_as::SentAs;

/// The same where a 5xx would be answered: HyperBEAM's readers end with one.
pub fn below_500(error: HttpError) -> HttpError {
    match error.status() {
        StatusCode::SERVICE_UNAVAILABLE => error.with_status(StatusCode::TOO_MANY_REQUESTS),
        status if status.is_server_error() => error.with_status(StatusCode::FAILED_DEPENDENCY),
        _ => error,
    }
}

/// A media type without its parameters.
pub fn essence(kind: &str) -> String {
    kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}
