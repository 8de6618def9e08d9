//! The headers by which routers and schedulers know each other.

use poem::http::HeaderName;

/// The store that the log of a scheduler is in: what is in one store is one history, whoever leads it.
pub const STORE: HeaderName = HeaderName::from_static(limits::STORE_HEADER);
/// The term of its log; of a call that is posted, the term in which the router believes that the store is led.
pub const TERM: HeaderName = HeaderName::from_static("quipu-term");
/// What it does, [`LEADER`] or another role.
pub const ROLE: HeaderName = HeaderName::from_static("quipu-role");
/// Of an answer that leads to where a process has moved, how often it has moved by then; of a call that is posted, the process
/// and how often the router knows it to have moved.
pub const VERSION: HeaderName = HeaderName::from_static("quipu-version");
/// How many steps of moves the log of a scheduler has: more than before, and there is something to learn.
pub const MOVES: HeaderName = HeaderName::from_static("quipu-moves");
/// How many events the log of a scheduler has on disk; of a call that is posted, how many the router has seen there in that term.
/// A log that has fewer was set back to an older copy.
pub const EVENTS: HeaderName = HeaderName::from_static("quipu-events");
/// Which node answers, at either of its listeners: another one each time that it is started.
pub const NODE: HeaderName = HeaderName::from_static("quipu-node");
/// The role of whoever takes messages.
pub const LEADER: &str = "leader";
/// The role of the listener for operators, where nothing is scheduled.
pub const OPERATORS: &str = "operators";
/// The role of a router, which is the home of nothing.
pub const ROUTER: &str = "router";
