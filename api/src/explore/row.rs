//! An event as a row.

use log::{EventRef, Kind};
use projections::UploadsHandle;
use protocol::{AssignmentTags, tags};

use super::model::ExploredRowForm;
use crate::node::ApiNode;

/// The tag that says what a message is for.
const ACTION: &str = "Action";
/// How much of it is shown, in characters.
const ACTION_SHOWN: usize = 64;

pub(super) fn of(node: &ApiNode, event: &EventRef<'_>) -> ExploredRowForm {
    let (item, assignment) = (event.item(), event.assignment());
    let said = assignment.map(|assignment| AssignmentTags::of(&assignment)).unwrap_or_default();
    let message = item.map(|item| item.id()).or_else(|| said.message().map(|message| message.id()));
    let action = item.and_then(|item| tags::find(&item, ACTION));
    ExploredRowForm {
        nonce: event.nonce.map(|nonce| nonce.get()).into(),
        sequence: event.seq.get(),
        kind: match event.kind() {
            Kind::Spawned => "spawned",
            Kind::Scheduled => "scheduled",
            Kind::Assigned | Kind::Fact => "assigned",
        }
        .to_owned(),
        message: message.map(|id| id.to_string()).into(),
        // A process that takes no nonce has a record of its time, which is nothing that is served.
        assignment: assignment.filter(|_| event.nonce.is_some()).map(|item| item.id().to_string()).into(),
        timestamp: said.timestamp().map(|time| time.get()).into(),
        block_height: said.height().into(),
        hash_chain: said.hash_chain().map(|chain| chain.to_string()).into(),
        owner: item.map(|item| item.address().to_string()).into(),
        action: action.map(|action| action.chars().take(ACTION_SHOWN).collect::<String>()).into(),
        size: item.map(|item| item.data().len() as u64).into(),
        imported: event.imported,
        upload: node.uploads().map(|uploads| upload(&uploads, event).to_owned()).into(),
    }
}

/// How far the upload of an event is.
fn upload(uploads: &UploadsHandle, event: &EventRef<'_>) -> &'static str {
    let before = event.seq.get().checked_sub(1).map(log::Seq::new);
    let refused = uploads.dead_letters(before, 1).unwrap_or_default();
    if refused.iter().any(|letter| letter.seq == event.seq) {
        "refused"
    } else if uploads.is_uploaded(event.seq) {
        "uploaded"
    } else {
        "waiting"
    }
}
