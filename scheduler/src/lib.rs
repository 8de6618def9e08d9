//! The write path: what is admitted, in which order, and the one signature that binds it.
//!
//! A request is parsed and verified on a worker thread, then queued in the *lane* of its process. A lane is worked
//! by one thread at a time: it checks for duplicates, takes the next nonce, chains, signs and hands over to the log.
//! The *completion* waits until the log has it on disk and the index has it too, and only then answers. So a request
//! whose client hangs up is either wholly scheduled or not at all.

mod error;
mod options;
mod clock;
mod content;
mod classes;
mod admission;
mod process;
mod settlement;
mod on_chain;
mod succession;
mod gateways;
mod placing;
mod look_ups;
mod moving;
mod returns;
mod backlog;
mod order;
mod known;
mod in_flight;
mod lane;
mod lanes;
mod completion;
mod sequencer;
mod workers;
mod scheduler;
mod questions;
mod readiness;
mod assigning;
mod metrics;

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use clock::{Clock, ClockError, ClockJump, GuardedClock, Heights, SystemClock};
pub use content::pushed_content;
pub use error::{FirstOfContent, ScheduleError};
pub use gateways::GATEWAY_DEADLINE;
pub use metrics::describe;
pub use options::SchedulerOptions;
pub use order::{AssignOrder, Scheduled};
pub use readiness::{SYNC_MAX, check_log};
pub use scheduler::{Scheduler, SchedulerParts};
