//! All that an id is here.

use ans104::Id;
use log::{EventKey, EventRef, Kind};
use protocol::AssignmentTags;

use super::model::{ExploredIdForm, ExploredPlaceForm};
use super::row;
use crate::error::CallError;
use crate::node::ApiNode;
use crate::public::visit;

/// How many places are told of at most: an id can be in as many processes as it was assigned to.
const PLACES_MAX: usize = 100;
/// The projection that is asked.
const INDEX: &str = "index";

pub(super) fn of(node: &ApiNode, id: Id) -> Result<ExploredIdForm, CallError> {
    // Asked first: what is found goes at least up to there.
    let position = node.parts.projections.iter().find(|projection| projection.name() == INDEX);
    let position = position.and_then(|index| index.last()).map(|seq| seq.get());
    let found = node.parts.index.everywhere(id, PLACES_MAX + 1)?;
    let has_more = found.len() > PLACES_MAX;
    let mut places = Vec::with_capacity(found.len().min(PLACES_MAX));
    for place in found.into_iter().take(PLACES_MAX) {
        visit(node, EventKey { process: place.process, nonce: place.nonce }, |event| {
            places.extend(role(event, id).map(|role| ExploredPlaceForm {
                role: role.to_owned(),
                process: event.process.to_string(),
                entry: row::of(node, event),
            }));
            Ok(())
        })?;
    }
    let is_scheduler = node.parts.address.as_bytes() == id.as_bytes();
    Ok(ExploredIdForm { id: id.to_string(), is_scheduler, places, has_more, position: position.into() })
}

/// What the id is of this event; none when the index knows it as something else, such as the id of an item that is not
/// shown.
fn role(event: &EventRef<'_>, id: Id) -> Option<&'static str> {
    match (event.item(), event.assignment()) {
        (Some(item), _) if item.id() == id => {
            Some(if event.kind() == Kind::Spawned { "process" } else { "message" })
        }
        (_, Some(assignment)) if assignment.id() == id => Some("assignment"),
        (_, Some(assignment)) => {
            let said = AssignmentTags::of(&assignment).message().map(|message| message.id());
            (said == Some(id)).then_some("transaction")
        }
        _ => None,
    }
}
