//! What was published, kept for ever.

use std::ops::ControlFlow;
use std::sync::Arc;

use async_trait::async_trait;
use log::{Fact, Log, Publication, ReadError, Term};
use protocol::{Nonce, ProcessId};
use thiserror::Error;
use tokio::task::spawn_blocking;

/// Why it is not known what was published, or nothing more can be.
#[derive(Clone, Debug, Error)]
#[error("what was published cannot be kept or read: {0}")]
pub struct PublicationsError(pub String);

/// Where publications are kept.
#[async_trait]
pub trait Publications: Send + Sync {
    /// Why nothing is to be published from here any more, if that is so.
    fn refusal(&self) -> Option<String>;

    /// All of them, the oldest first.
    async fn all(&self) -> Result<Vec<Publication>, PublicationsError>;

    /// Keeps one more, which is on disk when this returns: that after the one with this nonce, or the first. An error, if
    /// others may publish as well and one of them was quicker.
    async fn keep(&self, publication: Publication, after: Option<u64>) -> Result<(), PublicationsError>;
}

/// Those of a node that leads: facts in its own stream, which its standbys have too.
pub struct LogPublications {
    log: Arc<dyn Log>,
    /// The term in which it leads.
    term: Term,
}

impl LogPublications {
    /// Those of a node that leads in the term of its log.
    pub fn new(log: Arc<dyn Log>) -> Self {
        Self { term: log.identity().term, log }
    }
}

#[async_trait]
impl Publications for LogPublications {
    fn refusal(&self) -> Option<String> {
        let leads = !self.log.is_fenced() && self.log.identity().term == self.term;
        (!leads).then(|| "another node has taken the place of this one".to_owned())
    }

    async fn all(&self) -> Result<Vec<Publication>, PublicationsError> {
        let log = self.log.clone();
        let read = spawn_blocking(move || all(log.as_ref())).await;
        let failed = |error: &dyn std::error::Error| PublicationsError(error.to_string());
        read.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
    }

    /// There is one who publishes: whoever has the right to write.
    async fn keep(&self, publication: Publication, _: Option<u64>) -> Result<(), PublicationsError> {
        let failed = |error: log::AppendError| PublicationsError(error.to_string());
        let batch = vec![Fact::Publication(publication).append()];
        // A node that was deposed meanwhile is refused by the log itself.
        self.log.enqueue(self.term, batch).map_err(failed)?.await.map_err(failed)?;
        Ok(())
    }
}

fn all(log: &dyn Log) -> Result<Vec<Publication>, ReadError> {
    let mut found = Vec::new();
    log.range(ProcessId::NODE, false, Nonce::ZERO..=Nonce::MAX, &mut |event| {
        if let Some(Fact::Publication(publication)) = Fact::of(&event) {
            found.push(publication);
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}
