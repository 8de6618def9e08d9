//! The operator's calls, on a listener of their own.

mod checkpoints;
mod checks;
mod jobs;
mod model;
mod status;
mod uploads;

pub(crate) use checkpoints::CheckpointsApi;
pub(crate) use checks::ChecksApi;
pub(crate) use jobs::JobsApi;
pub(crate) use status::{HealthApi, StatusApi};
pub(crate) use uploads::UploadsApi;
