//! Standing for a term: the others are asked for their promises, the greatest log is adopted, and the term begins.

use std::time::Duration;

use api::{MemberCallError, PromotedForm};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use log::{NodeId, ReceivedCheck, StoreId, Term};
use replicator::{FetchRequest, FollowError, MemberError, PromiseAnswer, PromiseRequest, StandOutcome};
use reqwest::Url;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{info, warn};

use super::asking::answer_of;
use super::calls::{failed, refused};
use super::{MemberNode, lock};

/// How long an operator's election may take.
const ELECTION: Duration = Duration::from_secs(8);
/// How long those are waited for who do not answer, where the others are enough.
const COURTESY: Duration = Duration::from_millis(300);
/// How long it is waited that a new term is confirmed, before the operator is told that it is not.
const CONFIRMED: Duration = Duration::from_secs(3);
const AGAIN: Duration = Duration::from_millis(20);

/// What an attempt came to.
enum Attempt {
    Leads(Term),
    /// Another one has promised so high a term.
    Higher(Term),
    /// It is not enough, for this reason.
    Short(String),
}

/// What was got from another member.
#[derive(Default)]
struct Gathered {
    promises: Vec<NodeId>,
    adopted: u64,
    /// Why others did not promise.
    reasons: Vec<String>,
}

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
        let Ok(_turn) = self.electing.try_lock() else {
            return refused("an election is under way here already");
        };
        if self.with(|member| Ok::<_, MemberError>(member.is_in_lead())).map_err(failed)?
            && accept_loss.is_none()
        {
            return Ok(self.promoted(self.term(), &Gathered::default()).await);
        }
        let before = self.followed_now();
        self.follow(None);
        let done = match accept_loss {
            Some(_) => self.force(&by).await.map(|term| (term, Gathered::default())),
            None => self.elect(Instant::now() + ELECTION, Term(0)).await,
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

    /// Stands for a term until it has one, or the time is over.
    async fn elect(&self, until: Instant, above: Term) -> Result<(Term, Gathered), MemberCallError> {
        let (mut above, mut short) = (above, "what this node has is not on its disk yet".to_owned());
        let mut gathered = Gathered::default();
        while Instant::now() < until {
            let Some(request) = self.with(|member| member.stand_above(above)).map_err(failed)? else {
                short = "what this node has is not on its disk yet, or its copy does not count: it took the place of one that \
                         had more, or is another one than the leader's"
                    .to_owned();
                sleep(AGAIN).await;
                continue;
            };
            info!(term = %request.term, "stands for a term");
            match self.attempt(&request, until, &mut gathered).await? {
                Attempt::Leads(term) => {
                    info!(%term, promises = gathered.promises.len(), adopted = gathered.adopted, "has a term");
                    return Ok((term, gathered));
                }
                Attempt::Higher(term) => above = term,
                Attempt::Short(reason) => short = reason,
            }
            sleep(AGAIN).await;
        }
        refused(format!("this node does not lead: {short}"))
    }

    /// Asks all others once, and does what their answers ask for.
    async fn attempt(
        &self,
        request: &PromiseRequest,
        until: Instant,
        gathered: &mut Gathered,
    ) -> Result<Attempt, MemberCallError> {
        *gathered = Gathered { promises: vec![self.id], ..Gathered::default() };
        let others = self.others()?;
        let own = self.options.url.as_deref();
        let asked = others.iter().map(|(node, url)| async move {
            let form = match url {
                Some(url) => self.asking.promise(url, request, own).await,
                None => Err("nobody told where it is".to_owned()),
            };
            (*node, form.and_then(|form| answer_of(&form)))
        });
        let mut asked: FuturesUnordered<_> = asked.collect();
        let courtesy = Instant::now() + COURTESY;
        loop {
            let deadline = if self.has_enough(gathered)? { courtesy } else { until };
            match timeout_at(deadline, asked.next()).await {
                Ok(Some((node, Ok(answer)))) => {
                    if let Some(higher) = self.note(node, answer, gathered)? {
                        return Ok(Attempt::Higher(higher));
                    }
                }
                Ok(Some((node, Err(reason)))) => gathered.reasons.push(format!("node {node}: {reason}")),
                Ok(None) | Err(_) => break,
            }
        }
        self.conclude(&others, until, gathered).await
    }

    /// Takes note of an answer; a term that is promised to somebody else already.
    fn note(
        &self,
        node: NodeId,
        answer: PromiseAnswer,
        gathered: &mut Gathered,
    ) -> Result<Option<Term>, MemberCallError> {
        match answer {
            PromiseAnswer::Promised { .. } => {
                // What is to be done is asked when all have answered.
                self.with(|member| member.note_promise(&answer)).map_err(failed)?;
                gathered.promises.push(node);
            }
            PromiseAnswer::Refused(promise) => return Ok(Some(promise.term)),
            PromiseAnswer::Busy => gathered.reasons.push(format!("node {node} is busy")),
            PromiseAnswer::Behind(_) => {
                gathered.reasons.push(format!("the copy of node {node} does not count"))
            }
        }
        Ok(None)
    }

    fn has_enough(&self, gathered: &Gathered) -> Result<bool, MemberCallError> {
        let (needed, _) = self.with(|member| Ok::<_, MemberError>(member.promises())).map_err(failed)?;
        Ok(gathered.promises.len() >= needed)
    }

    /// Adopts what others have, and begins the term if there are promises enough.
    async fn conclude(
        &self,
        others: &[(NodeId, Option<Url>)],
        until: Instant,
        gathered: &mut Gathered,
    ) -> Result<Attempt, MemberCallError> {
        if !self.has_enough(gathered)? {
            let (needed, _) = self.with(|member| Ok::<_, MemberError>(member.promises())).map_err(failed)?;
            let (there, reasons) = (gathered.promises.len(), gathered.reasons.join("; "));
            return Ok(Attempt::Short(format!(
                "{needed} promises are needed, and {there} are there, its own included: {reasons}"
            )));
        }
        while Instant::now() < until {
            match self.with(|member| member.decide()).map_err(failed)? {
                StandOutcome::Leads(term) => return Ok(Attempt::Leads(term)),
                StandOutcome::Waits => sleep(AGAIN / 10).await,
                StandOutcome::Fetch(node, request) => {
                    let url =
                        others.iter().find(|(other, _)| *other == node).and_then(|(_, url)| url.clone());
                    let Some(url) = url else {
                        return Ok(Attempt::Short(format!(
                            "nobody told where node {node} is, which has more"
                        )));
                    };
                    gathered.adopted += self.adopt(&url, &request).await?;
                }
                StandOutcome::GivesWay(node) => {
                    return refused(format!(
                        "node {node} has a log that is greater and is another one than that of this node: promote that"
                    ));
                }
                StandOutcome::Over => {
                    return Ok(Attempt::Short("another node stands for a later term".to_owned()));
                }
            }
        }
        Ok(Attempt::Short("what others have more did not come in time".to_owned()))
    }

    /// Takes what another member has more, after it was verified; how many events that were.
    async fn adopt(&self, from: &Url, request: &FetchRequest) -> Result<u64, MemberCallError> {
        let fetched = match self.asking.fetch(from, request).await {
            Ok(fetched) => fetched,
            Err(reason) => return refused(format!("{from} has more, and does not give it: {reason}")),
        };
        let (log, threads) = (self.log.clone(), std::thread::available_parallelism());
        let threads = threads.unwrap_or(std::num::NonZeroUsize::MIN);
        let checked = tokio::task::spawn_blocking(move || {
            let mut check = ReceivedCheck::new(&log, threads).map_err(|error| error.to_string())?;
            let events = fetched.events.iter().map(|event| log::EventRef::decode(event));
            let events: Vec<_> = events.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
            check.check(&log, &events).map_err(|error| error.to_string())?;
            drop(events);
            Ok::<_, String>(fetched)
        });
        let fetched = match checked.await {
            Ok(Ok(fetched)) => fetched,
            Ok(Err(reason)) => return refused(format!("what {from} has more is wrong: {reason}")),
            Err(_) => return refused("verifying what another member has ended with a panic"),
        };
        let count = fetched.events.len() as u64;
        let taken: Result<StandOutcome, FollowError> = self.with(|member| member.on_fetched(&fetched));
        taken.map_err(|error| MemberCallError::Failed(error.to_string()))?;
        Ok(count)
    }

    /// The other voters, and where they are: as they told last, or as the log has it.
    pub(super) fn others(&self) -> Result<Vec<(NodeId, Option<Url>)>, MemberCallError> {
        let voters = self.with(|member| Ok::<_, MemberError>(member.voters())).map_err(failed)?;
        let heard = lock(&self.heard).clone();
        let others = voters.into_iter().filter(|voter| voter.node != self.id).map(|voter| {
            let told = heard.get(&voter.node).and_then(|heard| heard.url.clone());
            (voter.node, told.or(voter.url).and_then(|url| Url::parse(&url).ok()))
        });
        Ok(others.collect())
    }

    /// What an operator is told once a term has begun: whether it is confirmed, and what is missing if not.
    async fn promoted(&self, term: Term, gathered: &Gathered) -> PromotedForm {
        let until = Instant::now() + CONFIRMED;
        let mut leads = false;
        while !leads && Instant::now() < until {
            // It may schedule in an earlier term until the new one is on its disk.
            leads = self.term() >= term && self.schedules().await;
            if !leads {
                sleep(AGAIN / 4).await;
            }
        }
        let waits_for = (!leads).then(|| {
            let reasons = gathered.reasons.join("; ");
            format!(
                "its promotion has to be on the disks of others before anything is scheduled ({reasons}). Start these again; or, \
                 if they are gone for good: quipu promote --accept-loss {}",
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

    /// Stands again, above a term that others have promised meanwhile.
    pub(super) async fn stand_again(&self, above: Term) {
        let Ok(_turn) = self.electing.try_lock() else { return };
        self.follow(None);
        if let Err(error) = self.elect(Instant::now() + ELECTION, above).await {
            warn!(%error, "does not lead again");
            let _ = self.with(|member| {
                member.resign();
                Ok::<_, MemberError>(())
            });
        }
    }
}
