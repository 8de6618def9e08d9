//! The scenario that was recorded from the reference scheduler: played against a node, and held against the recording.

mod normal;
mod play;
mod recording;

pub use play::{Difference, Played, PlayedAnswer, play};
pub use recording::{Recording, Step};
