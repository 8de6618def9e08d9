//! What the loop of uploads waits for.

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use gateway::UploadError;
use log::Seq;
use protocol::ProcessId;

use super::piece::UploadJob;
use crate::projection::ProjectionError;

/// What came of something that was waited for.
pub(super) enum Through {
    /// An event was read again, and is to be sent now.
    Loaded(UploadJob),
    /// All of an event is settled.
    Settled(UploadJob),
    /// An event did not come through.
    Failed(UploadJob, UploadError),
    /// This event of a process has waited long enough to be tried again.
    Rested(ProcessId, Seq),
    /// It is time for a round over the processes whose events are stuck.
    RoundDue,
    /// In a round, so many stuck events of a process came through, and the next one did not, if there is an error.
    Visited(u64, Option<UploadError>),
}

/// Everything that is under way.
pub(super) type Waits = FuturesUnordered<BoxFuture<'static, Result<Through, ProjectionError>>>;
