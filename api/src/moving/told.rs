//! What routers are told of processes that came here.

use std::sync::Arc;

use log::MoveStep;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi, Tags};
use web::Given;

use crate::node::ApiNode;
use crate::refusals::ToldRefusal;

/// How many steps are looked at for one answer.
const STEPS_MAX: usize = 100;

/// The call, and the node that answers it.
pub(crate) struct ToldMovesApi(pub(crate) Arc<ApiNode>);

#[derive(Tags)]
enum Group {
    /// What routers ask.
    Fleet,
}

/// Processes that came to a store.
#[derive(Debug, Object)]
#[oai(rename = "MovesTold")]
struct MovesToldForm {
    /// They, in the order in which they came.
    moves: Vec<MoveToldForm>,
    /// What to ask from next time.
    next: u64,
}

/// A process that came to a store.
#[derive(Debug, Object)]
#[oai(rename = "MoveTold")]
struct MoveToldForm {
    /// The process.
    process: String,
    /// How often it had moved by then. Where two schedulers say that a process came to them, the higher number is right.
    version: u64,
}

#[OpenApi]
impl ToldMovesApi {
    /// Processes that came to this scheduler from others
    ///
    /// The header `Quipu-Moves` of `/health` says up to where there are any.
    #[oai(path = "/fleet/v1/moves", method = "get", tag = "Group::Fleet", operation_id = "moves")]
    async fn moves(
        &self,
        /// Where to begin: the last `next`, or nothing.
        from: Given<u64>,
    ) -> Result<Json<MovesToldForm>, ToldRefusal> {
        let from = usize::try_from(from.0.unwrap_or(0)).unwrap_or(usize::MAX);
        let steps = self.0.parts.log.moves(from, STEPS_MAX);
        let next = from.saturating_add(steps.len());
        let came = steps.iter().filter(|step| matches!(step.step, MoveStep::In(_) | MoveStep::Back(..)));
        let moves =
            came.map(|step| MoveToldForm { process: step.process.to_string(), version: step.version });
        Ok(Json(MovesToldForm { moves: moves.collect(), next: next as u64 }))
    }
}
