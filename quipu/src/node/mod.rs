//! The commands that are the node: `su`, `standby` and `dev`, and what runs them; and what is done without one: `verify`,
//! `repair`, `promote`, `divergence`, `rejoin`, `gate` and replays.

mod signals;
mod su;
mod standby;
mod dev;
mod fleet;
mod gate;
mod members;
mod log_folder;
mod verify;
mod repair;
mod promote;
mod divergence;
mod rejoin;
mod offline;

pub use dev::DevArgs;
pub use divergence::{DivergenceArgs, DivergenceCommandError};
pub use gate::{GateCommandArgs, GateCommandError};
pub use log_folder::{NoLogError, log_folder};
pub(crate) use members::query;
pub use members::{HandoverArgs, MembersArgs};
pub use offline::OfflineArgs;
pub(crate) use promote::operator;
pub use promote::{PromoteArgs, PromoteError};
pub use rejoin::RejoinArgs;
pub use repair::{LogRepairError, RepairArgs};
pub(crate) use signals::run_router;
pub use standby::StandbyArgs;
pub use su::SuArgs;
pub use verify::{LogVerifyError, VerifyArgs};
