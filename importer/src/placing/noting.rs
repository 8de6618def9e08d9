//! What is wrong with a row in the place that it says.

use protocol::{Nonce, Timestamp};

use super::PlacedProcess;
use crate::flaw::{FlawKind, SourceFlaw};
use crate::prepare::{ReadyRow, SaidLink};

/// Clocks differ by so much, in milliseconds, and nobody has to look at them.
const AHEAD: u64 = 60_000;

/// What is wrong with a process once all of it came, at this time.
pub(super) fn note_end(process: &PlacedProcess, now: Timestamp) -> Vec<SourceFlaw> {
    let mut flaws = Vec::new();
    if !process.is_spawned && process.awaited.is_none() {
        flaws.push(SourceFlaw::new(FlawKind::NoSpawn, "messages, and no process"));
    }
    let Some(last) = process.last else { return flaws };
    if last.timestamp < process.latest {
        let what = format!(
            "nonce {} of {} is the last, the latest is of {}",
            last.nonce, last.timestamp, process.latest
        );
        flaws.push(SourceFlaw::new(FlawKind::NewestIsNotLast, what));
    }
    if last.timestamp.get() > now.get().saturating_add(AHEAD) {
        let what = format!("nonce {} of {}, and it is {now} now", last.nonce, last.timestamp);
        flaws.push(SourceFlaw::new(FlawKind::Ahead, what));
    }
    flaws
}

/// What is wrong with a row, given the one before it.
pub(super) fn note_flaws(process: &PlacedProcess, row: &mut ReadyRow, said: SaidLink, expected: Nonce) {
    let mut flaw = |kind, what: String| row.flaws.push(SourceFlaw::new(kind, what));
    if said.nonce > expected {
        flaw(FlawKind::Gap, format!("nonce {} where {expected} comes next", said.nonce));
    }
    if let Some(last) = process.last {
        if last.timestamp == said.timestamp {
            flaw(FlawKind::Tie, format!("nonces {} and {} have {}", last.nonce, said.nonce, said.timestamp));
        } else if last.timestamp > said.timestamp {
            let what =
                format!("nonce {} has {}, {} has {}", last.nonce, last.timestamp, said.nonce, said.timestamp);
            flaw(FlawKind::StepBack, what);
        }
    }
    match said.chain {
        None => flaw(FlawKind::NoChain, format!("of nonce {}", said.nonce)),
        Some(chain) => {
            // Behind a gap there is nothing to compare it with.
            if said.nonce == expected && !process.is_followed_by(chain) {
                flaw(FlawKind::BrokenChain, format!("of nonce {}", said.nonce));
            }
        }
    }
    if process.is_spawned && matches!(row.body, log::Body::Spawned { .. }) {
        row.flaws.push(SourceFlaw::new(FlawKind::Respawn, format!("with nonce {}", said.nonce)));
    }
}
