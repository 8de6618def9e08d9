//! The commands that are the node: `su`, `dev` and `verify`.

mod args;
mod defaults;
mod settings;
mod logging;
mod telemetry;
mod signals;
mod descriptors;
mod doors;
mod store;
mod running;
mod su;
mod dev;
mod verify;

pub use args::{DevArgs, SuArgs, VerifyArgs};
