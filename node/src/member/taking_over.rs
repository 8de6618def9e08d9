//! Taking the place of the leader because an operator says so, by the promises of others or on the word of a person.

use std::time::Duration;

use api::{MemberCallError, PromotedForm};
use log::{StoreId, Term};
use replicator::MemberError;
use tokio::sync::MutexGuard;
use tokio::time::{Instant, sleep};
use tracing::warn;

use super::MemberNode;
use super::calls::{failed, refused};
use super::electing::{AGAIN, ELECTION, GatheredPromises};

/// How long it is waited that a new term is confirmed, before the operator is told that it is not.
const CONFIRMED: Duration = Duration::from_secs(3);

impl MemberNode {
    /// Takes the place of the leader; on the word of a person, who names the store, also without the others.
    pub(super) async fn take_over(
        &self,
        accept_loss: Option<StoreId>,
        by: String,
    ) -> Result<PromotedForm, MemberCallError> {
        if let Some(named) = accept_loss.filter(|named| *named != self.store) {
            let own = self.store;
            return refused(format!(
                "--accept-loss names the store {named}, and this is the store {own}; nothing was changed"
            ));
        }
        self.check_takeover().await?;
        self.check_verified()?;
        let _turn = match accept_loss {
            Some(_) => self.turn_by_word().await,
            None => match self.electing.try_lock() {
                Ok(turn) => turn,
                Err(_) => return refused("an election is under way here already"),
            },
        };
        if self.with(|member| Ok::<_, MemberError>(member.is_in_lead())).map_err(failed)?
            && accept_loss.is_none()
        {
            return Ok(self.promoted(self.term(), &GatheredPromises::default()).await);
        }
        let before = self.followed_now();
        self.follow(None);
        let done = match accept_loss {
            Some(_) => self.force(&by).await.map(|term| (term, GatheredPromises::default())),
            None => self.elect_unless_forced(Term(0), &[]).await,
        };
        match done {
            Ok((term, gathered)) => Ok(self.promoted(term, &gathered).await),
            Err(error) => {
                let _ = self.with(|member| {
                    member.resign();
                    Ok::<_, MemberError>(())
                });
                self.follow(before);
                Err(error)
            }
        }
    }

    /// The turn of a person, for whom an election that is under way ends.
    pub(super) async fn turn_by_word(&self) -> MutexGuard<'_, ()> {
        self.forcing.send_replace(true);
        let turn = self.electing.lock().await;
        self.forcing.send_replace(false);
        turn
    }

    /// Leads alone, on the word of a person.
    async fn force(&self, by: &str) -> Result<Term, MemberCallError> {
        let until = Instant::now() + ELECTION;
        loop {
            if let Some(term) = self.with(|member| member.force(by)).map_err(failed)? {
                warn!(%term, by, "leads alone on the word of a person");
                return Ok(term);
            }
            if Instant::now() > until {
                return refused("what this node has does not get to its disk; nothing was changed");
            }
            sleep(AGAIN).await;
        }
    }

    /// What an operator is told once a term has begun: whether it is confirmed, and what is missing if not.
    async fn promoted(&self, term: Term, gathered: &GatheredPromises) -> PromotedForm {
        let until = Instant::now() + CONFIRMED;
        let mut leads = false;
        while !leads && Instant::now() < until {
            // It may schedule in an earlier term until the new one is on its disk.
            leads = self.term() >= term && self.schedules();
            if !leads {
                sleep(AGAIN / 4).await;
            }
        }
        let waits_for = (!leads).then(|| {
            if let Some(reason) = self.cannot_schedule() {
                return format!("its term is confirmed, and it tries every second to schedule: {reason}");
            }
            if matches!(self.with(|member| Ok::<_, MemberError>(member.leads())), Ok(Some(led)) if led >= term) {
                return "its term is confirmed, and it begins to schedule by itself in a moment".to_owned();
            }
            let reasons = match gathered.reasons.is_empty() {
                true => "they have promised, and do not confirm it yet".to_owned(),
                false => gathered.reasons.join("; "),
            };
            format!(
                "its promotion has to be on the disks of others before anything is scheduled ({reasons}). Start these again; or, \
                 if they are gone for good, promote this one with --accept-loss {}",
                self.store
            )
        });
        PromotedForm {
            node: self.id.to_string(),
            term: term.0,
            promises: gathered.promises.iter().map(ToString::to_string).collect(),
            events: self.synced(),
            adopted: gathered.adopted,
            leads,
            waits_for: waits_for.into(),
        }
    }
}
