//! Processes that are on their way here and have not come.

use std::sync::Arc;

use log::{MoveStep, ProcessMove};
use poem_openapi::Object;
use web::Nullable;

use crate::node::ApiNode;

/// Processes that are on their way here.
#[derive(Debug, Object)]
#[oai(rename = "OpenMoves")]
pub(crate) struct OpenMovesForm {
    /// They, by their ids.
    pub(crate) moves: Vec<OpenMoveForm>,
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
        Self { moves: arriving.into_iter().map(|step| OpenMoveForm::of(node, &step)).collect() }
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
