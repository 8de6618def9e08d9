//! Makers of items and of signed histories: the one place for both, for the tests of every crate above the log; and what else
//! the tests of several crates share.
//!
//! Take it as a dev-dependency (`testing.workspace = true`), and then
//!
//! - [`SampleUser`] signs items, as a client would: `SampleUser::new(1).message(process, &[("Action", "Eval")], b"1")`;
//! - [`SampleProcess`] is one process and its history, as appends for a log: `SampleProcess::new(1)`, its `spawn()`,
//!   `message()` or `messages(10)`, `scheduled(item)` for an item of one's own, `place_at(nonce, time)` for gaps and
//!   odd times, and public fields for whatever else shall be wrong;
//! - [`ExistingRow`] is what the existing scheduler stores of such an append;
//! - [`NoiseSigner`] signs with noise of the right length, where many items are needed and nobody verifies them, and
//!   [`Noise`] makes bytes that look random and are the same each time;
//! - [`copy_folder`] makes a copy of a folder as a kill would leave it;
//! - [`RefusingPort`] is where nobody listens;
//! - [`check_description`] holds what a listener says of itself against the file that is checked in.
//!
//! Everything is the same for the same numbers. A crate's unit tests cannot share types with a dev-dependency that
//! depends on it, so the log takes the folder `samples` in by its path and does not depend on this crate.

mod descriptions;
mod existing;
mod folders;
mod refusing;
mod samples;

pub use descriptions::check_description;
pub use existing::{ExistingRow, around};
pub use folders::copy_folder;
pub use refusing::RefusingPort;
pub use samples::{Noise, NoiseSigner, SampleProcess, SampleUser, fact, id_of};
