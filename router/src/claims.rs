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
pub(crate) enum Claim {
    /// It has come there.
    Right,
    /// It has not, for this reason.
    Wrong(String),
    /// Whoever had it does not say at the moment.
    Unsure(String),
}

impl Router {
    /// Whether a process has come to where a scheduler says that it has.
    pub(crate) async fn check_claim(&self, process: ProcessId, to: Home) -> Claim {
        let mut at = match self.state.home(process).await {
            Ok(Some(home)) if home.version < to.version => home,
            // There is nothing to change, or nobody who could say.
            Ok(_) => return Claim::Right,
            Err(error) => return Claim::Unsure(error.to_string()),
        };
        for _ in 0..MOVES_MAX {
            let Some(lead) = self.fleet.lead(at.scheduler) else { return Claim::Right };
            let is_claimant = self.fleet.lead(to.scheduler).is_some_and(|to| to.number == lead.number);
            if is_claimant {
                return Claim::Right;
            }
            if at.version >= to.version {
                return Claim::Wrong(format!("it has moved to {}", lead.url));
            }
            // Nobody is left who could say.
            if lead.is_retired || !lead.standing.is_reached() {
                return Claim::Right;
            }
            let subject = RouteKey::Process(process);
            let moved = match self.lookups.asker.ask(&lead, subject, SearchPurpose::Placing).await {
                Said::Moved(moved) => moved,
                // It was placed there, and never spawned.
                Said::HasNot => return Claim::Right,
                Said::Has => return Claim::Wrong(format!("{} has it", lead.url)),
                Said::Nothing(reason) => return Claim::Unsure(reason),
            };
            let Some(next) = self.fleet.at(&moved.url) else { return Claim::Right };
            at = Home { scheduler: next.number, version: moved.version };
        }
        Claim::Right
    }
}
