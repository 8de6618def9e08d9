//! Brings a log up to what a gate has: each event is held against its place, its process and its signatures, as it is when
//! it comes from another node.

use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gate::{Gate, GateContents, GateError, GatePlace, GateReader, GateRecord};
use log::{LocalLog, Rocks};
use projections::Progress;
use replicator::wire::{EventsFrame, WirePlace};
use replicator::{LogPlace, StreamReceiver};
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tracing::{info, warn};

use super::GatedError;
use crate::error::NodeError;
use crate::pauses::Pauses;
use crate::standby::threads;

/// How often it says how far it is.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// Asks a gate until it answers.
///
/// # Errors
/// When it cannot be used, or the start is cancelled.
pub(super) async fn ask<T>(
    progress: &Progress,
    mut question: impl AsyncFnMut() -> Result<T, GateError>,
) -> Result<T, NodeError> {
    let (mut pauses, mut cancelled, mut told) = (Pauses::default(), progress.cancelled(), false);
    loop {
        progress.go_on()?;
        let answer = tokio::select! {
            answer = question() => answer,
            _ = cancelled.wait_for(|cancelled| *cancelled) => continue,
        };
        let reason = match answer {
            Ok(answer) => return Ok(answer),
            Err(error @ (GateError::Away(_) | GateError::Unknown(_))) => error.to_string(),
            Err(error) => return Err(GatedError::from(error).into()),
        };
        if !mem::replace(&mut told, true) {
            warn!(reason, "this node waits for its gate");
        }
        tokio::select! {
            () = sleep(pauses.next()) => {}
            _ = cancelled.wait_for(|cancelled| *cancelled) => {}
        }
    }
}

/// Takes into the log what these contents have and it lacks; all of it is on disk and released then. Nobody else writes to
/// the log.
///
/// # Errors
/// When the two differ, what the gate has is wrong, or the start is cancelled.
pub(super) async fn fetch(
    log: &Arc<LocalLog<Rocks>>,
    gate: &Arc<dyn Gate>,
    contents: GateContents,
    progress: &Progress,
) -> Result<(), NodeError> {
    let own = log.clone();
    let receiver = spawn_blocking(move || StreamReceiver::new(own, threads()).map_err(GatedError::from));
    let mut receiver = receiver.await??;
    let before = receiver.end().0.events;
    let mut reader = GateReader::new(gate.clone(), contents);
    let from = ask(progress, async || reader.seek(before).await).await?;
    receiver = spawn_blocking(move || {
        receiver.same(log_place(from))?;
        Ok::<_, GatedError>(receiver)
    })
    .await??;
    let (began, mut told) = (Instant::now(), Instant::now());
    loop {
        let page = ask(progress, async || reader.next().await).await?;
        if page.is_empty() {
            break;
        }
        receiver = spawn_blocking(move || take(receiver, &page)).await??;
        progress.tell(receiver.end().0.events, contents.end.events);
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            info!(
                events = receiver.end().0.events,
                of = contents.end.events,
                "fetching the log from the gate"
            );
        }
    }
    let events = spawn_blocking(move || {
        receiver.settle()?;
        Ok::<_, GatedError>(receiver.end().0.events)
    })
    .await??;
    if let Some(last) = log::Seq::new(contents.end.events).prev() {
        log.release(last);
    }
    let fetched = events.saturating_sub(before);
    if fetched > 0 {
        info!(fetched, events, milliseconds = began.elapsed().as_millis(), "fetched from the gate");
    }
    Ok(())
}

/// Takes in records that go on from each other, together.
fn take(
    mut receiver: StreamReceiver<Rocks>,
    page: &[GateRecord],
) -> Result<StreamReceiver<Rocks>, GatedError> {
    let batches: Vec<_> = page.iter().filter_map(|record| Some((record, record.batch()?))).collect();
    let (Some((first, _)), Some((last, _))) = (batches.first(), batches.last()) else { return Ok(receiver) };
    let mut events = Vec::new();
    for (record, batch) in &batches {
        // Before anything of it is appended: these are the events of which the digest is.
        batch.events(&record.before)?;
        events.extend(batch.encoded()?);
    }
    let GatePlace { events: at, digest, .. } = first.before;
    let frame = EventsFrame {
        term: last.claim.term.0,
        owner: *last.claim.owner.0.as_bytes(),
        from: WirePlace { events: at, digest: *digest.as_bytes() },
        released: last.after().events,
        events,
    };
    receiver.events(&frame, None)?;
    Ok(receiver)
}

fn log_place(place: GatePlace) -> LogPlace {
    LogPlace { events: place.events, digest: place.digest }
}
