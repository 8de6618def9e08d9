//! How a node takes the right to write at a gate: only where what is here and what is there go on from each other.

use std::sync::Arc;
use std::time::Duration;

use gate::{Durability, Gate, GateContents, GateError, GatePublisher, GateReader, PublishError};
use log::{LocalLog, Log, Rocks, Term};
use projections::Progress;
use replicator::{Keeper, Kept, MemberFile, Promise, ReceiveError, newest_members};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::fetching::{ask, fetch};
use super::{GatedError, count, gate_of};
use crate::error::NodeError;
use crate::leadership::LeadershipError;
use crate::options::{GateOptions, WriteOptions};
use crate::wallet;

/// How long until a claim is put again of which it is not known what became, at first and at most.
const AGAIN: Duration = Duration::from_millis(200);
const AGAIN_MAX: Duration = Duration::from_secs(2);
/// For so long a gate that has less than it had is asked again: an engine that has just gone on elsewhere may not have all
/// of it at hand.
const MISSING_FOR: Duration = Duration::from_secs(3);

/// What a node claims with.
pub(super) struct Claiming<'a> {
    pub(super) log: Arc<LocalLog<Rocks>>,
    pub(super) options: GateOptions,
    pub(super) file: MemberFile,
    pub(super) progress: &'a Progress,
}

/// A claim that the gate has.
pub(super) struct Claimed {
    /// What writes on the strength of it; the log has all that is there.
    pub(super) publisher: GatePublisher,
    /// Whether the log says that it has a gate.
    pub(super) is_marked: bool,
    /// How safely the gate keeps what it has.
    pub(super) durability: Durability,
}

/// What a gate has that is known to have had so many events.
async fn contents_of(
    gate: &Arc<dyn Gate>,
    known: u64,
    progress: &Progress,
) -> Result<Option<GateContents>, NodeError> {
    let since = Instant::now();
    loop {
        let contents = ask(progress, async || gate.contents().await).await?;
        let there = contents.map_or(0, |contents| contents.end.events);
        if there >= known || since.elapsed() >= MISSING_FOR {
            return Ok(contents);
        }
        sleep(AGAIN).await;
    }
}

impl Claiming<'_> {
    /// Claims a term, once the log has what is there; from here on the log is held.
    ///
    /// # Errors
    /// When the gate cannot be used, or what is there and what is here differ. Nothing is claimed then.
    pub(super) async fn claim(mut self, writing: &WriteOptions) -> Result<Claimed, NodeError> {
        let reading = self.log.clone();
        let read =
            spawn_blocking(move || Ok((newest_members(reading.as_ref())?, gate_of(reading.as_ref())?)));
        let (members, mark) = read.await?.map_err(NodeError::Read)?;
        if members.is_some() {
            return Err(GatedError::Members.into());
        }
        // What was released since the log has a gate is there.
        let released = self.log.tail().last();
        let known = mark.as_ref().filter(|mark| released >= Some(mark.since)).map_or(0, |_| count(released));
        let contents = contents_of(&self.options.gate, known, self.progress).await?;
        self.check(contents.as_ref(), known).await?;
        let (was_held, was_empty) = (self.log.is_held(), contents.is_none());
        if !was_held {
            self.log.hold(true)?.await?;
        }
        let claimed = self.claim_behind(contents, mark.as_ref().map(|_| known), writing).await;
        if claimed.is_err() && was_empty && !was_held {
            // The log is one node's alone as before: whoever starts it without this gate may write it.
            self.log.hold(false)?.await?;
        }
        let publisher = claimed?;
        // What an earlier writer got in at the last moment.
        let there = ask(self.progress, async || self.options.gate.contents().await).await?;
        let durability = there.map_or(Durability::SingleCopy, |there| there.durability);
        let (store, claim) = (self.log.identity().store, publisher.held());
        let end = publisher.end();
        fetch(&self.log, &self.options.gate, GateContents { store, end, claim, durability }, self.progress)
            .await?;
        if durability == Durability::SingleCopy {
            warn!(
                "the gate keeps a single copy of what it has, which GATE_SINGLE_COPY accepts: what is lost there is lost"
            );
        }
        info!(term = %claim.term, end = %end, "has claimed the gate");
        Ok(Claimed { publisher, is_marked: mark.is_some(), durability })
    }

    /// Refuses where the gate is not what this node knows it to be, or another node has taken its place.
    async fn check(&self, contents: Option<&GateContents>, known: u64) -> Result<(), NodeError> {
        let here = self.log.identity().store;
        let there = contents.map_or(0, |contents| contents.end.events);
        if let Some(contents) = contents.filter(|contents| contents.store != here) {
            return Err(GatedError::OtherStore { there: contents.store, here }.into());
        }
        if there < known {
            return Err(GatedError::Forgot { there, known }.into());
        }
        let Some(contents) = contents else { return Ok(()) };
        let mut reader = GateReader::new(self.options.gate.clone(), *contents);
        let place = ask(self.progress, async || reader.seek(known).await).await?;
        let log = self.log.clone();
        let own = spawn_blocking(move || log.digest_of(place.events)).await??;
        if own != Some(place.digest) {
            return Err(GatedError::Changed(known).into());
        }
        let (claim, promise) = (contents.claim, self.file.promise());
        let has_led = promise.to == self.file.node() && promise.term > Term(0);
        let is_later = claim.owner != self.file.node() && claim.term >= promise.term;
        if has_led && is_later && self.options.take_over != Some(claim.term) {
            return Err(GatedError::Replaced { by: claim.owner, term: claim.term }.into());
        }
        Ok(())
    }

    /// Claims behind what is there, again and again while another one writes.
    async fn claim_behind(
        &mut self,
        mut contents: Option<GateContents>,
        known: Option<u64>,
        writing: &WriteOptions,
    ) -> Result<GatePublisher, NodeError> {
        loop {
            if let Some(contents) = contents {
                self.bring_up(contents, known).await?;
            }
            self.check_wallet(writing).await?;
            let here = count(self.log.synced().last());
            let compared = contents.map_or(0, |contents| contents.end.events);
            // What is only here may be passed by while it claims: that is looked at before it claims again.
            let is_alike = |now: &GateContents| here <= compared || now.end.events == compared;
            let above = self.log.identity().term.max(self.file.promise().term);
            loop {
                match self.put_claim(contents.as_ref(), above).await? {
                    Ok(publisher) => return Ok(publisher),
                    Err(now) => contents = Some(now),
                }
                if !contents.as_ref().is_some_and(is_alike) {
                    break;
                }
            }
        }
    }

    /// Fetches what is missing here.
    async fn bring_up(&self, contents: GateContents, known: Option<u64>) -> Result<(), NodeError> {
        let fetched = fetch(&self.log, &self.options.gate, contents, self.progress).await;
        fetched.map_err(|error| match error {
            NodeError::Gated(GatedError::Receive(ReceiveError::Diverged { found, own })) => {
                let reason = ReceiveError::Diverged { found, own }.to_string();
                match known {
                    Some(known) => {
                        let beyond = count(self.log.synced().last()).saturating_sub(known);
                        GatedError::Beyond { beyond, reason }.into()
                    }
                    None => GatedError::TwoLives(reason).into(),
                }
            }
            error => error,
        })
    }

    /// Puts a claim until it is known what became of it: what writes on the strength of it, or what is there instead.
    async fn put_claim(
        &mut self,
        contents: Option<&GateContents>,
        above: Term,
    ) -> Result<Result<GatePublisher, GateContents>, NodeError> {
        let (gate, store, owner) = (self.options.gate.clone(), self.log.identity().store, self.file.node());
        let claimed = GatePublisher::claim(gate, contents, store, owner, above);
        let mut publisher = claimed.map_err(GatedError::from)?;
        self.promise(publisher.held().term).await?;
        let (mut cancelled, mut pause) = (self.progress.cancelled(), AGAIN);
        loop {
            self.progress.go_on()?;
            let settled = tokio::select! {
                settled = publisher.settle() => settled,
                _ = cancelled.wait_for(|cancelled| *cancelled) => continue,
            };
            match settled {
                Ok(_) => return Ok(Ok(publisher)),
                Err(PublishError::Deposed(contents)) => return Ok(Err(contents)),
                Err(PublishError::Gate(GateError::Away(reason) | GateError::Unknown(reason))) => {
                    warn!(%reason, "the gate is not known to have taken the claim of this node; putting it again");
                    sleep(pause).await;
                    pause = pause.saturating_mul(2).min(AGAIN_MAX);
                }
                Err(error) => return Err(GatedError::from(error).into()),
            }
        }
    }

    /// Keeps that this node has claimed this term, before it does.
    async fn promise(&self, term: Term) -> Result<(), NodeError> {
        let mut file = self.file.clone();
        if file.promise().term >= term {
            return Ok(());
        }
        let kept = spawn_blocking(move || {
            let promise = Promise { term, to: file.node() };
            let kept = Kept { promise, ..file.kept() };
            Keeper::keep(&mut file, kept).map_err(|error| file.unwritten(error))
        });
        Ok(kept.await?.map_err(LeadershipError::from)?)
    }

    /// Refuses where this node could not schedule.
    async fn check_wallet(&self, writing: &WriteOptions) -> Result<(), NodeError> {
        let log: Arc<dyn Log> = self.log.clone();
        let given = writing.signer.address();
        match wallet::remembered(&log).await? {
            Some(remembered) if remembered != given && writing.wallet_change_to != Some(given) => {
                Err(NodeError::OtherWallet { remembered, given })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use gate::{ClaimId, GateClaim, GatePlace, GateRecord, Put};
    use log::{LogDigest, NodeId, StoreId};
    use uuid::Uuid;

    use super::*;

    /// A gate that tells nothing for some times.
    struct Forgetful(AtomicUsize);

    #[async_trait]
    impl Gate for Forgetful {
        fn kind(&self) -> &'static str {
            "forgetful"
        }

        async fn contents(&self) -> Result<Option<GateContents>, GateError> {
            let is_left = |left: usize| left.checked_sub(1);
            if self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, is_left).is_ok() {
                return Ok(None);
            }
            let claim = GateClaim { id: ClaimId::random(), term: Term(2), owner: NodeId::random() };
            let end = GatePlace { records: 2, events: 9, digest: LogDigest::EMPTY };
            let store = StoreId(Uuid::nil());
            Ok(Some(GateContents { store, end, claim, durability: Durability::SingleCopy }))
        }

        async fn put(&self, _: &GateRecord) -> Result<Put, GateError> {
            Err(GateError::away("it takes nothing"))
        }

        async fn read(&self, _: u64, _: usize) -> Result<Vec<GateRecord>, GateError> {
            Ok(Vec::new())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_an_engine_does_not_tell_for_a_moment_is_not_lost() {
        for (times, known, told) in [(1, 9, Some(9)), (5, 4, Some(9)), (1, 0, None), (1000, 9, None)] {
            let gate: Arc<dyn Gate> = Arc::new(Forgetful(AtomicUsize::new(times)));
            let contents = contents_of(&gate, known, &Progress::default()).await.unwrap();
            assert_eq!(contents.map(|contents| contents.end.events), told, "{times} {known}");
        }
    }
}
