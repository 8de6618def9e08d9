//! The forms of the public answers, for the description. Those that are rendered by hand (see [`crate::render`]) are
//! never built from here.

use poem_openapi::types::Example;
use poem_openapi::{Object, Union};

const MESSAGE: &str = "qOFoTUVkm4_f5pzBG3PoihGZbnbohjdUKhF3d6Lknxc";
const ADDRESS: &str = "WBoyG3Apqrysk957KEjaNDopjg29waZKG85HHVAhprQ";
const MILLISECONDS: u64 = 1_760_000_000_000;

/// What was scheduled, and when.
#[derive(Debug, Object)]
#[oai(example, rename = "Scheduled")]
pub(super) struct ScheduledForm {
    /// The id of the item; of the assignment when something on chain was assigned.
    pub(super) id: String,
    /// The timestamp of the assignment in milliseconds.
    pub(super) timestamp: u64,
}

impl Example for ScheduledForm {
    fn example() -> Self {
        Self { id: MESSAGE.into(), timestamp: MILLISECONDS }
    }
}

/// Who this scheduler is, and its time.
#[derive(Debug, Object)]
#[oai(example, rename = "Scheduler")]
pub(super) struct SchedulerForm {
    /// Now, in milliseconds, as text.
    pub(super) timestamp: String,
    /// The address of the wallet that signs the assignments.
    pub(super) address: String,
}

impl Example for SchedulerForm {
    fn example() -> Self {
        Self { timestamp: MILLISECONDS.to_string(), address: ADDRESS.into() }
    }
}

/// Time and block height as the next assignment would have them.
#[derive(Debug, Object)]
#[oai(example, rename = "Clock")]
pub(super) struct ClockForm {
    /// Now, in milliseconds, as text.
    pub(super) timestamp: String,
    /// The height of Arweave, in 12 digits.
    pub(super) block_height: String,
}

impl Example for ClockForm {
    fn example() -> Self {
        Self { timestamp: MILLISECONDS.to_string(), block_height: "000001650000".into() }
    }
}

/// Who signed.
#[derive(Debug, Object)]
#[oai(rename = "Owner")]
pub(super) struct OwnerForm {
    /// SHA-256 of the public key.
    address: String,
    /// The public key.
    key: String,
}

/// A tag of an item.
#[derive(Debug, Object)]
#[oai(rename = "Tag")]
pub(super) struct TagForm {
    /// The name.
    name: String,
    /// The value.
    value: String,
}

/// A message or process, as it was sent.
#[derive(Debug, Object)]
#[oai(rename = "Message")]
pub(super) struct MessageForm {
    /// The id.
    id: String,
    /// Who signed it.
    owner: OwnerForm,
    /// The data as text; bytes that are not UTF-8 are U+FFFD.
    data: String,
    /// The tags, in the order in which they were signed.
    tags: Vec<TagForm>,
    /// The signature.
    signature: String,
    /// The anchor; null where there is none, or where it is not UTF-8.
    anchor: Option<String>,
    /// The process that it is for. Empty for a message without one; null for a process.
    target: Option<String>,
}

/// What the scheduler signed about a message: its place in the process.
#[derive(Debug, Object)]
#[oai(rename = "Assignment")]
pub(super) struct AssignmentForm {
    /// The id.
    id: String,
    /// The scheduler.
    owner: OwnerForm,
    /// `Process`, `Epoch`, `Nonce`, `Hash-Chain`, `Block-Height`, `Timestamp`, `Data-Protocol`, `Type`, `Variant`,
    /// `Message` (not for the process itself) and an `Exclude` for each field that an assigned message leaves out.
    tags: Vec<TagForm>,
    /// The signature.
    signature: String,
    /// The anchor as text; random bytes are hardly ever text, and null then. See `show-anchor`.
    anchor: Option<String>,
    /// Empty.
    target: String,
}

/// One entry of a schedule.
#[derive(Debug, Object)]
#[oai(rename = "Entry")]
pub(super) struct EntryForm {
    /// The message; null when something was assigned that is on chain.
    message: Option<MessageForm>,
    /// Its assignment; null for a process that was spawned before processes got one.
    assignment: Option<AssignmentForm>,
}

/// One entry of a page.
#[derive(Debug, Object)]
#[oai(rename = "Edge")]
pub(super) struct EdgeForm {
    /// The entry.
    node: EntryForm,
    /// What to give as `from` (or `from-nonce`) to read on behind this entry.
    cursor: String,
}

/// Whether there is more.
#[derive(Debug, Object)]
#[oai(rename = "PageInfo")]
pub(super) struct PageInfoForm {
    /// Whether more entries remain in the range.
    has_next_page: bool,
}

/// A part of a schedule.
#[derive(Debug, Object)]
#[oai(rename = "Page")]
pub(super) struct PageForm {
    /// Whether there is more.
    page_info: PageInfoForm,
    /// The entries, in order.
    edges: Vec<EdgeForm>,
}

/// An entry, or a page when the id was that of a process.
#[expect(clippy::large_enum_variant, reason = "no value of it is ever built")]
#[derive(Debug, Union)]
#[oai(rename = "Read")]
pub(super) enum ReadForm {
    /// The id was that of a process.
    Page(PageForm),
    /// The id was that of a message or an assignment.
    Entry(EntryForm),
}

/// A process.
#[derive(Debug, Object)]
#[oai(rename = "Process")]
pub(super) struct ProcessForm {
    /// The id.
    process_id: String,
    /// The block height at which it was spawned, in 12 digits; zeros if it has no assignment.
    block: String,
    /// Who spawned it.
    owner: OwnerForm,
    /// The tags.
    tags: Vec<TagForm>,
    /// When it was spawned, in milliseconds; 0 if it has no assignment.
    timestamp: u64,
    /// The data; null if it is not UTF-8.
    data: Option<String>,
    /// The anchor; null where there is none, or where it is not UTF-8.
    anchor: Option<String>,
    /// The signature.
    signature: String,
    /// The target, which a process hardly has.
    target: Option<String>,
}
