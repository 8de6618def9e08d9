//! The commands that are the node: `su`, `dev` and `verify`, and replays without one.

mod args;
mod defaults;
mod settings;
mod logging;
mod signals;
mod su;
mod dev;
mod verify;
mod offline;

pub use args::{DevArgs, SuArgs, VerifyArgs};
pub use logging::FilterError;
pub use offline::OfflineArgs;
pub use settings::SettingError;
pub use verify::VerifyError;
