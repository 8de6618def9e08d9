//! What gateways answer, read: nothing that they may send does more than give an error.

use std::{
    collections::HashSet,
    num::{IntErrorKind, ParseIntError},
    sync::Arc,
    time::Duration,
};

use ans104::{Address, Id};
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    AnswerError, Confirmations, HEIGHT_MAX, LocationBlock, LocationKind, LocationRecord, Transaction,
    TransactionOwner, error::excerpt, locations::RECORDS_MAX,
};

/// The height in the answer to `/info`.
pub(super) fn height(body: &[u8]) -> Result<u64, AnswerError> {
    #[derive(Deserialize)]
    struct Info {
        height: u64,
    }
    let Info { height } = json(body)?;
    if height > HEIGHT_MAX { Err(AnswerError::Height { height, max: HEIGHT_MAX }) } else { Ok(height) }
}

/// The answer to `/tx/{id}/status` for a transaction that is in a block.
pub(super) fn confirmations(body: &[u8]) -> Result<Confirmations, AnswerError> {
    #[derive(Deserialize)]
    struct Status {
        block_height: u64,
        number_of_confirmations: u64,
    }
    let status: Status = json(body)?;
    Ok(Confirmations {
        block_height: Some(status.block_height),
        number_of_confirmations: status.number_of_confirmations,
    })
}

/// The transaction of this id among those that GraphQL answers.
pub(super) fn transaction(body: &[u8], id: Id) -> Result<Option<Transaction>, AnswerError> {
    let text = id.to_string();
    let node = nodes::<Node>(body)?.into_iter().find(|node| node.id == text);
    Ok(node.map(|node| node.into_transaction(id)))
}

/// Those of the ids asked for that GraphQL answers.
pub(super) fn known(body: &[u8], asked: &[Id]) -> Result<HashSet<Id>, AnswerError> {
    let found = nodes::<NodeId>(body)?.into_iter().filter_map(|node| node.id.parse().ok());
    Ok(found.filter(|id| asked.contains(id)).collect())
}

/// Whether there is any.
pub(super) fn is_any(body: &[u8]) -> Result<bool, AnswerError> {
    Ok(!nodes::<NodeId>(body)?.is_empty())
}

/// What a record says in one tag is a URL or a number.
const TEXT_BYTES_MAX: usize = 2_000;

/// The records of where this wallet's scheduler is. Whoever answers with anything else has not looked for what was asked.
pub(crate) fn locations_of(
    body: &[u8],
    wallet: Address,
    kind: LocationKind,
) -> Result<Vec<LocationRecord>, AnswerError> {
    let found = nodes::<LocationNode>(body)?;
    if found.len() > RECORDS_MAX {
        return Err(AnswerError::TooMany(RECORDS_MAX));
    }
    if found.iter().any(|node| node.owner.address.parse() != Ok(wallet) || !node.is(kind)) {
        return Err(AnswerError::Unasked("records of where the scheduler of this wallet is"));
    }
    let heights = found.iter().filter_map(|node| node.block.as_ref()).map(|block| block.height);
    if let Some(height) = heights.max().filter(|height| *height > HEIGHT_MAX) {
        return Err(AnswerError::Height { height, max: HEIGHT_MAX });
    }
    let records = found.into_iter().map(|node| node.into_record(kind));
    // One that is left out would be missing.
    records.collect::<Option<_>>().ok_or(AnswerError::Unasked("records with an id each"))
}

/// The transactions that GraphQL answers, or what it says is wrong.
fn nodes<N: DeserializeOwned>(body: &[u8]) -> Result<Vec<N>, AnswerError> {
    let GraphQl::<N> { data, errors } = json(body)?;
    match (data, errors.and_then(|errors| errors.into_iter().next())) {
        (Some(data), None) => Ok(data.transactions.edges.into_iter().map(|edge| edge.node).collect()),
        (_, Some(error)) => Err(AnswerError::Complaint(excerpt(error.message.as_bytes()))),
        (None, None) => Err(AnswerError::Nothing),
    }
}

fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, AnswerError> {
    serde_json::from_slice(body)
        .map_err(|cause| AnswerError::Json { excerpt: excerpt(body), cause: Arc::new(cause) })
}

#[derive(Deserialize)]
#[serde(bound = "N: DeserializeOwned")]
struct GraphQl<N> {
    data: Option<GraphQlData<N>>,
    #[serde(default)]
    errors: Option<Vec<GraphQlError>>,
}

#[derive(Deserialize)]
struct GraphQlError {
    message: String,
}

#[derive(Deserialize)]
#[serde(bound = "N: DeserializeOwned")]
struct GraphQlData<N> {
    transactions: Edges<N>,
}

#[derive(Deserialize)]
#[serde(bound = "N: DeserializeOwned")]
struct Edges<N> {
    edges: Vec<Edge<N>>,
}

#[derive(Deserialize)]
#[serde(bound = "N: DeserializeOwned")]
struct Edge<N> {
    node: N,
}

#[derive(Deserialize)]
struct NodeId {
    id: String,
}

#[derive(Deserialize)]
struct LocationNode {
    id: String,
    owner: NodeOwner,
    tags: Vec<NodeTag>,
    block: Option<NodeBlock>,
}

#[derive(Deserialize)]
struct NodeBlock {
    height: u64,
    /// In seconds.
    timestamp: u64,
}

impl LocationNode {
    fn is(&self, kind: LocationKind) -> bool {
        let has =
            |name: &str, value: &str| self.tags.iter().any(|tag| tag.name == name && tag.value == value);
        match kind {
            LocationKind::SchedulerLocation => {
                has("Data-Protocol", "ao") && has("Type", "Scheduler-Location")
            }
            LocationKind::Lowercase => has("type", "location"),
            LocationKind::TitleCase => has("Type", "Location") || has("Type", "Scheduler-Location"),
        }
    }

    fn into_record(self, kind: LocationKind) -> Option<LocationRecord> {
        let is_named = |tag: &NodeTag, name: &str| match kind {
            LocationKind::SchedulerLocation => tag.name == name,
            LocationKind::Lowercase | LocationKind::TitleCase => tag.name.eq_ignore_ascii_case(name),
        };
        // Of one that is there twice nobody knows which counts; one without end says nothing.
        let text = |name: &str| {
            let mut found = self.tags.iter().filter(|tag| is_named(tag, name));
            let only = found.next().filter(|_| found.next().is_none()).map(|tag| tag.value.clone());
            only.filter(|text| text.len() <= TEXT_BYTES_MAX)
        };
        let number = |name: &str| text(name).and_then(|text| text.parse().ok());
        let nonces =
            self.tags.iter().filter(|tag| is_named(tag, "Nonce")).filter_map(|tag| nonce(&tag.value));
        Some(LocationRecord {
            id: self.id.parse().ok()?,
            url: text("Url"),
            variant: text("Variant"),
            time_to_live: number("Time-To-Live").map(Duration::from_millis),
            nonce: nonces.max(),
            block: self.block.as_ref().map(|block| LocationBlock {
                height: block.height,
                time: block.timestamp.saturating_mul(1000),
            }),
        })
    }
}

/// The nonce that a text says: one beyond all numbers counts as the highest.
fn nonce(text: &str) -> Option<u64> {
    text.parse()
        .or_else(|error: ParseIntError| match error.kind() {
            IntErrorKind::PosOverflow => Ok(u64::MAX),
            _ => Err(error),
        })
        .ok()
}

#[derive(Deserialize)]
struct Node {
    id: String,
    signature: Option<String>,
    anchor: Option<String>,
    owner: NodeOwner,
    tags: Vec<NodeTag>,
    recipient: Option<String>,
}

#[derive(Deserialize)]
struct NodeOwner {
    key: Option<String>,
    address: String,
}

#[derive(Deserialize)]
struct NodeTag {
    name: String,
    value: String,
}

impl Node {
    fn into_transaction(self, id: Id) -> Transaction {
        let owner = TransactionOwner { key: self.owner.key.unwrap_or_default(), address: self.owner.address };
        Transaction {
            id,
            signature: self.signature.unwrap_or_default(),
            anchor: self.anchor.unwrap_or_default(),
            owner,
            tags: self.tags.into_iter().map(|tag| (tag.name, tag.value)).collect(),
            recipient: self.recipient.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests;
