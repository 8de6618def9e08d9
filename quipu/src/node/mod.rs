//! The commands that are the node: `su`, `dev` and `verify`, and replays without one.

mod signals;
mod su;
mod dev;
mod verify;
mod offline;

pub use dev::DevArgs;
pub use offline::OfflineArgs;
pub use su::SuArgs;
pub use verify::{LogVerifyError, VerifyArgs};
