//! The record on Arweave that says where a scheduler is: clients find the scheduler of a process by the wallet that the
//! process names, and by that wallet's record.
//!
//! A [`LocationKeeper`] holds what gateways tell against what the record should say, and publishes it when they do not have
//! it, or have it no longer for long. Each publication is kept for ever before anything is sent ([`Publications`]), so
//! that neither a restart nor whoever takes its place repeats it. [`LocationCalls`] are what operators ask and order.

mod record;
mod decision;
mod publications;
mod waiting;
mod pending;
mod gateways;
mod now;
mod earlier;
mod keeper;
mod handle;
mod seat;
mod readers;
mod calls;
mod metrics;

pub use calls::LocationCalls;
pub use earlier::EarlierWallet;
pub use gateways::{LocationGateways, LocationServices};
pub use handle::{LocationError, LocationHandle, LocationOutcome};
pub use keeper::{LocationKeeper, LocationParts, TellTime};
pub use log::Publication;
pub use metrics::describe;
pub use now::{GatewayNow, LocationHealth, LocationNow};
pub use publications::{
    KeptPublication, LogPublications, PublicationState, Publications, PublicationsError, PublishingRefusal,
};
pub use readers::{HYPERBEAM, HyperbeamRecords, LocationReading, readings};
pub use seat::LocationSeat;
pub use waiting::WaitingRecords;
