//! Why something is not let in, with the code that tells the client what it can do about it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use protocol::{Code, ProcessId};
use thiserror::Error;

use crate::metrics;

/// Why something is not let in.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LimitRefusal {
    /// The operator's list of addresses does not have that of the client.
    #[error("messages are taken from some addresses only, and {0} is none of them")]
    Address(IpAddr),
    /// A proxy says what cannot be true.
    #[error(
        "messages are taken from some addresses only, and the headers X-Real-IP and X-Forwarded-For do not say clearly \
         which one this is from: expected one address, and the same in both if both are there"
    )]
    UnclearAddress,
    /// A list that says who is let in was never read.
    #[error("nobody can be let in yet: {0} has not been read since this program started; try again")]
    ListUnknown(&'static str),
    /// The address has sent too many requests.
    #[error("too many requests from this address; the next one is taken in {} seconds", seconds(*.0))]
    TooMany(Duration),
    /// The operator's list of processes does not have it.
    #[error("process {0} is not one of those that messages are taken for here")]
    Process(ProcessId),
    /// It is on that list, to be read alone.
    #[error("process {0} takes no messages any more: its scheduler only answers reads of it")]
    ReadOnly(ProcessId),
    /// The message is too long.
    #[error("the message has {bytes} bytes, and at most {bytes_max} are taken")]
    TooLong {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        bytes_max: usize,
    },
    /// The router has another scheduler for it.
    #[error("process {process} is not to be spawned here: the router has placed it at {at}")]
    PlacedElsewhere {
        /// The process.
        process: ProcessId,
        /// Where it belongs.
        at: String,
    },
    /// The router knows nothing of it.
    #[error("process {0} is not to be spawned here: the router has not placed it; send it to the router")]
    NotPlaced(ProcessId),
    /// Nobody says where it belongs.
    #[error("it is not known whether the process is to be spawned here: {reason}; try again")]
    PlaceUnknown {
        /// What is said instead.
        reason: Arc<str>,
        /// For how long whoever was asked wants to be left alone, if it said so.
        wait: Option<Duration>,
    },
}

impl LimitRefusal {
    /// The code that tells the client what it can do about it.
    pub fn code(&self) -> Code {
        match self {
            Self::Address(_)
            | Self::UnclearAddress
            | Self::Process(_)
            | Self::ReadOnly(_)
            | Self::PlacedElsewhere { .. }
            | Self::NotPlaced(_) => Code::Forbidden,
            Self::TooLong { .. } => Code::TooLarge,
            // It is over by itself, and the client has done nothing wrong.
            Self::ListUnknown(_) | Self::TooMany(_) | Self::PlaceUnknown { .. } => Code::Unavailable,
        }
    }

    /// In how many seconds there may be another request, when it is one too many.
    pub fn too_many(&self) -> Option<u32> {
        match self {
            Self::TooMany(wait) => Some(seconds(*wait)),
            _ => None,
        }
    }

    /// In how many seconds the same may be let in, if anybody has said so.
    pub fn retry_after(&self) -> Option<u32> {
        match self {
            Self::TooMany(wait) | Self::PlaceUnknown { wait: Some(wait), .. } => Some(seconds(*wait)),
            _ => None,
        }
    }

    /// Counts it, once for each request that it ends.
    pub fn count(&self) {
        metrics::refused(self.reason());
    }

    /// What it is called in metrics.
    fn reason(&self) -> &'static str {
        match self {
            Self::Address(_) | Self::UnclearAddress => "address",
            Self::ListUnknown(_) => "list_unknown",
            Self::TooMany(_) => "rate",
            Self::Process(_) => "process",
            Self::ReadOnly(_) => "read_only",
            Self::TooLong { .. } => "size",
            Self::PlacedElsewhere { .. } | Self::NotPlaced(_) => "placement",
            Self::PlaceUnknown { .. } => "placement_unknown",
        }
    }
}

/// Whole seconds after which it is over.
fn seconds(wait: Duration) -> u32 {
    let whole = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX);
    whole.saturating_add(u32::from(wait.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn whoever_is_told_to_wait_waits_long_enough() {
        for (millis, whole) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (59_999, 60)] {
            let refusal = LimitRefusal::TooMany(Duration::from_millis(millis));
            assert_eq!(refusal.too_many(), Some(whole), "{millis}");
            assert!(refusal.to_string().contains(&format!("in {whole} seconds")), "{refusal}");
        }
    }
}
