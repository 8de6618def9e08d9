//! What the clients of a listener may take up.

use std::time::Duration;

/// What clients may take up.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many connections there may be. Further ones wait until another ends.
    pub connections: usize,
    /// How long a connection may be without a request: the time for the head of one to come whole, too.
    pub idle: Duration,
    /// How long a connection with a request under way may be without a byte in either direction: longer than any
    /// call takes to be answered.
    pub quiet: Duration,
    /// How long what was accepted may take to be answered after the shutdown.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 8192,
            idle: Duration::from_secs(60),
            quiet: Duration::from_secs(120),
            drain: Duration::from_secs(20),
        }
    }
}
