//! A thread that waits for the database, until it is given up.

use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::projection::ProjectionError;

/// What blocks a thread for the database's sake, until it is given up.
#[derive(Clone, Debug)]
pub(super) struct Blocking {
    runtime: Handle,
    give_up: watch::Receiver<bool>,
}

impl Blocking {
    /// Blocks on the runtime until `give_up` is true or its sender is gone.
    pub(super) fn new(runtime: Handle, give_up: watch::Receiver<bool>) -> Self {
        Self { runtime, give_up }
    }

    /// Waits for what is asked of the database; a transaction that is given up within it never happened.
    pub(super) fn on<T>(
        &self,
        work: impl Future<Output = Result<T, ProjectionError>>,
    ) -> Result<T, ProjectionError> {
        let mut give_up = self.give_up.clone();
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                _ = give_up.wait_for(|give_up| *give_up) => Err(ProjectionError::Cancelled),
                done = work => done,
            }
        })
    }
}
