//! What was published, kept for ever.

use std::ops::ControlFlow;
use std::sync::Arc;

use ans104::Item;
use async_trait::async_trait;
use bytes::Bytes;
use log::{Fact, Log, Publication, ReadError, Term};
use protocol::{Nonce, ProcessId};
use thiserror::Error;
use tokio::task::spawn_blocking;

/// Why it is not known what was published, or nothing more can be.
#[derive(Clone, Debug, Error)]
#[error("what was published cannot be kept or read: {0}")]
pub struct PublicationsError(pub String);

/// A record that was published, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptPublication {
    /// What was published.
    pub publication: Publication,
    /// The record while it is not taken: it is sent until it is, by whoever has its place then. Earlier versions kept none.
    pub record: Option<Bytes>,
}

/// Why nothing is published from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishingRefusal {
    /// In words.
    pub reason: String,
    /// Whether it passes by itself within moments, as a rule.
    pub is_passing: bool,
}

/// Where publications are kept.
#[async_trait]
pub trait Publications: Send + Sync {
    /// Why nothing is to be published from here at the moment, if that is so.
    fn refusal(&self) -> Option<PublishingRefusal>;

    /// All of them, the oldest first.
    async fn all(&self) -> Result<Vec<KeptPublication>, PublicationsError>;

    /// Keeps one more with its record, which is on disk when this returns: that after the one with this nonce, or the
    /// first. It is false if others may publish as well and one of them was quicker.
    async fn keep(
        &self,
        publication: Publication,
        record: Bytes,
        after: Option<u64>,
    ) -> Result<bool, PublicationsError>;

    /// The record of this one was taken.
    async fn taken(&self, publication: &Publication) -> Result<(), PublicationsError>;
}

impl KeptPublication {
    /// Whether somebody has taken it, so far as is known here.
    pub fn is_taken(&self) -> bool {
        self.record.is_none()
    }
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

    /// A node that was deposed meanwhile is refused by the log itself.
    async fn append(&self, facts: &[Fact]) -> Result<(), PublicationsError> {
        let batch = facts.iter().map(Fact::append).collect();
        self.log.enqueue(self.term, batch).map_err(failed)?.await.map_err(failed)?;
        Ok(())
    }
}

#[async_trait]
impl Publications for LogPublications {
    fn refusal(&self) -> Option<PublishingRefusal> {
        let leads = !self.log.is_fenced() && self.log.identity().term == self.term;
        let reason = "another node has taken the place of this one";
        (!leads).then(|| PublishingRefusal { reason: reason.to_owned(), is_passing: false })
    }

    async fn all(&self) -> Result<Vec<KeptPublication>, PublicationsError> {
        let log = self.log.clone();
        spawn_blocking(move || all(log.as_ref())).await.map_err(failed)?.map_err(failed)
    }

    /// There is one who publishes: whoever has the right to write.
    async fn keep(
        &self,
        publication: Publication,
        record: Bytes,
        _: Option<u64>,
    ) -> Result<bool, PublicationsError> {
        // The record comes first: of a batch that is cut, nothing is published.
        self.append(&[Fact::PublishedRecord(record.to_vec()), Fact::Publication(publication)]).await?;
        Ok(true)
    }

    async fn taken(&self, publication: &Publication) -> Result<(), PublicationsError> {
        self.append(&[Fact::PublicationTaken(publication.id)]).await
    }
}

fn failed(error: impl std::error::Error) -> PublicationsError {
    PublicationsError(error.to_string())
}

fn all(log: &dyn Log) -> Result<Vec<KeptPublication>, ReadError> {
    let (mut found, mut before) = (Vec::<KeptPublication>::new(), None);
    log.range(ProcessId::NODE, false, Nonce::ZERO..=Nonce::MAX, &mut |event| {
        let fact = Fact::of(&event);
        let record = before.take();
        match fact {
            Some(Fact::PublishedRecord(record)) => before = Some(Bytes::from(record)),
            Some(Fact::Publication(publication)) => {
                let is_its =
                    |record: &Bytes| Item::split(record).is_ok_and(|item| item.id() == publication.id);
                let record = record.filter(is_its);
                found.push(KeptPublication { publication, record });
            }
            Some(Fact::PublicationTaken(id)) => {
                let taken = found.iter_mut().filter(|kept| kept.publication.id == id);
                taken.for_each(|kept| kept.record = None);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}
