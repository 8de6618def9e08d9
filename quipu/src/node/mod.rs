//! The commands that are the node: `su`, `dev` and `verify`.

mod args;
mod defaults;
mod dev;
mod logging;
mod running;
mod settings;
mod store;
mod su;
mod telemetry;
mod verify;

pub use args::{DevArgs, SuArgs, VerifyArgs};
