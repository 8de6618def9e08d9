//! Uploading again what an operator asks for, beside what is uploaded anyway.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use log::Seq;
use protocol::{Nonce, ProcessId};
use tokio::time::{sleep, timeout};

use super::NAME;
use super::cursor::UploadCursor;
use super::handle::UploadsHandle;
use super::piece::UploadJob;
use super::sender::Verdict;
use crate::fingerprint::fingerprint_at;
use crate::position::{Standing, behind};
use crate::projection::ProjectionError;
use crate::replay::{Progress, Replay, ReplayScope};

/// How much is read at a time.
const BATCH_EVENTS: usize = 256;
const BATCH_BYTES: usize = 16 << 20;
/// How many processes are uploaded side by side.
const PARALLEL: usize = 16;
/// How soon a wish to end early is heard.
const LISTEN_EVERY: Duration = Duration::from_millis(100);

impl Replay for UploadsHandle {
    fn name(&self) -> &'static str {
        NAME
    }

    fn replay(&self, scope: &ReplayScope, progress: &Progress) -> Result<(), ProjectionError> {
        let Some(runtime) = self.shared.runtime.get() else {
            let reason = "uploads have not started".to_owned();
            return Err(ProjectionError::Waiting { projection: NAME, reason });
        };
        runtime.block_on(async {
            let mut compared = self.shared.compared.subscribe();
            while timeout(LISTEN_EVERY, compared.wait_for(|compared| *compared)).await.is_err() {
                progress.go_on()?;
            }
            let stands = self.shared.publisher.standing();
            match scope.process {
                _ if scope.is_whole() && stands == Standing::NeedsRebuild => self.rebuild(progress).await,
                Some(process) => self.process(process, scope.from, progress).await,
                None => self.events(scope, progress).await,
            }
        })
    }
}

impl UploadsHandle {
    /// Lets uploads that stand still begin anew, and waits until they have come to where the log ends now. They go
    /// on when the wait is ended early.
    async fn rebuild(&self, progress: &Progress) -> Result<(), ProjectionError> {
        progress.enter("uploading anew");
        let end = self.shared.log.tail().last();
        self.shared.rebuild.ask();
        let total = behind(end, None);
        loop {
            progress.go_on()?;
            let position = self.shared.publisher.last();
            if self.shared.publisher.standing() != Standing::NeedsRebuild {
                progress.tell(total.saturating_sub(behind(end, position)), total);
                if position >= end {
                    return Ok(());
                }
            }
            sleep(LISTEN_EVERY).await;
        }
    }

    /// All events from one on. A whole replay remembers how far it is.
    async fn events(&self, scope: &ReplayScope, progress: &Progress) -> Result<(), ProjectionError> {
        progress.enter("uploading again");
        let first = if scope.is_whole() { self.remembered()? } else { scope.from };
        let end = self.shared.log.tail().last();
        let mut next = first.unwrap_or(Seq::ZERO);
        let total = behind(end, next.prev());
        while end.is_some_and(|end| next <= end) {
            let log = self.shared.log.clone();
            let mut batch = ResendBatch::default();
            log.scan(next, &mut |event| batch.take(UploadJob::of(&event, |_, _| true), end))?;
            let Some(last) = batch.last else { break };
            self.send(batch, progress).await?;
            next = last.next();
            if scope.is_whole() {
                self.remember(Some(last))?;
            } else {
                progress.reached(last);
            }
            progress.tell(total - behind(end, Some(last)), total);
        }
        if scope.is_whole() { self.remember(None) } else { Ok(()) }
    }

    /// One process, from an event of the log on.
    async fn process(
        &self,
        process: ProcessId,
        from: Option<Seq>,
        progress: &Progress,
    ) -> Result<(), ProjectionError> {
        progress.enter("uploading again");
        let head = self.shared.log.head(process)?;
        let total = head.map_or(0, |head| head.next_nonce().get());
        let (mut next, mut unassigned, mut done) = (Nonce::ZERO, true, 0);
        loop {
            let log = self.shared.log.clone();
            let mut batch = ResendBatch::default();
            let mut last = None;
            log.range(process, unassigned, next..=Nonce::MAX, &mut |event| {
                last = Some(event.nonce);
                let wanted = from.is_none_or(|from| event.seq >= from);
                batch.take(UploadJob::of(&event, |_, _| wanted), None)
            })?;
            let Some(last) = last else { return Ok(()) };
            done += batch.events as u64;
            let reached = batch.last;
            self.send(batch, progress).await?;
            if let Some(seq) = reached.filter(|seq| from.is_none_or(|from| *seq >= from)) {
                progress.reached(seq);
            }
            progress.tell(done, total.max(done));
            unassigned = false;
            next = last.map_or(Nonce::ZERO, Nonce::next);
            if head.and_then(|head| head.last).is_none_or(|link| last >= Some(link.nonce)) {
                return Ok(());
            }
        }
    }

    /// Sends a batch; soon ends when that is asked for, also in the middle of an item.
    async fn send(&self, batch: ResendBatch, progress: &Progress) -> Result<(), ProjectionError> {
        let failed = std::sync::Mutex::new(None);
        let sending =
            stream::iter(batch.by_process.into_values()).for_each_concurrent(PARALLEL, async |jobs| {
                for job in jobs {
                    if let Err(error) = self.again(&job).await {
                        failed.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).get_or_insert(error);
                        return;
                    }
                }
            });
        let cancelled = async {
            loop {
                if let Err(error) = progress.go_on() {
                    return error;
                }
                sleep(LISTEN_EVERY).await;
            }
        };
        tokio::select! {
            biased;
            error = cancelled => return Err(error),
            () = sending => {}
        }
        failed.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()).map_or(Ok(()), Err)
    }

    /// Sends what an event has once more; the dead letters follow what becomes of it now.
    async fn again(&self, job: &UploadJob) -> Result<(), ProjectionError> {
        for piece in &job.pieces {
            match self.shared.sender.settle(piece).await {
                Verdict::Taken => {
                    self.shared.taken(job.seq, piece)?;
                }
                Verdict::Refused { status, reason } => self.shared.refused(job, piece, status, reason)?,
            }
        }
        Ok(())
    }

    /// Where a whole replay goes on that was ended early; none at the beginning.
    fn remembered(&self) -> Result<Option<Seq>, ProjectionError> {
        let Some(cursor) = self.shared.store.replayed()? else { return Ok(None) };
        let log = self.shared.log.as_ref();
        let same = cursor.is_of(log.identity().store)
            && fingerprint_at(log, cursor.position)? == Some(cursor.fingerprint);
        Ok(same.then(|| cursor.position.next()))
    }

    fn remember(&self, last: Option<Seq>) -> Result<(), ProjectionError> {
        let log = self.shared.log.as_ref();
        let Some(last) = last else { return self.shared.store.set_replayed(None) };
        let fingerprint = fingerprint_at(log, last)?.flatten();
        self.shared.store.set_replayed(Some(&UploadCursor::new(log.identity().store, last, fingerprint)))
    }
}

/// What is sent together: the processes side by side, each in order.
#[derive(Default)]
struct ResendBatch {
    by_process: HashMap<ProcessId, Vec<UploadJob>>,
    events: usize,
    bytes: usize,
    last: Option<Seq>,
}

impl ResendBatch {
    fn take(&mut self, job: UploadJob, end: Option<Seq>) -> ControlFlow<()> {
        self.events += 1;
        self.bytes += job.bytes();
        let seq = job.seq;
        self.last = Some(seq);
        self.by_process.entry(job.process).or_default().push(job);
        if self.events >= BATCH_EVENTS || self.bytes >= BATCH_BYTES || end.is_some_and(|end| seq >= end) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}
