//! How quick a node is, for what it has of the processors: attackers that run beside it on the same machine take much of
//! these themselves, which no node can keep them from.

use std::fs;
use std::time::Instant;

use quipu_tests::{Load, Node};

/// What has been by now.
pub(super) struct Moment {
    at: Instant,
    acknowledged: usize,
    had: u64,
    unwanted: u64,
}

/// What was in a second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// How many messages were acknowledged.
    pub(super) acknowledged: f64,
    /// The time that the node had of the processors, in ticks of the system, and that which nobody wanted.
    had: f64,
    unwanted: f64,
}

impl Moment {
    pub(super) fn now(node: &Node, load: &Load) -> Self {
        let (acknowledged, had) = (load.acknowledged(), node.processor_ticks());
        Self { at: Instant::now(), acknowledged, had, unwanted: unwanted() }
    }

    /// How it went since another one.
    pub(super) fn since(&self, before: &Self) -> Pace {
        let seconds = (self.at - before.at).as_secs_f64();
        Pace {
            acknowledged: (self.acknowledged - before.acknowledged) as f64 / seconds,
            had: (self.had - before.had) as f64 / seconds,
            unwanted: self.unwanted.saturating_sub(before.unwanted) as f64 / seconds,
        }
    }
}

impl Pace {
    /// Which part of what a node had of the processors otherwise it could have had: what nobody wanted was there for it,
    /// too.
    pub(super) fn could_have(self, otherwise: Self) -> f64 {
        ((self.had + self.unwanted) / otherwise.had).min(1.0)
    }

    /// Which part of the messages was acknowledged that are otherwise, in the time that it could have of the processors.
    pub(super) fn left(self, otherwise: Self) -> f64 {
        self.acknowledged / otherwise.acknowledged / self.could_have(otherwise)
    }

    /// The node's work for a message, in ticks.
    pub(super) fn cost(self) -> f64 {
        self.had / self.acknowledged
    }
}

/// The time of all processors that nobody wanted, in ticks.
fn unwanted() -> u64 {
    let stat = fs::read_to_string("/proc/stat").unwrap();
    let ticks: Vec<u64> = stat.lines().next().unwrap().split_whitespace().flat_map(str::parse).collect();
    // Idle, and idle while a disk was waited for.
    ticks[3] + ticks[4]
}
