//! A seeded, single-threaded simulation of the write path over the memory engine.
//!
//! Every thread of the real thing is a step here, and the seed chooses which comes next: submitting, verifying, looking
//! for a message among what is in flight, looking for it in the index and signing, appending, indexing, completing, a
//! client that hangs up, a clock that jumps, a wallet that becomes slow, a write that fails, a crash.
//! After each crash and at the end the whole log is held against what was acknowledged.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod items;
mod ledger;
mod node;
mod hanging_up;
mod refusing;
mod repeating;
mod world;

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;

use self::world::World;

/// How many seeds a run of the tests plays.
const SEEDS: u64 = 3_000;
/// How many steps each takes.
const STEPS: usize = 280;

/// Plays one seed; the seed is in the failure.
fn play(seed: u64) -> world::Tally {
    let played = catch_unwind(AssertUnwindSafe(|| World::new(seed).play(STEPS)));
    played.unwrap_or_else(|panic| {
        eprintln!("seed {seed} failed; play it alone with QUIPU_SEED={seed}");
        resume_unwind(panic)
    })
}

#[test]
fn nothing_acknowledged_is_lost_and_no_nonce_is_skipped_or_given_twice() {
    if let Ok(seed) = env::var("QUIPU_SEED") {
        play(seed.parse().expect("QUIPU_SEED is a number"));
        return;
    }
    let threads = thread::available_parallelism().map_or(2, usize::from) as u64;
    let played: Vec<_> = (0..threads)
        .map(|first| {
            thread::spawn(move || (first..SEEDS).step_by(threads as usize).map(play).collect::<Vec<_>>())
        })
        .collect();
    let mut total = world::Tally::default();
    for tally in played.into_iter().flat_map(|thread| thread.join().expect("a seed failed")) {
        total.add(tally);
    }
    // A simulation in which little happens would prove little.
    assert!(total.acknowledged > SEEDS * 5, "{total:?}");
    assert!(total.duplicates > SEEDS / 2, "{total:?}");
    assert!(total.halted > SEEDS / 4, "{total:?}");
    assert!(total.crashes > SEEDS / 2, "{total:?}");
    assert!(total.hung_up > SEEDS, "{total:?}");
    assert!(total.same_content > SEEDS / 4, "{total:?}");
    assert!(total.shed > SEEDS / 4, "{total:?}");
}
