//! Whether a process has come to a scheduler that says so: whoever had it has to say so too, unless that one is gone.

use protocol::ProcessId;

use crate::lookup::RouteKey;
use crate::question::{Said, SearchPurpose};
use crate::router::Router;
use crate::state::Home;

/// How many moves are followed from where a process is known to be.
const MOVES_MAX: usize = 8;

/// What is to be thought of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MoveClaim {
    /// It has come there.
    Right,
    /// It has not, for this reason.
    Wrong(String),
    /// Whoever had it does not say at the moment.
    Unsure(String),
}

impl Router {
    /// Whether a process has come to where a scheduler says that it has.
    pub(crate) async fn check_claim(&self, process: ProcessId, to: Home) -> MoveClaim {
        let mut at = match self.state.home(process).await {
            Ok(Some(home)) if home.version < to.version => home,
            // There is nothing to change, or nobody who could say.
            Ok(_) => return MoveClaim::Right,
            Err(error) => return MoveClaim::Unsure(error.to_string()),
        };
        for _ in 0..MOVES_MAX {
            let Some(lead) = self.fleet.lead(at.scheduler) else { return MoveClaim::Right };
            let is_claimant = self.fleet.lead(to.scheduler).is_some_and(|to| to.number == lead.number);
            if is_claimant {
                return MoveClaim::Right;
            }
            if at.version >= to.version {
                return MoveClaim::Wrong(format!("it has moved to {}", lead.url));
            }
            // Nobody is left who could say.
            if lead.is_retired || !lead.standing.is_reached() {
                return MoveClaim::Right;
            }
            let subject = RouteKey::Process(process);
            let moved = match self.lookups.asker.ask(&lead, subject, SearchPurpose::Placing).await {
                Said::Moved(moved) => moved,
                // It was placed there, and never spawned.
                Said::HasNot => return MoveClaim::Right,
                Said::Has => return MoveClaim::Wrong(format!("{} has it", lead.url)),
                Said::Nothing(reason) => return MoveClaim::Unsure(reason),
            };
            let Some(next) = self.fleet.at(&moved.url) else { return MoveClaim::Right };
            at = Home { scheduler: next.number, version: moved.version };
        }
        MoveClaim::Right
    }
}
