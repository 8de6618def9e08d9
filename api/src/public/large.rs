//! An event with long data, shown a part at a time.

use std::ops::ControlFlow;
use std::sync::Arc;

use ans104::TagsError;
use log::{BodyRef, EventKey, EventRef};
use protocol::Nonce;

use super::page::damaged;
use crate::error::CallError;
use crate::node::ApiNode;
use crate::recent::{CountedData, LargeForm, LargeKey};
use crate::render::{LargeData, Renderer, ShownPart};

/// Longer data is shown a part at a time: of less, a piece of an answer has room for all, whatever is in it.
pub(super) const DATA_MAX: usize = 16 << 10;

/// What is left to show of an event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unfinished {
    key: LargeKey,
    shown: ShownPart,
}

impl Unfinished {
    /// Begins behind what was shown of it already.
    pub(super) fn new(node: &ApiNode, event: &EventRef<'_>, form: LargeForm, data: LargeData) -> Self {
        let key = LargeKey { place: EventKey { process: event.process, nonce: event.nonce }, form };
        node.rooms.recent.keep(key, data);
        Self { key, shown: ShownPart::default() }
    }

    /// Shows more until `out` is about so long; what is then left, if anything is.
    pub(super) fn append(
        self,
        node: &ApiNode,
        out: &mut Vec<u8>,
        until: usize,
    ) -> Result<Option<Self>, CallError> {
        let kept = match node.rooms.recent.get(&self.key) {
            Some(kept) => kept,
            None => read(node, self.key)?,
        };
        let left = kept.data.append(out, self.shown, until);
        Ok(left.map(|shown| Self { shown, ..self }))
    }
}

/// Appends an event as it is to be shown; hands out its data, and what comes after it, where that is long.
pub(super) fn show(
    renderer: &mut Renderer,
    out: &mut Vec<u8>,
    event: &EventRef<'_>,
    form: LargeForm,
) -> Result<Option<LargeData>, TagsError> {
    match (form, event.body) {
        (LargeForm::Edge(by), _) => renderer.edge(out, event, by)?,
        (LargeForm::Aos2, _) => renderer.aos2(out, event)?,
        (LargeForm::Bundled, _) => renderer.bundled(out, event)?,
        (LargeForm::Node, _) => renderer.node(out, event)?,
        (LargeForm::Process, BodyRef::Spawned { item, assignment }) => {
            renderer.process(out, &item, assignment.as_ref())?;
        }
        (LargeForm::Process, _) => {}
    }
    Ok(renderer.cut(out, event))
}

/// Reads the data again.
fn read(node: &ApiNode, key: LargeKey) -> Result<Arc<CountedData>, CallError> {
    let mut read = None;
    visit(node, key.place, |event| {
        // How an anchor is shown comes before the data.
        let mut renderer = Renderer::new(key.place.process, false).leaving_out(DATA_MAX);
        read = show(&mut renderer, &mut Vec::new(), event, key.form)?;
        Ok(())
    })?;
    let missing = || web::HttpError::internal(format!("the log has no longer what it had: {}", key.place));
    Ok(node.rooms.recent.keep(key, read.ok_or_else(missing)?))
}

/// Visits one event, if it is there.
pub(crate) fn visit(
    node: &ApiNode,
    place: EventKey,
    mut visit: impl FnMut(&EventRef<'_>) -> Result<(), TagsError>,
) -> Result<(), CallError> {
    // An empty range for the event without a nonce: only the unassigned spawn is visited.
    let nonces = place.nonce.map_or(Nonce::MAX..=Nonce::ZERO, |nonce| nonce..=nonce);
    let mut visited = Ok(());
    node.parts.log.range(place.process, place.nonce.is_none(), nonces, &mut |event| {
        visited = visit(&event).map_err(|reason| damaged(&event, &reason));
        ControlFlow::Break(())
    })?;
    Ok(visited?)
}
