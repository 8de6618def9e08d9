//! Gates over real engines, which are started here, killed, stopped and set back: whether they keep their contract.

mod commands;
mod jetstream;
mod nodes;
mod objects;
mod postgres;
mod replicated;
#[path = "../../gate/src/suite.rs"]
mod suite;
