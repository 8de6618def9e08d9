//! Nodes that write through a gate, under random schedules: they crash, stand still and go on, fight for the claim; records
//! and answers are lost or come late; the engine loses its leader, and what that had alone. Whatever left any node stays
//! true for all.
//!
//! Each of these rules can be broken, and a schedule notices it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod engine;
mod node;
mod schedule;

use schedule::{Outcome, run};

/// A rule that is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    /// What is not known to be there counts as taken.
    UnknownIsTaken,
    /// What is on the node's own disk leaves it before it is in the gate.
    BeforeTheGate,
    /// Whoever takes over has all of its own log leave it that goes on where the gate ends.
    OwnBeyond,
    /// The engine says that a record is there which it has seen, and may yet lose.
    ReadBack,
    /// The engine tells contents that it may yet lose.
    ContentsSeen,
    /// The engine says that a record is there before it has other copies of it.
    OneCopy,
    /// The engine takes what goes on at its end, whoever's claim it is of and whatever its number.
    AnyClaim,
}

fn play(seeds: std::ops::Range<u64>, broken: Option<Broken>) -> Result<Outcome, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut total = Outcome::default();
    for seed in seeds {
        let played = runtime.block_on(run(seed, broken));
        total.add(&played.map_err(|what| format!("seed {seed}: {what}"))?);
    }
    Ok(total)
}

#[test]
fn what_left_a_node_stays_true_for_all() {
    let total = play(0..20_000, None).unwrap_or_else(|what| panic!("{what}"));
    // A simulation in which nothing happens would find nothing.
    let Outcome { released, takeovers, deposed, unknown, failovers, lost } = total;
    for (what, count) in [
        ("released", released),
        ("takeovers", takeovers),
        ("deposed", deposed),
        ("unknown", unknown),
        ("failovers", failovers),
        ("lost by a failover", lost),
    ] {
        assert!(count > 2500, "{what}: {count} in {total:?}");
    }
}

#[test]
fn each_rule_that_is_broken_is_noticed() {
    for broken in [
        Broken::UnknownIsTaken,
        Broken::BeforeTheGate,
        Broken::OwnBeyond,
        Broken::ReadBack,
        Broken::ContentsSeen,
        Broken::OneCopy,
        Broken::AnyClaim,
    ] {
        let noticed = play(0..4000, Some(broken));
        assert!(noticed.is_err(), "{broken:?} is not noticed");
    }
}
