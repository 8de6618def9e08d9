//! Rounds over the processes whose events are stuck: each is visited once in a round, a few at a time.
//!
//! However many there are, a round remembers only which one was begun last.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use log::Seq;
use protocol::ProcessId;
use tokio::time::{Instant, sleep_until};

use super::blocking::blocking;
use super::reading::load;
use super::sender::LAST_RETRY;
use super::shared::UploadsShared;
use super::waits::{Through, Waits};
use crate::projection::ProjectionError;

/// How many are visited at a time: fewer than attempts may be under way, so that room is left for all others.
const VISITS_MAX: usize = 8;
/// How many events of a process are sent in one visit, lest the others wait for the next one for long.
const VISIT_EVENTS: u64 = 1_000;

/// Where the rounds are.
#[derive(Default)]
pub(super) struct Rounds {
    state: RoundState,
    /// The process that was begun last; none at the beginning of a round.
    after: Option<ProcessId>,
    visiting: usize,
    /// How many events came through in this round.
    settled: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum RoundState {
    /// Nothing is stuck.
    #[default]
    Idle,
    /// The next round has its time.
    Due,
    /// One is under way, since then.
    Running(Instant),
}

impl Rounds {
    /// Plans the next round if something is stuck, or visits the next processes of the one that is under way.
    pub(super) fn go_on(
        &mut self,
        shared: &Arc<UploadsShared>,
        waits: &Waits,
    ) -> Result<(), ProjectionError> {
        match self.state {
            RoundState::Idle if shared.store.stuck_count() > 0 => {
                self.plan(LAST_RETRY, Instant::now(), waits)
            }
            RoundState::Idle | RoundState::Due => {}
            RoundState::Running(since) => {
                while self.visiting < VISITS_MAX
                    && let Some(process) = shared.store.next_stuck_process(self.after)?
                {
                    self.after = Some(process);
                    self.visiting += 1;
                    waits.push(visit(shared.clone(), process).boxed());
                }
                if self.visiting == 0 {
                    self.end(since, shared, waits);
                }
            }
        }
        Ok(())
    }

    /// Plans a round that begins at once, for what was stuck before.
    pub(super) fn begin(&mut self, waits: &Waits) {
        self.plan(Duration::ZERO, Instant::now(), waits);
    }

    /// It is time.
    pub(super) fn due(&mut self) {
        *self = Self { state: RoundState::Running(Instant::now()), ..Self::default() };
    }

    /// A visit has ended.
    pub(super) fn visited(&mut self, settled: u64) {
        self.visiting = self.visiting.saturating_sub(1);
        self.settled = self.settled.saturating_add(settled);
    }

    /// While something comes through the next round follows at once.
    fn end(&mut self, since: Instant, shared: &UploadsShared, waits: &Waits) {
        match shared.store.stuck_count() {
            0 => self.state = RoundState::Idle,
            _ if self.settled > 0 => self.begin(waits),
            _ => self.plan(LAST_RETRY, since, waits),
        }
    }

    fn plan(&mut self, wait: Duration, since: Instant, waits: &Waits) {
        self.state = RoundState::Due;
        waits.push(
            async move {
                sleep_until(since + wait).await;
                Ok(Through::RoundDue)
            }
            .boxed(),
        );
    }
}

/// Sends the stuck events of a process, in order, until one does not come through.
async fn visit(shared: Arc<UploadsShared>, process: ProcessId) -> Result<Through, ProjectionError> {
    let (mut settled, mut from) = (0, Seq::ZERO);
    while settled < VISIT_EVENTS
        && let Some(seq) = shared.store.first_stuck_of(process, from)?
    {
        let loading = shared.clone();
        let mut job = blocking(move || load(loading.log.as_ref(), &loading.store, seq)).await?;
        if let Some(error) = shared.attempt(&mut job).await? {
            return Ok(Through::Visited(settled, Some(error)));
        }
        shared.store.settle_stuck(process, seq)?;
        settled += 1;
        from = seq.next();
    }
    Ok(Through::Visited(settled, None))
}
