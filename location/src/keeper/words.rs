//! What is wrong with the record or waited for, in words.

use std::time::Duration;

use super::{Decided, LocationKeeper};
use crate::decision::{Step, later};
use crate::handle::{from, moment};
use crate::record::shown;

/// For how long it is no wonder that no gateway tells yet what was taken.
const ON_ITS_WAY: Duration = Duration::from_secs(60 * 60);

impl LocationKeeper {
    /// What is wrong or waited for, if anything is.
    pub(super) fn trouble(&self, decided: &Decided) -> Option<String> {
        let publishes = self.parts.publishes;
        let waited = match &decided.decision.step {
            _ if !self.is_answered => Some("no gateway tells what it has".to_owned()),
            Step::Keep => None,
            Step::Wait { until, why } if publishes => {
                let why = self.on_its_way(decided).unwrap_or_else(|| (*why).to_owned());
                Some(format!("{why}; another may be published {}", from(*until)))
            }
            Step::Hear { until, why } if publishes => Some(format!(
                "{why} of those that answer; one is published once all have answered, or {}",
                from(*until)
            )),
            Step::Send { why } => Some(format!("{why}, and one is being sent")),
            Step::Publish { why, .. } | Step::Wait { why, .. } | Step::Hear { why, .. } => {
                Some((*why).to_owned())
            }
        };
        let beyond = decided.decision.beyond.map(|id| {
            format!("the record {id} leads elsewhere, and no other can have a nonce above it, by which HyperBEAM goes")
        });
        let unsent = self.pending.as_ref().and_then(|pending| pending.trouble.clone());
        let all: Vec<_> = [waited, beyond, unsent].into_iter().flatten().collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// That what is right was taken a moment ago, if gateways cannot be expected to tell it yet.
    fn on_its_way(&self, decided: &Decided) -> Option<String> {
        let Decided { now, heard, published, .. } = decided;
        let last = self.last_of(published).filter(|last| last.is_taken())?;
        let is_new = last.since() <= *now && *now < later(last.since(), ON_ITS_WAY);
        let publication = &last.publication;
        let is_told = heard.records.iter().any(|record| record.id == publication.id);
        let leads_here = publication.url == shown(&self.parts.url);
        (is_new && leads_here && !is_told).then(|| {
            let (id, at) = (publication.id, moment(last.since()));
            format!(
                "{id} was published and is taken since {at}, and gateways tell a new record within some minutes as a rule"
            )
        })
    }
}
