//! The forms of what is told.

use poem_openapi::Object;
use serde::Serialize;
use web::Nullable;

/// One entry of a schedule, in short.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "ExploredRow")]
pub(super) struct ExploredRowForm {
    /// The nonce; null for a process that was spawned without an assignment.
    pub(super) nonce: Nullable<u64>,
    /// The sequence number of the event in the log of this scheduler.
    pub(super) sequence: u64,
    /// `spawned`, `scheduled`, or `assigned` for a transaction on Arweave.
    pub(super) kind: String,
    /// The id of the item or transaction; null where its assignment does not tell.
    pub(super) message: Nullable<String>,
    /// The id of the assignment; null if there is none.
    pub(super) assignment: Nullable<String>,
    /// The timestamp of the assignment, in milliseconds since 1970; null if there is none.
    pub(super) timestamp: Nullable<u64>,
    /// The block height in the assignment; null if there is none.
    pub(super) block_height: Nullable<u64>,
    /// The hash chain in the assignment; null if there is none.
    pub(super) hash_chain: Nullable<String>,
    /// The address that signed the item; null for a transaction.
    pub(super) owner: Nullable<String>,
    /// The beginning of the tag `Action`; null if there is none.
    pub(super) action: Nullable<String>,
    /// The size of the data in bytes; null for a transaction.
    pub(super) size: Nullable<u64>,
    /// Whether it was taken over from another scheduler.
    pub(super) imported: bool,
    /// `uploaded`, `waiting`, or `refused` by the upload node for good; null where nothing is uploaded.
    pub(super) upload: Nullable<String>,
}

/// What an id is at one place.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "ExploredPlace")]
pub(super) struct ExploredPlaceForm {
    /// `process`, `message`, `transaction` or `assignment`.
    pub(super) role: String,
    /// The process that it belongs to.
    pub(super) process: String,
    /// The entry there.
    pub(super) entry: ExploredRowForm,
}

/// What an id is.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "ExploredId")]
pub(super) struct ExploredIdForm {
    /// The id.
    pub(super) id: String,
    /// Whether it is the address of this scheduler.
    pub(super) is_scheduler: bool,
    /// The places, that of the process that came last first.
    pub(super) places: Vec<ExploredPlaceForm>,
    /// Whether there are more places than these.
    pub(super) has_more: bool,
    /// The sequence number of the last event that was looked at; null while there is none.
    pub(super) position: Nullable<u64>,
}

/// A process and its newest entries.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "ExploredProcess")]
pub(super) struct ExploredProcessForm {
    /// The process.
    pub(super) process: String,
    /// The newest nonce; null while it has none.
    pub(super) newest: Nullable<u64>,
    /// The entries, the newest first.
    pub(super) entries: Vec<ExploredRowForm>,
    /// The value of `before` that reads on; null at the end.
    pub(super) next: Nullable<u64>,
    /// The URL of the node where it goes on, if it has moved from here: what came since is not told here.
    pub(super) moved_to: Nullable<String>,
}

/// One assignment.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "ExploredLink")]
pub(super) struct ExploredLinkForm {
    /// Its nonce.
    pub(super) nonce: u64,
    /// Its bytes, in base64url.
    pub(super) bytes: String,
}

/// Assignments of a process.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "ExploredChain")]
pub(super) struct ExploredChainForm {
    /// The process.
    pub(super) process: String,
    /// The assignments, in the order of their nonces.
    pub(super) links: Vec<ExploredLinkForm>,
    /// The value of `after` that reads on; null at the end.
    pub(super) next: Nullable<u64>,
}
