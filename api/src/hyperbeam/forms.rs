//! The forms of the answers, for the description. Schedules are rendered by hand (see [`crate::render`]) and never built
//! from here.

use std::collections::HashMap;

use poem_openapi::payload::{Json, PlainText};
use poem_openapi::types::Any;
use poem_openapi::{ApiResponse, Object, Union};
use serde_json::Value;
use web::Nullable;

use crate::public::TagForm;

/// Where an item is.
#[derive(Debug, Object)]
#[oai(rename = "Placed")]
pub(super) struct PlacedForm {
    /// The id of the assignment.
    pub(super) id: String,
    /// The process.
    pub(super) process: String,
    /// The place in the process.
    pub(super) slot: u64,
    /// The timestamp of the assignment, in milliseconds since 1970.
    pub(super) timestamp: u64,
}

/// An item is in its place.
#[derive(ApiResponse)]
pub(super) enum PlacedAnswer {
    /// The item is scheduled, now or since it came first.
    #[oai(status = 200)]
    Placed(
        Json<PlacedForm>,
        /// The process.
        #[oai(header = "process")]
        String,
        /// The place in the process.
        #[oai(header = "slot")]
        u64,
        /// The timestamp of the assignment, in milliseconds since 1970.
        #[oai(header = "timestamp")]
        u64,
    ),
}

/// How far a process is.
#[derive(Debug, Object)]
#[oai(rename = "Slot")]
pub(super) struct SlotForm {
    /// The process.
    pub(super) process: String,
    /// Its newest slot.
    pub(super) current: u64,
    /// The current time in milliseconds since 1970.
    pub(super) timestamp: u64,
    /// The block height of Arweave.
    #[oai(rename = "block-height")]
    pub(super) block_height: u64,
    /// The address of the wallet that signs the assignments.
    pub(super) addresses: Vec<String>,
}

/// How far a process is.
#[derive(ApiResponse)]
pub(super) enum SlotAnswer {
    /// The newest slot.
    #[oai(status = 200)]
    Slot(
        Json<SlotForm>,
        /// It is not to be kept.
        #[oai(header = "cache-control")]
        String,
    ),
}

/// How far a process is, as text.
#[derive(ApiResponse)]
pub(super) enum SlotTextAnswer {
    /// The newest slot.
    #[oai(status = 200)]
    Slot(
        PlainText<String>,
        /// It is not to be kept.
        #[oai(header = "cache-control")]
        String,
    ),
}

/// A part of a schedule.
#[derive(Debug, Union)]
#[oai(rename = "Slots")]
pub(super) enum SlotsForm {
    /// As `application/aos-2`.
    Aos2(Aos2Form),
    /// As `application/json`.
    Bundle(BundleForm),
}

/// A part of a schedule as aos-2.
#[derive(Debug, Object)]
#[oai(rename = "Aos2")]
pub(super) struct Aos2Form {
    /// The entries, in order.
    edges: Vec<Aos2EdgeForm>,
    /// What is around them.
    page_info: Aos2InfoForm,
}

/// An entry as aos-2.
#[derive(Debug, Object)]
#[oai(rename = "Aos2Edge")]
struct Aos2EdgeForm {
    /// The slot.
    cursor: u64,
    /// The entry.
    node: Aos2NodeForm,
}

/// An entry as aos-2.
#[derive(Debug, Object)]
#[oai(rename = "Aos2Node")]
struct Aos2NodeForm {
    /// What the scheduler signed.
    assignment: Aos2ItemForm,
    /// What it is about. Of what is on chain there is the field `Id` alone.
    message: Aos2ItemForm,
}

/// An item as aos-2. What is not known is empty.
#[derive(Debug, Object)]
#[oai(rename = "Aos2Item")]
struct Aos2ItemForm {
    /// The id.
    #[oai(rename = "Id")]
    id: String,
    /// The tags, in the order in which they were signed.
    #[oai(rename = "Tags")]
    tags: Option<Vec<TagForm>>,
    /// The process that it was pushed from, or else the owner.
    #[oai(rename = "From")]
    from: Option<String>,
    /// The address of who signed it.
    #[oai(rename = "Owner")]
    owner: Option<String>,
    /// The public key.
    #[oai(rename = "PublicKey")]
    public_key: Option<String>,
    /// The signature.
    #[oai(rename = "Signature")]
    signature: Option<String>,
    /// The anchor, where it is text.
    #[oai(rename = "Anchor")]
    anchor: Option<String>,
    /// The process that it is for.
    #[oai(rename = "Target")]
    target: Option<String>,
    /// The data as text; null if it is not UTF-8.
    #[oai(rename = "Data")]
    data: Option<Nullable<String>>,
}

/// What is around the entries.
#[derive(Debug, Object)]
#[oai(rename = "Aos2PageInfo")]
struct Aos2InfoForm {
    /// The process.
    process: String,
    /// The current time in milliseconds since 1970, as text.
    timestamp: String,
    /// The block height of Arweave, as text.
    #[oai(rename = "block-height")]
    block_height: String,
    /// Whether there are more entries in the range.
    has_next_page: bool,
}

/// A part of a schedule as a view for people, without signatures.
#[derive(Debug, Object)]
#[oai(rename = "SlotBundle")]
pub(super) struct BundleForm {
    /// Always `schedule`.
    r#type: String,
    /// The process.
    process: String,
    /// Whether there are more entries in the range.
    continues: bool,
    /// The current time in milliseconds since 1970.
    timestamp: u64,
    /// The block height of Arweave.
    #[oai(rename = "block-height")]
    block_height: u64,
    /// The entries by slot: each has `slot`, `process`, `timestamp`, and in `body` the id and the tags of the message.
    assignments: HashMap<String, Any<Value>>,
}
