//! What the store of a node is for.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What the store of a node is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StandingRole {
    /// It schedules.
    Leader,
    /// It follows a leader, and may take its place.
    Standby,
    /// It follows a leader for reading alone.
    Observer,
    /// It led, and another node leads by now.
    Fenced,
}

impl fmt::Display for StandingRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Leader => "leader",
            Self::Standby => "standby",
            Self::Observer => "observer",
            Self::Fenced => "fenced",
        })
    }
}
