//! What verification says about what it found.

use std::fmt;

use protocol::ProcessId;

use crate::ids::Seq;
use crate::keys::EventKey;

/// Something is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub place: FaultPlace,
    /// What is wrong there.
    pub what: String,
    /// Whether it came with an imported history, and is kept as it was there.
    pub inherited: bool,
}

impl Fault {
    /// A signature that nobody knows anything of, since its verification panicked.
    pub fn of_panic() -> Self {
        let what = "a signature made its verification panic".to_owned();
        Self { place: FaultPlace::Store, what, inherited: false }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}{}", self.place, self.what, if self.inherited { " (inherited)" } else { "" })
    }
}

/// Where something is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultPlace {
    /// In an event.
    Event {
        /// Its process and nonce.
        key: EventKey,
        /// Its sequence number, when that could be read.
        seq: Option<Seq>,
    },
    /// In the order of events.
    Order(Seq),
    /// In what is known of a process's end.
    Head(ProcessId),
    /// In a table, under a key that cannot be read or from a place on that cannot be named.
    Table {
        /// The table.
        name: &'static str,
        /// The key, or the last one that could be read.
        key: Vec<u8>,
    },
    /// In the store as a whole.
    Store,
}

impl fmt::Display for FaultPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event { key, seq: Some(seq) } => write!(f, "{key}, sequence number {seq}"),
            Self::Event { key, seq: None } => write!(f, "{key}"),
            Self::Order(seq) => write!(f, "sequence number {seq}"),
            Self::Head(process) => write!(f, "head of process {process}"),
            Self::Table { name, key } => {
                write!(f, "table of {name}, key ")?;
                key.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Self::Store => f.write_str("store"),
        }
    }
}

/// What verification reports while it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Something is wrong.
    Fault(Fault),
    /// How far it is.
    Progress {
        /// Events that were looked at.
        done: u64,
        /// Events that there are, as far as is known.
        total: u64,
    },
}

/// What was looked at, and how much of it was wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerifySummary {
    /// Events.
    pub events: u64,
    /// Processes, the node's own stream included.
    pub processes: u64,
    /// Signatures that were verified.
    pub signatures: u64,
    /// Faults of this log.
    pub faults: u64,
    /// Faults that came with imported histories.
    pub inherited: u64,
    /// Whether everything could be read. If not, there may be more faults than were reported.
    pub complete: bool,
}

impl VerifySummary {
    /// Whether the log is what it should be, inherited flaws aside.
    pub fn is_sound(&self) -> bool {
        self.complete && self.faults == 0
    }
}
