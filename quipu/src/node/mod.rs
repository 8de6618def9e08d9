//! The commands that are the node: `su`, `dev` and `verify`, and replays without one.

mod args;
mod defaults;
mod settings;
mod logging;
mod telemetry;
mod signals;
mod descriptors;
mod doors;
mod store;
mod uploading;
mod replays;
mod running;
mod su;
mod dev;
mod verify;
mod offline;

pub use args::{DevArgs, SuArgs, VerifyArgs};
pub use offline::OfflineArgs;
