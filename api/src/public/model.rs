//! The forms of the public answers, for the description. Those that are rendered by hand (see [`crate::render`]) are
//! never built from here.

use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{ApiResponse, Object, Union};
use protocol::Code;
use serde::Deserialize;
use web::{HttpError, Nullable};

use crate::node::ApiNode;

const MESSAGE: &str = "qOFoTUVkm4_f5pzBG3PoihGZbnbohjdUKhF3d6Lknxc";
const ADDRESS: &str = "WBoyG3Apqrysk957KEjaNDopjg29waZKG85HHVAhprQ";
const MILLISECONDS: u64 = 1_760_000_000_000;

/// What was scheduled, and when.
#[derive(Debug, Deserialize, Object)]
#[oai(example, rename = "Scheduled")]
pub(crate) struct ScheduledForm {
    /// The id of the item; when a transaction was assigned, the id of the assignment.
    pub(crate) id: String,
    /// The timestamp of the assignment, in milliseconds since 1970.
    pub(crate) timestamp: u64,
}

impl Example for ScheduledForm {
    fn example() -> Self {
        Self { id: MESSAGE.into(), timestamp: MILLISECONDS }
    }
}

/// The scheduler's address and time.
#[derive(Debug, Object)]
#[oai(example, rename = "Scheduler")]
pub(crate) struct SchedulerForm {
    /// The current time in milliseconds since 1970, as text.
    timestamp: String,
    /// The address of the wallet that signs the assignments.
    address: String,
}

impl SchedulerForm {
    pub(crate) fn of(node: &ApiNode) -> Self {
        Self { timestamp: node.parts.clock.now().to_string(), address: node.parts.address.to_string() }
    }
}

impl Example for SchedulerForm {
    fn example() -> Self {
        Self { timestamp: MILLISECONDS.to_string(), address: ADDRESS.into() }
    }
}

/// What a scheduler says of itself.
#[derive(ApiResponse)]
pub(super) enum SchedulerAnswer {
    /// Success.
    #[oai(status = 200)]
    Told(
        Json<SchedulerForm>,
        /// The id of the store that this node's log is in. Nodes that keep one log have one store.
        #[oai(header = "quipu-store")]
        String,
    ),
}

/// The time and the block height that an assignment would get now.
#[derive(Debug, Object)]
#[oai(example, rename = "Clock")]
pub(crate) struct ClockForm {
    /// The current time in milliseconds since 1970, as text.
    timestamp: String,
    /// The block height of Arweave, in 12 digits.
    block_height: String,
}

impl ClockForm {
    /// Refused while the height is not known.
    pub(crate) fn of(node: &ApiNode) -> Result<Self, HttpError> {
        let height = node.parts.heights.current();
        let height =
            height.ok_or_else(|| HttpError::new(Code::Unavailable, "the block height is not known yet"))?;
        let block_height = format!("{:012}", height.height);
        Ok(Self { timestamp: node.parts.clock.now().to_string(), block_height })
    }
}

impl Example for ClockForm {
    fn example() -> Self {
        Self { timestamp: MILLISECONDS.to_string(), block_height: "000001650000".into() }
    }
}

/// Who signed an item.
#[derive(Debug, Object)]
#[oai(rename = "Owner")]
pub(super) struct OwnerForm {
    /// The SHA-256 of the public key.
    address: String,
    /// The public key.
    key: String,
}

/// A tag of an item.
#[derive(Debug, Object)]
#[oai(rename = "Tag")]
pub(crate) struct TagForm {
    /// The name.
    name: String,
    /// The value.
    value: String,
}

/// A message or process as it was sent.
#[derive(Debug, Object)]
#[oai(rename = "Message")]
pub(super) struct MessageForm {
    /// The id.
    id: String,
    /// Who signed it.
    owner: OwnerForm,
    /// The data as text. Bytes that are not UTF-8 are replaced by U+FFFD.
    data: String,
    /// The tags, in the order in which they were signed.
    tags: Vec<TagForm>,
    /// The signature.
    signature: String,
    /// The anchor as text; null if there is none, or if it is not UTF-8.
    anchor: Nullable<String>,
    /// The process that it is for. Empty for a message without a target; null for a process.
    target: Nullable<String>,
}

/// What the scheduler signed about a message: its place in the process.
#[derive(Debug, Object)]
#[oai(rename = "Assignment")]
pub(super) struct AssignmentForm {
    /// The id.
    id: String,
    /// The scheduler that signed it.
    owner: OwnerForm,
    /// `Process`, `Epoch`, `Nonce`, `Hash-Chain`, `Block-Height`, `Timestamp`, `Data-Protocol`, `Type`, `Variant`,
    /// `Message` (except for the process itself), and one `Exclude` for each field that an assigned message leaves out.
    tags: Vec<TagForm>,
    /// The signature.
    signature: String,
    /// The anchor as text; null if it is not UTF-8, as random bytes rarely are. See `show-anchor`.
    anchor: Nullable<String>,
    /// Always empty.
    target: String,
}

/// One entry of a schedule.
#[derive(Debug, Object)]
#[oai(rename = "Entry")]
pub(super) struct EntryForm {
    /// The message; null if a transaction on Arweave was assigned.
    message: Nullable<MessageForm>,
    /// Its assignment; null for a process that was spawned without one.
    assignment: Nullable<AssignmentForm>,
}

/// One entry of a page.
#[derive(Debug, Object)]
#[oai(rename = "Edge")]
pub(super) struct EdgeForm {
    /// The entry.
    node: EntryForm,
    /// The value of `from` (or `from-nonce`) that reads on after this entry.
    cursor: String,
}

/// Whether there is more to read.
#[derive(Debug, Object)]
#[oai(rename = "PageInfo")]
pub(super) struct PageInfoForm {
    /// Whether there are more entries in the range.
    has_next_page: bool,
}

/// A page of a schedule.
#[derive(Debug, Object)]
#[oai(rename = "Page")]
pub(super) struct PageForm {
    /// Whether there is more to read.
    page_info: PageInfoForm,
    /// The entries, in order.
    edges: Vec<EdgeForm>,
}

/// A page if the id is that of a process, else one entry.
#[expect(clippy::large_enum_variant, reason = "no value of it is ever built")]
#[derive(Debug, Union)]
#[oai(rename = "Read")]
pub(super) enum ReadForm {
    /// The id is that of a process.
    Page(PageForm),
    /// The id is that of a message or an assignment.
    Entry(EntryForm),
}

/// A process.
#[derive(Debug, Object)]
#[oai(rename = "Process")]
pub(super) struct ProcessForm {
    /// The id.
    process_id: String,
    /// The block height at which it was spawned, in 12 digits; all zeros if it has no assignment.
    block: String,
    /// Who spawned it.
    owner: OwnerForm,
    /// The tags, in the order in which they were signed.
    tags: Vec<TagForm>,
    /// When it was spawned, in milliseconds since 1970; 0 if it has no assignment.
    timestamp: u64,
    /// The data as text; null if it is not UTF-8.
    data: Nullable<String>,
    /// The anchor as text; null if there is none, or if it is not UTF-8.
    anchor: Nullable<String>,
    /// The signature.
    signature: String,
    /// The target; null for nearly every process.
    target: Nullable<String>,
}
