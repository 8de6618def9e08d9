//! Standing for a term: the others are asked for their promises, the greatest log is adopted, and the term begins.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use api::MemberCallError;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use log::{NodeId, ReceivedCheck, Term};
use replicator::{FetchRequest, FollowError, MemberError, PromiseAnswer, PromiseRequest, StandOutcome};
use reqwest::Url;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{info, warn};

use super::asking::answer_of;
use super::calls::{failed, refused};
use super::{MemberNode, lock};

/// How long an operator's election may take.
pub(super) const ELECTION: Duration = Duration::from_secs(8);
/// How long those are waited for who do not answer, where the others are enough.
const COURTESY: Duration = Duration::from_millis(300);
/// How long those are waited for who have something on its way to disk.
const BUSY: Duration = Duration::from_secs(2);
pub(super) const AGAIN: Duration = Duration::from_millis(20);

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
pub(super) struct GatheredPromises {
    pub(super) promises: Vec<NodeId>,
    pub(super) adopted: u64,
    /// Why others did not promise.
    pub(super) reasons: Vec<String>,
}

#[cfg(test)]
impl GatheredPromises {
    /// Whether these are those who promised.
    pub(super) fn has(&self, nodes: &[NodeId]) -> bool {
        self.promises == nodes
    }
}

impl MemberNode {
    /// Stands for a term, until a person lets it lead alone.
    pub(super) async fn elect_unless_forced(
        &self,
        above: Term,
        ahead: &[NodeId],
    ) -> Result<(Term, GatheredPromises), MemberCallError> {
        let mut forcing = self.forcing.subscribe();
        tokio::select! {
            elected = self.elect(Instant::now() + ELECTION, above, ahead) => elected,
            _ = forcing.wait_for(|forcing| *forcing) => refused("a person lets this node lead alone"),
        }
    }

    /// Stands for a term until it has one, or the time is over. Those who are `ahead`, since they have more, must be among
    /// those who promise.
    pub(super) async fn elect(
        &self,
        until: Instant,
        above: Term,
        ahead: &[NodeId],
    ) -> Result<(Term, GatheredPromises), MemberCallError> {
        let (mut above, mut short) = (above, "what this node has is not on its disk yet".to_owned());
        let (mut gathered, mut pause, mut told) = (GatheredPromises::default(), AGAIN, None);
        while Instant::now() < until {
            let Some(request) = self.request(above)? else {
                short = "what this node has is not on its disk yet, or its copy does not count: it took the place of one that \
                         had more, is another one than the leader's, or its signatures are not verified yet"
                    .to_owned();
                sleep(AGAIN).await;
                continue;
            };
            if told.replace(request.term) != Some(request.term) {
                info!(term = %request.term, "stands for a term");
            }
            match self.attempt(&request, until, ahead, &mut gathered).await? {
                Attempt::Leads(term) => {
                    info!(%term, promises = gathered.promises.len(), adopted = gathered.adopted, "has a term");
                    return Ok((term, gathered));
                }
                Attempt::Higher(term) => above = term,
                Attempt::Short(reason) => short = reason,
            }
            sleep(pause).await;
            pause = (pause * 2).min(COURTESY);
        }
        refused(format!("this node does not lead: {short}"))
    }

    /// What others are asked for. A term for which it stands is asked for again, and not given up for a higher one: terms
    /// are for who has promised another one.
    fn request(&self, above: Term) -> Result<Option<PromiseRequest>, MemberCallError> {
        let request = self.with(|member| {
            if !member.is_voter(self.id) {
                return Ok(None);
            }
            match member.stands_for()?.filter(|request| request.term > above) {
                Some(request) => Ok(Some(request)),
                None => member.stand_above(above),
            }
        });
        request.map_err(failed)
    }

    /// Asks one for its promise, again while what that has is on its way to disk.
    async fn ask(
        &self,
        node: NodeId,
        url: Option<&Url>,
        request: &PromiseRequest,
        busy: &Mutex<BTreeSet<NodeId>>,
    ) -> Result<PromiseAnswer, String> {
        let (url, until) = (url.ok_or("nobody told where it is")?, Instant::now() + BUSY);
        loop {
            let form = self.asking.promise(url, request, self.options.url.as_deref()).await?;
            let answer = answer_of(&form)?;
            if answer != PromiseAnswer::Busy || Instant::now() > until {
                return Ok(answer);
            }
            lock(busy).insert(node);
            sleep(AGAIN).await;
        }
    }

    /// Asks all others once, and does what their answers ask for.
    async fn attempt(
        &self,
        request: &PromiseRequest,
        until: Instant,
        ahead: &[NodeId],
        gathered: &mut GatheredPromises,
    ) -> Result<Attempt, MemberCallError> {
        *gathered = GatheredPromises { promises: vec![self.id], ..GatheredPromises::default() };
        let others = self.others()?;
        let (began, busy) = (Instant::now(), &Mutex::default());
        let asked = others
            .iter()
            .map(|(node, url)| async move { (*node, self.ask(*node, url.as_ref(), request, busy).await) });
        let mut asked: FuturesUnordered<_> = asked.collect();
        loop {
            let is_enough = self.has_enough(gathered)? && lacking(ahead, gathered).is_none();
            // Who is there and says so is waited for: it may have more.
            let patience = if lock(busy).is_empty() { COURTESY } else { BUSY };
            let deadline = if is_enough { began + patience } else { until };
            match timeout_at(deadline, asked.next()).await {
                Ok(Some((node, answer))) => {
                    lock(busy).remove(&node);
                    if let Some(higher) = self.note(node, answer, gathered)? {
                        return Ok(Attempt::Higher(higher));
                    }
                }
                Err(_) if patience < BUSY && !lock(busy).is_empty() => {}
                Ok(None) | Err(_) => break,
            }
        }
        if let Some(node) = lacking(ahead, gathered).filter(|_| self.has_enough(gathered).unwrap_or(false)) {
            let reasons = gathered.reasons.join("; ");
            return Ok(Attempt::Short(format!(
                "node {node} has more of the log than is here, and has not promised: {reasons}"
            )));
        }
        self.conclude(&others, until, gathered).await
    }

    /// Takes note of an answer; a term that is promised to somebody else already.
    fn note(
        &self,
        node: NodeId,
        answer: Result<PromiseAnswer, String>,
        gathered: &mut GatheredPromises,
    ) -> Result<Option<Term>, MemberCallError> {
        match answer {
            Ok(answer @ PromiseAnswer::Promised { .. }) => {
                // What is to be done is asked when all have answered.
                self.with(|member| member.note_promise(&answer)).map_err(failed)?;
                gathered.promises.push(node);
            }
            Ok(PromiseAnswer::Refused(promise)) => return Ok(Some(promise.term)),
            Ok(PromiseAnswer::Busy) => gathered.reasons.push(format!("node {node} is busy")),
            Ok(PromiseAnswer::Behind(_)) => {
                gathered.reasons.push(format!("the copy of node {node} does not count"))
            }
            Err(reason) => gathered.reasons.push(format!("node {node}: {reason}")),
        }
        Ok(None)
    }

    fn has_enough(&self, gathered: &GatheredPromises) -> Result<bool, MemberCallError> {
        let seen = self
            .with(|member| Ok::<_, MemberError>((member.promises_needed(), member.lacks_promises())))
            .map_err(failed)?;
        let (needed, lacks) = seen;
        Ok(gathered.promises.len() >= needed && !lacks)
    }

    /// Adopts what others have, and begins the term if there are promises enough.
    async fn conclude(
        &self,
        others: &[(NodeId, Option<Url>)],
        until: Instant,
        gathered: &mut GatheredPromises,
    ) -> Result<Attempt, MemberCallError> {
        if !self.has_enough(gathered)? {
            let needed =
                self.with(|member| Ok::<_, MemberError>(member.promises_needed())).map_err(failed)?;
            let (there, reasons) = (gathered.promises.len(), gathered.reasons.join("; "));
            return Ok(Attempt::Short(format!(
                "{needed} promises are needed, of each membership that counts, and {there} are there, its own included: {reasons}"
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

    /// The other voters, those of a membership that is about to end included, since a decision needs them as well; and where
    /// they are: as they told last, or as the log has it.
    pub(super) fn others(&self) -> Result<Vec<(NodeId, Option<Url>)>, MemberCallError> {
        let voters = self.with(|member| {
            let voters = member.counted_voters().into_iter();
            let found = voters.map(|node| (node, member.url_of(node).map(str::to_owned)));
            Ok::<_, MemberError>(found.collect::<Vec<_>>())
        });
        let (voters, heard) = (voters.map_err(failed)?, lock(&self.heard).clone());
        let others = voters.into_iter().filter(|(node, _)| *node != self.id).map(|(node, url)| {
            let told = heard.get(&node).and_then(|heard| heard.url.clone());
            (node, told.or(url).and_then(|url| Url::parse(&url).ok()))
        });
        Ok(others.collect())
    }

    /// Stands again, above a term that others have promised meanwhile.
    pub(super) async fn stand_again(&self, above: Term) {
        self.stand_by_itself(above, &[]).await;
    }

    /// The same without a person, where others are ahead.
    pub(super) async fn stand_by_itself(&self, above: Term, ahead: &[NodeId]) {
        let Ok(_turn) = self.electing.try_lock() else { return };
        self.follow(None);
        if let Err(error) = self.elect_unless_forced(above, ahead).await {
            warn!(%error, "does not lead again");
            let _ = self.with(|member| {
                member.resign();
                Ok::<_, MemberError>(())
            });
        }
    }
}

/// Who is ahead and has not promised.
fn lacking(ahead: &[NodeId], gathered: &GatheredPromises) -> Option<NodeId> {
    ahead.iter().copied().find(|node| !gathered.promises.contains(node))
}
