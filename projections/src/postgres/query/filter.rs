//! What is asked for. All conditions of a filter have to hold; one that is left out is none.

use super::entry::EntryKind;

/// A tag that has to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagIs {
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
}

/// A tag that has to be there with one of these values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagAnyOf {
    /// The name.
    pub name: String,
    /// The values.
    pub values: Vec<String>,
}

/// Which processes.
#[derive(Clone, Debug, Default)]
pub struct ProcessFilter {
    /// Spawned by this address.
    pub owner: Option<String>,
    /// With all of these tags.
    pub tags: Vec<TagIs>,
    /// Spawned at this time or later, in milliseconds.
    pub from: Option<i64>,
    /// Spawned at this time or earlier.
    pub to: Option<i64>,
}

/// Which messages.
#[derive(Clone, Debug, Default)]
pub struct MessageFilter {
    /// Of this process.
    pub process: Option<String>,
    /// Signed by this address.
    pub owner: Option<String>,
    /// For this recipient.
    pub recipient: Option<String>,
    /// With all of these tags.
    pub tags: Vec<TagIs>,
    /// With this value of the tag `Action`.
    pub action: Option<String>,
    /// Of this time or later, in milliseconds.
    pub from: Option<i64>,
    /// Of this time or earlier.
    pub to: Option<i64>,
    /// With this nonce or a greater one.
    pub from_nonce: Option<i64>,
    /// With this nonce or a lesser one.
    pub to_nonce: Option<i64>,
    /// Of this kind.
    pub kind: Option<EntryKind>,
}

/// Which items, as gateways are asked for them; an empty list is no condition.
#[derive(Clone, Debug, Default)]
pub struct TransactionFilter {
    /// With one of these ids.
    pub ids: Vec<String>,
    /// Signed by one of these addresses.
    pub owners: Vec<String>,
    /// For one of these recipients.
    pub recipients: Vec<String>,
    /// With each of these tags.
    pub tags: Vec<TagAnyOf>,
    /// Of this time or later, in milliseconds.
    pub from: Option<i64>,
    /// Of this time or earlier.
    pub to: Option<i64>,
}
