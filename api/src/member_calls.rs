//! What a node that is one of several is asked, by the others and by operators.

use futures_util::future::BoxFuture;
use log::{NodeId, StoreId};
use replicator::{Acknowledgement, FetchRequest, Fetched, PromiseAnswer, PromiseRequest};
use thiserror::Error;

use crate::member_forms::{MembershipForm, PromotedForm};

/// Why a member does not do what it is asked for.
#[derive(Clone, Debug, Error)]
pub enum MemberCallError {
    /// It does not lead, or not in that term.
    #[error("{0}")]
    NotLeading(String),
    /// It must not, or cannot at the moment.
    #[error("{0}")]
    Refused(String),
    /// It has failed.
    #[error("{0}")]
    Failed(String),
}

/// A change of those that keep the log.
#[derive(Clone, Debug)]
pub enum MemberChange {
    /// One more; where its admin listener is, if that is known.
    Add(NodeId, Option<String>),
    /// One fewer.
    Remove(NodeId),
    /// One fewer that is gone for good, though too few are left to confirm that: on the word of a person.
    RemoveForced {
        /// The node.
        node: NodeId,
        /// The store of which that person accepts that events may be lost.
        accept_loss: StoreId,
        /// Who that is.
        by: String,
    },
}

/// A node that is one of several. What does not return a future may wait for the disk.
pub trait MemberCalls: Send + Sync {
    /// Another one has so much of this leader's log on disk, and its admin listener is there.
    ///
    /// # Errors
    /// When this node does not lead in that term, or has failed.
    fn acknowledge(&self, given: Acknowledgement, url: Option<String>) -> Result<(), MemberCallError>;

    /// Another one wants the promise of a term, and its admin listener is there.
    ///
    /// # Errors
    /// When this node has failed.
    fn promise(&self, request: PromiseRequest, url: Option<String>)
    -> Result<PromiseAnswer, MemberCallError>;

    /// A candidate lacks what this node has.
    ///
    /// # Errors
    /// When this node has failed.
    fn fetch(&self, request: FetchRequest) -> Result<Option<Fetched>, MemberCallError>;

    /// What it is, and what it knows of the others. It waits for nothing.
    fn now(&self) -> MembershipForm;

    /// Takes the place of the leader: with the promises of others, or without on the word of a person who names the store.
    fn promote(
        &self,
        accept_loss: Option<StoreId>,
        by: String,
    ) -> BoxFuture<'_, Result<PromotedForm, MemberCallError>>;

    /// Has another member take the place of this one.
    fn hand_over(&self, to: NodeId) -> BoxFuture<'_, Result<PromotedForm, MemberCallError>>;

    /// Changes who keeps the log.
    fn change(&self, change: MemberChange) -> BoxFuture<'_, Result<(), MemberCallError>>;
}
