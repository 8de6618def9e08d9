//! Named checks of a node's health: each is ok, a warning or a failure, says why, and since when it has been so.

mod gate;
pub(crate) mod history;
mod moves;
mod rules;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::metrics;
use crate::moving::OpenMovesForm;
use crate::node::ApiNode;
use crate::write_side::WriteSide;
pub(crate) use history::CheckLevel;
use history::LevelAge;

/// How often the checks are made when nobody asks, so that it is known since when something is so.
const EVERY: Duration = Duration::from_secs(15);

/// What one check found.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) name: &'static str,
    pub(crate) level: CheckLevel,
    /// Why it is not ok; what was found when it is.
    pub(crate) reason: String,
    /// For how long it has been so.
    pub(crate) age: Duration,
    /// Whether that is since the node looked first, and maybe for longer.
    pub(crate) is_at_least: bool,
}

/// Makes the checks now and then until `stop` is true.
pub async fn watch_checks(node: Arc<ApiNode>, mut stop: watch::Receiver<bool>) {
    loop {
        // A check that cannot be made now is made the next time.
        let _ = node.read(|node| Ok(all(node))).await;
        if timeout(EVERY, stop.wait_for(|stop| *stop)).await.is_ok() {
            return;
        }
    }
}

/// All checks, made now.
pub(crate) fn all(node: &ApiNode) -> Vec<Finding> {
    let tail = node.parts.log.tail().last();
    let mut found = vec![("log", rules::log(node.parts.log.as_ref()))];
    if let Some(member) = &node.parts.member {
        found.push(("members", rules::members(&member.now())));
    }
    if let Some(gate) = &node.parts.options.gate {
        found.push(("gate", gate::gate(&gate())));
    }
    match node.writes().followed() {
        // A standby takes no writes, and has nothing to be well or unwell with them.
        Some(followed) => {
            let now = followed.now(tail.map_or(0, |seq| seq.next().get()));
            found.push(("replication", rules::replication(&now)));
        }
        None => found.insert(0, ("writes", rules::writes(node))),
    }
    if node.parts.mover.is_some() {
        // What comes to a log is brought by the node that writes it.
        let is_writer = matches!(node.writes(), WriteSide::Open(_));
        let open = if is_writer { OpenMovesForm::of(node) } else { OpenMovesForm::none() };
        metrics::moves(&open);
        found.push(("moves", moves::moves(&open)));
    }
    for list in &node.parts.options.lists {
        let now = list.now();
        found.push((now.name, rules::list(&now)));
    }
    if let Some(location) = node.parts.options.location.taken() {
        found.push(("location", rules::location(location.health())));
    }
    if let Some(data) = &node.parts.options.data {
        found.push(("disk", rules::disk(data)));
    }
    let heights = &node.parts.heights;
    let doubt = heights.doubt().map(|doubt| doubt.to_string());
    let failure = heights.failure().map(|failure| failure.to_string());
    let age = heights.current().map(|known| known.age);
    found.push(("gateway", rules::gateway(age, doubt.as_deref(), failure.as_deref())));
    found.push(("clock", rules::clock(node.parts.clock.reliable_now())));
    let crowded = node.parts.options.crowding.lately();
    found.push(("connections", rules::connections(crowded.as_ref())));
    for position in node.projections() {
        let status = position.status(tail);
        let broken = node.checks.broken_for(status.name, status.standing);
        let checked = rules::projection(&status, broken);
        let uploads = node.uploads().filter(|uploads| uploads.position().name() == status.name);
        let checked = match uploads {
            Some(handle) => rules::uploads(checked, handle.backlog(), handle.dead_letter_count()),
            None => checked,
        };
        found.push((status.name, checked));
    }
    let dated = found.into_iter().map(|(name, (level, reason))| {
        let LevelAge { age, is_at_least, is_changed } = node.checks.age(name, level);
        if is_changed {
            node.history.check_changed(name, level, &reason);
        }
        metrics::checked(name, level);
        Finding { name, level, reason, age, is_at_least }
    });
    dated.collect()
}
