//! Whether what came to processes that moved came while they were here, and whether their histories end where the logs of
//! both stores say.

use std::collections::HashMap;

use protocol::ProcessId;

use crate::event::EventRef;
use crate::fact::Fact;
use crate::head::Head;
use crate::ids::Seq;
use crate::moves::{MoveEnd, MoveStep, ProcessMove};

/// The steps of moves of a log, in their order. The stream of facts comes before every process.
#[derive(Default)]
pub(super) struct SeenMoves(HashMap<ProcessId, Vec<(Seq, ProcessMove)>>);

impl SeenMoves {
    /// Takes note of a fact.
    pub(super) fn note(&mut self, event: &EventRef<'_>) {
        if let Some(Fact::Move(step)) = Fact::of(event) {
            self.0.entry(step.process).or_default().push((event.seq, step));
        }
    }

    /// Why an event must not be where it is, if that is so.
    pub(super) fn difference(&self, event: &EventRef<'_>) -> Option<String> {
        let steps = self.0.get(&event.process)?;
        let (since, step) = steps.iter().rev().find(|(since, _)| *since < event.seq)?;
        let reason = step.refusal(event.imported)?;
        Some(format!("it came to a process of which number {since} says: {reason}"))
    }

    /// What is wrong with the steps of a process before an event, or with all that are left, given where the process
    /// stands before that.
    pub(super) fn other_end(
        &self,
        process: ProcessId,
        head: Option<Head>,
        before: Option<Seq>,
    ) -> Option<String> {
        let found = MoveEnd::of(process, head.and_then(|head| head.last));
        let is_next =
            |seq: Seq| head.is_none_or(|head| seq > head.seq) && before.is_none_or(|before| seq < before);
        let mut steps = self.0.get(&process)?.iter().filter(|(seq, _)| is_next(*seq));
        steps.find_map(|(seq, step)| match &step.step {
            MoveStep::In(end) | MoveStep::Out(end, _) | MoveStep::Back(end, _) if *end != found => Some(
                format!("number {seq} says of its history that it ends at {end}, and it ends at {found}"),
            ),
            _ => None,
        })
    }
}
