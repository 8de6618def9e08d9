//! What the calls of HyperBEAM's form have in common, at a scheduler and at a router.

mod below_500;
mod named;
mod sent_as;

pub(crate) use below_500::below_500;
pub use named::{NamedId, NamedProcess};
pub use sent_as::SentAs;

/// A media type without its parameters.
pub fn essence(kind: &str) -> String {
    kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}
