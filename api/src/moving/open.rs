//! Processes that are on their way here and have not come, and those that go from here and are not known to have come.

use std::sync::Arc;

use log::{MoveStep, ProcessMove};
use poem_openapi::Object;
use web::Nullable;

use super::mover::LeftProcess;
use crate::node::ApiNode;

/// Processes that are on their way here.
#[derive(Debug, Object)]
#[oai(rename = "OpenMoves")]
pub(crate) struct OpenMovesForm {
    /// They, by their ids.
    pub(crate) moves: Vec<OpenMoveForm>,
    /// Those that go from here and that nobody is known to bring to where they go.
    pub(crate) left: Vec<LeftProcessForm>,
}

/// A process that goes from here.
#[derive(Debug, Object)]
#[oai(rename = "LeftProcess")]
pub(crate) struct LeftProcessForm {
    /// The process.
    pub(crate) process: String,
    /// Whether it was ended here: then nothing is scheduled to it nor served of it here. Otherwise it was only copied, and is
    /// here as before.
    pub(crate) ended: bool,
    /// The store that it goes to; null where it was not ended here.
    pub(crate) to: Nullable<String>,
    /// Where clients are led; null where it was not ended here.
    pub(crate) url: Nullable<String>,
    /// What is known of it there.
    pub(crate) reason: String,
    /// Whether the node there said so.
    pub(crate) told: bool,
}

/// A process that is on its way here.
#[derive(Debug, Object)]
#[oai(rename = "OpenMove")]
pub(crate) struct OpenMoveForm {
    /// The process.
    pub(crate) process: String,
    /// How often it will have moved with that.
    pub(crate) version: u64,
    /// The store that it comes from.
    pub(crate) from: String,
    /// When that was begun, in milliseconds since 1970; null where the log does not say.
    pub(crate) since: Nullable<u64>,
    /// Whether it is being brought here at the moment.
    pub(crate) running: bool,
    /// Why it is not, if that is known.
    pub(crate) reason: Nullable<String>,
}

impl OpenMovesForm {
    pub(crate) fn of(node: &ApiNode) -> Self {
        let arriving = node.parts.log.arriving();
        let left = node.parts.mover.as_ref().map(|mover| mover.left()).unwrap_or_default();
        Self {
            moves: arriving.into_iter().map(|step| OpenMoveForm::of(node, &step)).collect(),
            left: left.into_iter().map(LeftProcessForm::of).collect(),
        }
    }

    /// None: what comes and goes is told by the node that writes the log.
    pub(crate) fn none() -> Self {
        Self { moves: Vec::new(), left: Vec::new() }
    }
}

impl LeftProcessForm {
    fn of(left: LeftProcess) -> Self {
        let LeftProcess { process, step, reason, is_told } = left;
        Self {
            process: process.to_string(),
            ended: step.is_some(),
            to: step.as_ref().map(|step| step.other.to_string()).into(),
            url: step.as_ref().and_then(|step| step.url().map(str::to_owned)).into(),
            reason,
            told: is_told,
        }
    }
}

impl OpenMoveForm {
    fn of(node: &ApiNode, step: &Arc<ProcessMove>) -> Self {
        let since = if let MoveStep::Arriving(at) = step.step { at } else { None };
        let mover = node.parts.mover.as_ref();
        let standstill = mover.and_then(|mover| mover.standstill(step.process));
        Self {
            process: step.process.to_string(),
            version: step.version,
            from: step.other.to_string(),
            since: since.map(|at| at.get()).into(),
            running: standstill.is_none(),
            reason: standstill.and_then(|standstill| standstill.reason).into(),
        }
    }
}
