//! Completion: waits until what was signed is on disk and in the index, and only then answers.

use std::collections::VecDeque;
use std::sync::Arc;

use ans104::Id;
use log::{DeepHash, Receipt, Seq};
use projections::Position;
use tokio::sync::mpsc;

use crate::error::{FirstOfContent, ScheduleError};
use crate::in_flight::{InFlight, Outcome};
use crate::lane::Lane;
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
    let mut late = Late { indexed: indexed.clone(), unindexed: VecDeque::new() };
    loop {
        let left_lane = tokio::select! {
            biased;
            () = late.complete_next(), if !late.unindexed.is_empty() => continue,
            left_lane = in_flight.recv() => left_lane,
        };
        let Some(InFlight { lane, id, outcome, answer, left }) = left_lane else { return };
        let since = answer.since;
        let process = lane.process;
        let result = match outcome {
            Outcome::Enqueued { receipt, scheduled, content } => {
                let completed = match on_disk(&sequencer, receipt).await {
                    // Until the index has it the message counts as in flight: were reading it to fail here, a
                    // repetition is still found.
                    Ok(seq) => indexed.applied(seq).await.map_err(|behind| (Some(seq), behind.into())),
                    Err(error) => Err((None, error)),
                };
                match completed {
                    Ok(()) => {
                        lane.complete(id, content);
                        let took = sequencer.clock.monotonic().saturating_duration_since(left);
                        sequencer.backlog.completed(took);
                        Ok(scheduled)
                    }
                    Err((seq, error)) => {
                        late.unindexed.extend(seq.map(|seq| Unindexed { seq, lane, id, content }));
                        Err(error)
                    }
                }
            }
            Outcome::Duplicate => {
                sequencer.check_running().and(Err(ScheduleError::Duplicate { process, id }))
            }
            Outcome::DuplicateContent(first) => {
                let first = FirstOfContent::Id(first);
                sequencer.check_running().and(Err(ScheduleError::DuplicateContent { process, id, first }))
            }
            Outcome::SpawnedAgain(first) => sequencer.check_running().map(|()| first),
            Outcome::Moved(step) => sequencer.check_running().and(Err(ScheduleError::Moved(step))),
        };
        sequencer.measures.answered(since.elapsed(), &result);
        answer.give(result);
    }
}

/// Where it is once it is on disk.
async fn on_disk(sequencer: &Sequencer, receipt: Receipt) -> Result<Seq, ScheduleError> {
    Ok(receipt.await.inspect_err(|error| sequencer.halt(&error.to_string()))?)
}

/// What is on disk and was not in the index when it was answered: in flight until it is.
struct Late {
    indexed: Position,
    /// In about the order of the log.
    unindexed: VecDeque<Unindexed>,
}

struct Unindexed {
    seq: Seq,
    lane: Arc<Lane>,
    id: Id,
    content: Option<DeepHash>,
}

impl Late {
    /// Waits until the index has the first of them, which is not in flight any more then. May be dropped at any time.
    async fn complete_next(&mut self) {
        let Some(first) = self.unindexed.front() else { return };
        if !self.indexed.passed(first.seq).await {
            // Nothing will be scheduled any more: they stay in flight.
            self.unindexed.clear();
        } else if let Some(Unindexed { lane, id, content, .. }) = self.unindexed.pop_front() {
            lane.complete(id, content);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::future::ready;

    use log::{LocalLog, Log, Memory, MemoryDisk};
    use projections::{ProjectionError, Publisher};

    use super::*;

    #[tokio::test]
    async fn what_the_index_has_late_is_not_in_flight_any_more() {
        let log = LocalLog::open(Memory::open(&MemoryDisk::new()), None).unwrap();
        let publisher = Publisher::new("index", log.tail());
        let lane = Arc::new(Lane::new(Id::from_bytes([9; 32]).into()));
        let ids = [1, 2].map(|number| Id::from_bytes([number; 32]));
        for id in ids {
            lane.enqueued(id, None, None);
        }
        let unindexed = [(ids[0], 3), (ids[1], 5)].map(|(id, seq)| Unindexed {
            seq: Seq::new(seq),
            lane: lane.clone(),
            id,
            content: None,
        });
        let mut late = Late { indexed: publisher.position(), unindexed: unindexed.into() };
        let fails = |position| {
            publisher.publish(Some(Seq::new(position)), None, Some(&ProjectionError::Cancelled));
        };
        fails(2);
        tokio::select! {
            biased;
            () = late.complete_next() => panic!("the index does not have it"),
            () = ready(()) => {}
        }
        assert!(ids.iter().all(|id| lane.is_in_flight(*id)));
        // However it does otherwise.
        fails(4);
        late.complete_next().await;
        assert_eq!(ids.map(|id| lane.is_in_flight(id)), [false, true]);
        drop(publisher);
        late.complete_next().await;
        assert!(late.unindexed.is_empty() && lane.is_in_flight(ids[1]), "nobody knows");
    }
}
