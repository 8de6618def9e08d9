//! The seam between a scheduler unit and Arweave: what can be asked, and what comes back.

use std::ops::RangeInclusive;
use std::sync::Arc;

use ans104::{Address, DeepHash, Id};
use async_trait::async_trait;

use crate::GatewayError;

/// How deep a transaction is in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confirmations {
    /// The height of its block; `None` while it waits for one.
    pub block_height: Option<u64>,
    /// Blocks from its own to the newest, both counted; 0 while it waits for one.
    pub number_of_confirmations: u64,
}

/// Who signed a transaction, as base64url text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransactionOwner {
    /// The public key; empty where the gateway does not have it.
    pub key: String,
    /// The SHA-256 of the key.
    pub address: String,
}

/// What a gateway says of a transaction or item. Nothing of it is verified: it is the gateway's
/// word, in the gateway's text forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// The id that was asked for.
    pub id: Id,
    /// base64url; empty where the gateway does not have it.
    pub signature: String,
    /// base64url; empty for none.
    pub anchor: String,
    /// Who signed it.
    pub owner: TransactionOwner,
    /// Names and values, in their order.
    pub tags: Vec<(String, String)>,
    /// The target, base64url; empty for none.
    pub recipient: String,
}

impl Transaction {
    /// How many bytes it takes in memory, about: those of its text, and what each tag takes beside its own.
    pub(crate) fn bytes(&self) -> usize {
        let Self { signature, anchor, owner, tags, recipient, .. } = self;
        let of_tag = |(name, value): &(String, String)| {
            size_of_val(name) + size_of_val(value) + name.len() + value.len()
        };
        let tags: usize = tags.iter().map(of_tag).sum();
        signature.len() + anchor.len() + owner.key.len() + owner.address.len() + recipient.len() + tags
    }
}

/// What gateways of other places say of the height.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OtherHeights {
    /// How many there are to be asked.
    pub asked: usize,
    /// What they tell; those that tell nothing are left out.
    pub told: Vec<u64>,
}

/// What a scheduler unit asks of Arweave.
///
/// `None` is the answer "not known here". Every method returns in bounded time, and may be called
/// again after any error, which is an error of the question and not of the thing asked for.
#[async_trait]
pub trait Gateway: Send + Sync {
    /// How deep the base-layer transaction `tx` is; `None` for what is no base-layer transaction
    /// known there.
    async fn confirmations(&self, tx: Id) -> Result<Option<Confirmations>, GatewayError>;

    /// What `id`, a transaction or an item in a bundle, says of itself.
    async fn transaction(&self, id: Id) -> Result<Option<Arc<Transaction>>, GatewayError>;

    /// The deep hash of the data of `id`, however long the data is.
    async fn data_hash(&self, id: Id) -> Result<Option<DeepHash>, GatewayError>;

    /// Whether any of several gateways has `id`. An error only when none of them said either.
    async fn exists(&self, id: Id) -> Result<bool, GatewayError>;

    /// Whether an assignment of a process with one of these nonces, signed by one of these wallets, is known there.
    async fn is_assigned(
        &self,
        process: Id,
        nonces: RangeInclusive<u64>,
        by: &[Address],
    ) -> Result<bool, GatewayError>;

    /// The height of the newest block, at most [`HEIGHT_MAX`](crate::HEIGHT_MAX).
    async fn network_height(&self) -> Result<u64, GatewayError>;

    /// The same height as gateways of other places tell it, each asked once.
    async fn heights_elsewhere(&self) -> OtherHeights {
        OtherHeights::default()
    }
}
