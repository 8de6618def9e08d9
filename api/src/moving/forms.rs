//! The forms of what nodes and operators tell each other of moves.

use poem_openapi::Object;
use serde::{Deserialize, Serialize};
use web::{JsonForm, Nullable};

/// A process that is to come here.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[oai(rename = "MoveOrder")]
pub struct MoveOrderForm {
    /// The process.
    pub process: String,
    /// The admin listener of the node that has it, as this node reaches it.
    pub from: String,
    /// The token of that listener.
    #[oai(skip_serializing_if_is_none)]
    #[serde(default)]
    pub token: Option<String>,
    /// Where clients find this node: the other one leads them there for ever. With `off`, where they find the other one.
    pub url: String,
    /// It does not come after all, and stays where it is: what has come is left, and this node leads to the other one.
    #[serde(default)]
    #[oai(default)]
    pub off: bool,
}

impl JsonForm for MoveOrderForm {
    const EXAMPLE: &'static str = r#"{"process": "N3to2IOtL2CSIK9XluQ3P6Mx-A2j-nd6qqcvYkoKbsI", "from": "http://10.0.0.5:9001", "token": "…", "url": "http://su2.example"}"#;
}

/// A process, as far as moves are concerned.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[oai(rename = "MovedProcess")]
pub struct MovedProcessForm {
    /// The process.
    pub process: String,
    /// The store of this node.
    pub store: String,
    /// The wallet that signs here.
    pub wallet: String,
    /// All wallets that signed what is in this store.
    pub wallets: Vec<String>,
    /// `absent`; `here`; `arriving`, while not all of it is here; `moved`, when another store has it; `off`, when it was on
    /// its way here and is in another store instead.
    pub state: String,
    /// How often it has moved.
    pub version: u64,
    /// The nonce that comes next.
    pub next: u64,
    /// The hash chain that comes next.
    pub chain: String,
    /// The store that it came from or went to last; null where it never moved.
    pub other: Nullable<String>,
    /// Where it is, if it has moved from here or did not come.
    pub url: Nullable<String>,
    /// How many of its events this node has still to upload, or 10,000 if there are more, where that was asked for; null where it
    /// has not moved from here, or nothing is uploaded here.
    #[serde(default)]
    pub unsent: Nullable<u64>,
    /// What has to be shown to have it ended here: good until it was said that it stays, or this node is started again.
    #[serde(default)]
    pub ticket: String,
    /// What brings it here, if anything does or did since this node started.
    pub job: Nullable<MoveJobForm>,
}

/// What brings a process here.
#[derive(Clone, Debug, Object, Serialize, Deserialize)]
#[oai(rename = "MoveJob")]
pub struct MoveJobForm {
    /// `running`; `done`; `failed`, when the same order again goes on from there; `refused`, when it is refused again.
    pub state: String,
    /// What it is doing, in a few words.
    pub phase: String,
    /// Why it failed or was refused; null if it was not.
    pub reason: Nullable<String>,
    /// How many events have come.
    pub copied: u64,
    /// The nonce that came next at the other node when it was asked last.
    pub total: u64,
}
