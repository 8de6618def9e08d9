//! The forms of answers, for the description. Those that are rendered by hand (see [`crate::render`]) are never
//! built from here; the tests parse what was rendered back into these.

use poem_openapi::types::Example;
use poem_openapi::{Object, Union};

const ID: &str = "N3to2IOtL2CSIK9XluQ3P6Mx-A2j-nd6qqcvYkoKbsI";
const MESSAGE: &str = "qOFoTUVkm4_f5pzBG3PoihGZbnbohjdUKhF3d6Lknxc";
const ADDRESS: &str = "WBoyG3Apqrysk957KEjaNDopjg29waZKG85HHVAhprQ";
const MILLISECONDS: u64 = 1_760_000_000_000;

/// Something was refused or went wrong.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct Error {
    /// What was wrong, and what was expected: for a person.
    error: String,
    /// What kind of failure it is: for a program.
    #[oai(validator(pattern = "^[a-z_]+$"))]
    code: String,
}

impl Example for Error {
    fn example() -> Self {
        Self {
            error: format!("process {ID} has no message or assignment {MESSAGE}"),
            code: "not_found".into(),
        }
    }
}

/// What was scheduled, and when.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct Scheduled {
    /// The id of the item; of the assignment when something on chain was assigned.
    pub(crate) id: String,
    /// The timestamp of the assignment in milliseconds.
    pub(crate) timestamp: u64,
}

impl Example for Scheduled {
    fn example() -> Self {
        Self { id: MESSAGE.into(), timestamp: MILLISECONDS }
    }
}

/// Who this scheduler is, and its time.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct Scheduler {
    /// Now, in milliseconds, as text.
    pub(crate) timestamp: String,
    /// The address of the wallet that signs the assignments.
    pub(crate) address: String,
}

impl Example for Scheduler {
    fn example() -> Self {
        Self { timestamp: MILLISECONDS.to_string(), address: ADDRESS.into() }
    }
}

/// Time and block height as the next assignment would have them.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct Clock {
    /// Now, in milliseconds, as text.
    pub(crate) timestamp: String,
    /// The height of Arweave, in 12 digits.
    pub(crate) block_height: String,
}

impl Example for Clock {
    fn example() -> Self {
        Self { timestamp: MILLISECONDS.to_string(), block_height: "000001650000".into() }
    }
}

/// Who signed.
#[derive(Debug, Object)]
pub(crate) struct Owner {
    /// SHA-256 of the public key.
    address: String,
    /// The public key.
    key: String,
}

/// A tag of an item.
#[derive(Debug, Object)]
pub(crate) struct Tag {
    /// The name.
    name: String,
    /// The value.
    value: String,
}

/// A message or process, as it was sent.
#[derive(Debug, Object)]
pub(crate) struct Message {
    /// The id.
    id: String,
    /// Who signed it.
    owner: Owner,
    /// The data as text; bytes that are not UTF-8 are U+FFFD.
    data: String,
    /// The tags, in the order in which they were signed.
    tags: Vec<Tag>,
    /// The signature.
    signature: String,
    /// The anchor; null where there is none, or where it is not UTF-8.
    anchor: Option<String>,
    /// The process that it is for. Empty for a message without one; null for a process.
    target: Option<String>,
}

/// What the scheduler signed about a message: its place in the process.
#[derive(Debug, Object)]
pub(crate) struct Assignment {
    /// The id.
    id: String,
    /// The scheduler.
    owner: Owner,
    /// `Process`, `Epoch`, `Nonce`, `Hash-Chain`, `Block-Height`, `Timestamp`, `Data-Protocol`, `Type`, `Variant`,
    /// `Message` (not for the process itself) and an `Exclude` for each field that an assigned message leaves out.
    tags: Vec<Tag>,
    /// The signature.
    signature: String,
    /// The anchor as text; random bytes are hardly ever text, and null then. See `show-anchor`.
    anchor: Option<String>,
    /// Empty.
    target: String,
}

/// One entry of a schedule.
#[derive(Debug, Object)]
pub(crate) struct Entry {
    /// The message; null when something was assigned that is on chain.
    message: Option<Message>,
    /// Its assignment; null for a process that was spawned before processes got one.
    assignment: Option<Assignment>,
}

/// One entry of a page.
#[derive(Debug, Object)]
pub(crate) struct Edge {
    /// The entry.
    node: Entry,
    /// What to give as `from` (or `from-nonce`) to read on behind this entry.
    cursor: String,
}

/// Whether there is more.
#[derive(Debug, Object)]
pub(crate) struct PageInfo {
    /// Whether more entries remain in the range.
    has_next_page: bool,
}

/// A part of a schedule.
#[derive(Debug, Object)]
pub(crate) struct Page {
    /// Whether there is more.
    page_info: PageInfo,
    /// The entries, in order.
    edges: Vec<Edge>,
}

/// An entry, or a page when the id was that of a process.
#[expect(clippy::large_enum_variant, reason = "no value of it is ever built")]
#[derive(Debug, Union)]
pub(crate) enum Read {
    /// The id was that of a process.
    Page(Page),
    /// The id was that of a message or an assignment.
    Entry(Entry),
}

/// A process.
#[derive(Debug, Object)]
pub(crate) struct Process {
    /// The id.
    process_id: String,
    /// The block height at which it was spawned, in 12 digits; zeros if it has no assignment.
    block: String,
    /// Who spawned it.
    owner: Owner,
    /// The tags.
    tags: Vec<Tag>,
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

/// How a node does.
#[derive(Debug, Object)]
pub(crate) struct Status {
    /// Which version of the software it is.
    pub(crate) version: String,
    /// For how long it has been running.
    pub(crate) uptime_seconds: f64,
    /// The address of the wallet that signs.
    pub(crate) address: String,
    /// Which store it writes.
    pub(crate) store: String,
    /// In which term.
    pub(crate) term: u64,
    /// The newest durable event; null while there is none.
    pub(crate) tail: Option<u64>,
    /// Why the log takes no more writes; null while it does.
    pub(crate) log_failure: Option<String>,
    /// The block height; null while none is known.
    pub(crate) height: Option<Height>,
    /// What follows the log.
    pub(crate) projections: Vec<Projection>,
    /// What is not uploaded; null where nothing is.
    pub(crate) uploads: Option<Unsent>,
}

/// What is not uploaded.
#[derive(Debug, Object)]
pub(crate) struct Unsent {
    /// Events that the upload node has neither taken nor refused.
    pub(crate) backlog: u64,
    /// Items and assignments that it refused for good.
    pub(crate) dead_letters: u64,
}

/// The height of Arweave as last heard.
#[derive(Debug, Object)]
pub(crate) struct Height {
    /// The height.
    pub(crate) number: u64,
    /// How long ago it was heard.
    pub(crate) age_seconds: f64,
}

/// How a projection does.
#[derive(Debug, Object)]
pub(crate) struct Projection {
    /// Which one.
    pub(crate) name: String,
    /// The last event that it has; null while it is empty.
    pub(crate) position: Option<u64>,
    /// How many events it lacks.
    pub(crate) lag_events: u64,
    /// For how long it has lacked some.
    pub(crate) lag_seconds: f64,
    /// Whether it goes on: `following`, `failing` and trying again, `waiting` for somebody else, or `needs_rebuild`.
    pub(crate) standing: String,
    /// What keeps it from going on; null if nothing does.
    pub(crate) error: Option<String>,
}
