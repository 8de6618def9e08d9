//! Waiting for the disk without holding up the async executor.

use super::NAME;
use crate::projection::ProjectionError;

/// Does what may wait for the disk on a thread made for it.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ProjectionError> + Send + 'static,
) -> Result<T, ProjectionError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(ProjectionError::store(NAME, error)))
}
