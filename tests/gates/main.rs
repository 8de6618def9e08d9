//! Gates over real engines, which are started here, killed, stopped and set back: whether they keep their contract.

mod commands;
mod engine;
mod jetstream;
mod nodes;
mod objects;
mod postgres;
mod replicated;
mod rules;
#[path = "../../gate/src/suite.rs"]
mod suite;
mod tls;
mod writing;
