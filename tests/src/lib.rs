//! What the tests share that start real nodes: processes that do not outlive their test, a gateway to run against,
//! wallets and items, an HTTP client, load, and a check of whole histories that knows nothing of a node's code.

mod answer;
mod attack;
mod check;
mod client;
mod conformance;
mod description;
mod gateway;
mod history;
mod hostile_gateway;
mod items;
mod launch;
mod ledger;
mod link;
mod load;
mod node;
mod paths;
mod pgbouncer;
mod postgres;
mod postmaster;
mod program;
mod upload_node;
mod wait;
mod wallet;

pub use answer::{Answer, Edge, Entry, ItemJson, Owner, Page, Scheduled, TagJson};
pub use attack::{Attackers, post_bomb};
pub use check::{Expected, check, rebuild};
pub use client::Client;
pub use conformance::{Difference, Played, PlayedAnswer, Recording, Step, play};
pub use description::OpenApiDescription;
pub use gateway::{Gateway, free_port};
pub use history::read_history;
pub use hostile_gateway::HostileGateway;
pub use items::{Signed, User};
pub use launch::Launch;
pub use ledger::{Account, Ledger};
pub use link::Link;
pub use load::{Load, Outcome};
pub use node::Node;
pub use paths::{data, quipu, vectors, workspace};
pub use pgbouncer::{PgBouncer, PoolMode};
pub use postgres::Postgres;
pub use program::{Finished, Output, Program};
pub use upload_node::{Act, Taken, UploadNode};
pub use wait::{PATIENCE, until};
pub use wallet::{wallet_file, wallet_file_of};
