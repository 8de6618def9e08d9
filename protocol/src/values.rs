//! The values of tags that the protocol fixes.

/// The protocol ([`tags::DATA_PROTOCOL`](crate::tags::DATA_PROTOCOL)).
pub const AO: &str = "ao";
/// Its version ([`tags::VARIANT`](crate::tags::VARIANT)).
pub const AO_TN_1: &str = "ao.TN.1";

/// The type of a process ([`tags::TYPE`](crate::tags::TYPE)).
pub const PROCESS: &str = "Process";
/// The type of a message.
pub const MESSAGE: &str = "Message";
/// The type of an assignment.
pub const ASSIGNMENT: &str = "Assignment";
/// The type of the record that says where a scheduler is.
pub const SCHEDULER_LOCATION: &str = "Scheduler-Location";
/// The type of the signed record of a process that was spawned without an assignment; it is never served.
pub const PROCESS_RECORD: &str = "Process-Record";

/// A process that boots from its own data ([`tags::ON_BOOT`](crate::tags::ON_BOOT)).
pub const BOOT_DATA: &str = "Data";
/// The one epoch that there is ([`tags::EPOCH`](crate::tags::EPOCH)).
pub const EPOCH_0: &str = "0";
/// What the name or value of a tag ends in that stands for something elsewhere. Links are of another variant of the
/// protocol.
pub const LINK_SUFFIX: &str = "+link";
