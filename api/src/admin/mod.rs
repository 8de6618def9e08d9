//! The operator's calls, on a listener of their own.

mod checkpoints;
mod checks;
mod jobs;
mod lately;
mod members;
mod model;
mod overview;
mod replication;
mod status;
mod uploads;

pub(crate) use checkpoints::CheckpointsApi;
pub(crate) use checks::ChecksApi;
pub(crate) use jobs::JobsApi;
pub(crate) use lately::LatelyApi;
pub(crate) use members::{MemberApi, MembershipApi};
pub(crate) use replication::ReplicationApi;
pub(crate) use status::{HealthApi, StatusApi};
pub(crate) use uploads::UploadsApi;
