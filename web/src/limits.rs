//! What the clients of a listener may take up.

use std::time::{Duration, SystemTime};

use crate::budget::Budget;
use crate::crowd::Crowding;

/// What clients may take up.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How many connections there may be. For further ones others give way, and they wait while none may.
    pub connections: usize,
    /// How long a connection may be without a request: the time for the head of one to come whole, too.
    pub idle: Duration,
    /// How long a connection with a request under way may be without a byte in either direction: longer than any
    /// call takes to be answered.
    pub quiet: Duration,
    /// How long a piece of an answer may wait to be fetched while others need the memory.
    pub unfetched: Duration,
    /// Whether pages of others may read what is answered to requests that cannot be read, as they may read all else.
    pub open_to_pages: bool,
    /// How long what was accepted may take to be answered after the shutdown.
    pub drain: Duration,
    /// The time of day, as it is shown in answers.
    pub now: fn() -> SystemTime,
    /// Where it is told that there are too many.
    pub crowding: Crowding,
    /// The memory for their requests and the answers to them.
    pub budget: Budget,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 2048,
            // Longer than balancers and proxies keep one: who sends a request on it must not find it just closed.
            idle: Duration::from_secs(90),
            open_to_pages: true,
            quiet: Duration::from_secs(120),
            unfetched: Duration::from_secs(4),
            drain: Duration::from_secs(20),
            now: SystemTime::now,
            crowding: Crowding::default(),
            budget: Budget::default(),
        }
    }
}
