//! The names of the tags that the protocol knows.
//!
//! Clients of one kind write them as here, those of another (HyperBEAM) in lower case: they are compared without case.

use ans104::{Item, Tag};

/// Whether a tag has this name, however it is written.
pub fn has_name(tag: &Tag<'_>, name: &str) -> bool {
    tag.name.eq_ignore_ascii_case(name)
}

/// The value of the first tag with this name, however it is written. Tags that cannot be read, and what is behind them,
/// are not looked at.
pub fn find<'a>(item: &Item<'a>, name: &str) -> Option<&'a str> {
    item.tags().map_while(Result::ok).find(|tag| has_name(tag, name)).map(|tag| tag.value)
}

/// What an item is: [`values::PROCESS`](crate::values::PROCESS), [`values::MESSAGE`](crate::values::MESSAGE) or
/// [`values::ASSIGNMENT`](crate::values::ASSIGNMENT).
pub const TYPE: &str = "Type";
/// Which protocol an item speaks: [`values::AO`](crate::values::AO).
pub const DATA_PROTOCOL: &str = "Data-Protocol";
/// Which version of the protocol: [`values::AO_TN_1`](crate::values::AO_TN_1).
pub const VARIANT: &str = "Variant";

/// Of a process: the transaction that holds its program.
pub const MODULE: &str = "Module";
/// Of a process: the address of its scheduler's wallet.
pub const SCHEDULER: &str = "Scheduler";
/// Of a process: what its program is given first, its own data or a transaction.
pub const ON_BOOT: &str = "On-Boot";
/// Of a process: how many confirmations it wants to see of a base-layer transaction that is assigned to it.
pub const SETTLEMENT_DEPTH: &str = "Settlement-Depth";
/// Of a process: the address of a wallet whose messages it trusts; any number of them.
pub const AUTHORITY: &str = "Authority";

/// Of a message: the process that it was pushed for.
pub const FROM_PROCESS: &str = "From-Process";
/// Of a message: the message whose evaluation it came out of.
pub const PUSHED_FOR: &str = "Pushed-For";

/// Of an assignment: the process.
pub const PROCESS: &str = "Process";
/// Of an assignment: the epoch, which is 0 always.
pub const EPOCH: &str = "Epoch";
/// Of an assignment: the place within the process.
pub const NONCE: &str = "Nonce";
/// Of an assignment: what binds it to all before it in its process.
pub const HASH_CHAIN: &str = "Hash-Chain";
/// Of an assignment: the height of the chain.
pub const BLOCK_HEIGHT: &str = "Block-Height";
/// Of an assignment: the time, in milliseconds since 1970-01-01 UTC.
pub const TIMESTAMP: &str = "Timestamp";
/// Of an assignment: the id of the message.
pub const MESSAGE: &str = "Message";
/// Of an assignment: what the compute unit shall leave out of the message; any number of them.
pub const EXCLUDE: &str = "Exclude";

/// Of a record that says where a scheduler is: where.
pub const URL: &str = "Url";
/// Of the same: for how many milliseconds it counts.
pub const TIME_TO_LIVE: &str = "Time-To-Live";
