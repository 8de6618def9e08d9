//! The state of a node, and whether it takes writes.

use std::sync::Arc;

use log::ReadError;
use poem_openapi::OpenApi;
use poem_openapi::payload::Json;

use super::model::{
    FollowerForm, GateForm, HeightForm, LeaderForm, ProcessesForm, ProjectionForm, StatusForm, UnsentForm,
};
use crate::health::health;
use crate::node::ApiNode;
use crate::refusals::{AdminUnwell, OperatorRefusal};

/// The calls that need no token.
pub(crate) struct HealthApi(pub(crate) Arc<ApiNode>);

/// The calls, and the node that answers them.
pub(crate) struct StatusApi(pub(crate) Arc<ApiNode>);

#[OpenApi]
impl HealthApi {
    /// Whether the node takes writes
    ///
    /// The answer is empty while it does. This call needs no token.
    #[oai(path = "/health", method = "get", operation_id = "health")]
    async fn health(&self) -> Result<(), AdminUnwell> {
        Ok(health(&self.0)?)
    }
}

#[OpenApi]
impl StatusApi {
    /// The state of the node
    #[oai(path = "/status", method = "get", operation_id = "status")]
    async fn status(&self) -> Result<Json<StatusForm>, OperatorRefusal> {
        Ok(Json(self.0.read(|node| Ok(status(node)?)).await?))
    }
}

pub(super) fn status(node: &ApiNode) -> Result<StatusForm, ReadError> {
    let (parts, writes) = (&node.parts, node.writes());
    let (identity, tail) = (parts.log.identity(), parts.log.tail().last());
    let height = parts.heights.current();
    let followed = node.projections();
    let projections = followed.iter().map(|position| ProjectionForm::of(node, position, tail));
    let unsent = node
        .uploads()
        .map(|uploads| UnsentForm { backlog: uploads.backlog(), dead_letters: uploads.dead_letter_count() });
    let events = tail.map_or(0, |seq| seq.next().get());
    let followers = parts.shipper.as_ref().map_or_else(Vec::new, |shipper| {
        shipper
            .followers()
            .iter()
            .map(|follower| FollowerForm::of(follower, shipper, events, &node.series))
            .collect()
    });
    let owner = parts.shipper.as_ref().map(|shipper| shipper.owner(identity.term)).transpose()?.flatten();
    let counted = node.processes.known(parts.log.as_ref())?.map(|counted| ProcessesForm {
        count: counted.processes,
        age_seconds: counted.at.elapsed().as_secs_f64(),
    });
    Ok(StatusForm {
        role: node.role().to_owned(),
        version: node.version().to_owned(),
        uptime_seconds: node.started().elapsed().as_secs_f64(),
        address: parts.address.to_string(),
        store: identity.store.to_string(),
        term: identity.term.0,
        owner: owner.map(|owner| owner.to_string()).into(),
        opening: parts.shipper.as_ref().map(|shipper| shipper.opening().to_string()).into(),
        processes: counted.into(),
        tail: tail.map(|seq| seq.get()).into(),
        writes_refused: health(node).err().map(|refusal| refusal.to_string()).into(),
        log_failure: parts.log.failure().map(|reason| reason.to_string()).into(),
        height: height
            .map(|known| HeightForm { number: known.height, age_seconds: known.age.as_secs_f64() })
            .into(),
        projections: projections.collect(),
        uploads: unsent.into(),
        leader: writes.followed().map(|followed| LeaderForm::of(followed, events, &node.series)).into(),
        member: parts.member.as_ref().map(|member| member.now()).into(),
        followers,
        gate: parts.options.gate.as_ref().map(|gate| GateForm::of(gate())).into(),
    })
}
