//! Completion: waits until what was signed is on disk and in the index, and only then answers.

use std::sync::Arc;

use log::Receipt;
use projections::Position;
use tokio::sync::mpsc;

use crate::error::{FirstOfContent, ScheduleError};
use crate::in_flight::{InFlight, Outcome};
use crate::sequencer::Sequencer;

/// Answers orders in the order in which they left their lanes, until no more can come.
///
/// A repeated message, content or spawn waits in this queue behind the first one, so what it is told is true: the first
/// is on disk, or nothing is.
pub(crate) async fn complete_all(
    sequencer: Arc<Sequencer>,
    mut indexed: Position,
    mut in_flight: mpsc::UnboundedReceiver<InFlight>,
) {
    while let Some(InFlight { lane, id, outcome, answer, left }) = in_flight.recv().await {
        let since = answer.since;
        let process = lane.process;
        let result = match outcome {
            Outcome::Enqueued { receipt, scheduled, content } => {
                let completed = complete(&sequencer, receipt, &mut indexed).await;
                if completed.is_ok() {
                    lane.complete(id, content);
                    sequencer.backlog.completed(sequencer.clock.monotonic().saturating_duration_since(left));
                }
                completed.map(|()| scheduled)
            }
            Outcome::Duplicate => {
                sequencer.check_running().and(Err(ScheduleError::Duplicate { process, id }))
            }
            Outcome::DuplicateContent(first) => {
                let first = FirstOfContent::Id(first);
                sequencer.check_running().and(Err(ScheduleError::DuplicateContent { process, id, first }))
            }
            Outcome::SpawnedAgain(first) => sequencer.check_running().map(|()| first),
        };
        sequencer.measures.answered(since.elapsed(), &result);
        answer.give(result);
    }
}

async fn complete(
    sequencer: &Sequencer,
    receipt: Receipt,
    indexed: &mut Position,
) -> Result<(), ScheduleError> {
    let seq = receipt.await.inspect_err(|error| sequencer.halt(&error.to_string()))?;
    // Until the index has it the message counts as in flight: were reading it to fail here, a repetition is still
    // found.
    indexed.applied(seq).await?;
    Ok(())
}
