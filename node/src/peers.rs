//! Other nodes that may have taken the place of this one: it asks them before it schedules, and from then on, and stops
//! when one of them is in a higher term, or in another life of the store in the same term.

mod standing;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{join_all, pending};
use log::{LocalLog, Log, NodeId, Rocks};
use replicator::{Keeper, KeeperError, Kept, MemberFile, Promise, StandingRole};
use reqwest::{Client, Url};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{sleep, timeout};
use tracing::{error, warn};

use crate::error::NodeError;
use crate::leadership::LeadershipError;
use crate::member::MemberNode;
use crate::node_client::{Unread, node_client, read_answer};
use crate::node_tls::tls_reason;
use crate::options::PeerOptions;
use crate::part::{NodePart, NodeParts};
use standing::{Deposed, MoreThere, OwnStanding, PeerStanding, PeerStatus};

/// How long a peer has to answer, and how often all are asked.
const PATIENCE: Duration = Duration::from_secs(3);
const ASK_EVERY: Duration = Duration::from_secs(5);
/// More than a status has, in bytes.
const ANSWER_MAX: usize = 256 << 10;

/// The peers of a node that leads.
pub(crate) struct Peers {
    http: Client,
    options: PeerOptions,
    data: PathBuf,
    log: Arc<LocalLog<Rocks>>,
    own: OwnStanding,
    /// What each of them was seen to be last.
    seen: Vec<Option<PeerStanding>>,
}

/// Why this node schedules no more.
#[derive(Clone, Copy)]
enum Fencing {
    /// Another one has its place.
    Deposed(Deposed),
    /// Its log is an older copy.
    Older(MoreThere),
}

impl Fencing {
    fn tell(self, by: &Url) {
        match self {
            Fencing::Deposed(Deposed { term, .. }) => error!(
                %by,
                %term,
                "another node has taken the place of this one: nothing is scheduled or uploaded here any more"
            ),
            Fencing::Older(MoreThere { there, here }) => error!(
                %by,
                there,
                here,
                "another node has more of this log than is here: nothing is scheduled or uploaded here any more"
            ),
        }
    }
}

/// What asks them, while the node schedules.
struct Asking(JoinHandle<()>);

impl Peers {
    /// Those that are named; none where nobody is.
    ///
    /// # Errors
    /// When nobody can be asked at all, or the log cannot be read.
    pub(crate) async fn of(
        options: PeerOptions,
        data: &Path,
        log: &Arc<LocalLog<Rocks>>,
    ) -> Result<Option<Self>, NodeError> {
        if options.urls.is_empty() {
            return Ok(None);
        }
        let http = node_client(&options.access)?.build().map_err(NodeError::LeaderClient)?;
        let reading = log.clone();
        let own = spawn_blocking(move || OwnStanding::of(&reading)).await??;
        let seen = vec![None; options.urls.len()];
        Ok(Some(Self { http, options, data: data.to_owned(), log: log.clone(), own, seen }))
    }

    /// Asks all of them once: those that do not answer are left out, since nothing may depend on them.
    ///
    /// # Errors
    /// When one has taken the place of this node. It is then known not to lead any more, also after a restart.
    pub(crate) async fn ask_first(
        options: PeerOptions,
        data: &Path,
        log: &Arc<LocalLog<Rocks>>,
    ) -> Result<Option<Self>, NodeError> {
        let Some(mut peers) = Self::of(options, data, log).await? else { return Ok(None) };
        let Some((by, why)) = peers.ask().await else { return Ok(Some(peers)) };
        peers.fence(why).await.map_err(LeadershipError::from)?;
        let by = by.to_string();
        Err(match why {
            Fencing::Older(MoreThere { there, here }) => LeadershipError::Older { by, there, here }.into(),
            Fencing::Deposed(Deposed { term, .. }) if term == peers.own.term => {
                LeadershipError::Twice { by, term }.into()
            }
            Fencing::Deposed(Deposed { term, .. }) => LeadershipError::Deposed { by, term }.into(),
        })
    }

    /// Asks them from here on.
    pub(crate) fn start(self, parts: &mut NodeParts) {
        parts.push(Asking(tokio::spawn(self.watch())));
    }

    /// The same for one of several, which nobody but they could tell while the others are not there yet, or are no more. It
    /// ends then, and does not lead when it starts again.
    pub(crate) fn start_beside(self, parts: &mut NodeParts, member: Arc<MemberNode>) {
        parts.push(Asking(tokio::spawn(self.watch_beside(member))));
    }

    async fn watch_beside(mut self, member: Arc<MemberNode>) {
        let (by, why) = loop {
            sleep(ASK_EVERY).await;
            if !member.leads_alone() {
                continue;
            }
            // It begins terms meanwhile.
            let reading = self.log.clone();
            match spawn_blocking(move || OwnStanding::of(&reading)).await {
                Ok(Ok(own)) => self.own = own,
                _ => continue,
            }
            if let Some(found) = self.ask().await.filter(|_| member.leads_alone()) {
                break found;
            }
        };
        self.log.fence();
        why.tell(&by);
        member.fail(format!("{by} has taken the place of this node, or has more of its log"));
    }

    async fn watch(mut self) {
        let (by, why) = loop {
            sleep(ASK_EVERY).await;
            if let Some(found) = self.ask().await {
                break found;
            }
        };
        why.tell(&by);
        if let Err(error) = self.fence(why).await {
            error!(%error, "a restart will not know that another node leads, unless it is asked then");
        }
    }

    /// The first that has taken the place of this node. What has become of a peer is told when that changes.
    async fn ask(&mut self) -> Option<(Url, Fencing)> {
        let asked = join_all(self.options.urls.iter().map(|url| self.status_of(url))).await;
        // Looked at when they have answered: who follows has no more than was here by then.
        let here = self.log.synced().last().map_or(0, |last| last.next().get());
        let mut fencing = None;
        for ((url, answer), seen) in self.options.urls.iter().zip(asked).zip(&mut self.seen) {
            let found = match answer {
                Ok(status) => self.own.compare(&status, here),
                Err(reason) => PeerStanding::Silent(reason),
            };
            if !seen.as_ref().is_some_and(|seen| seen.is_like(&found)) {
                found.tell(url, &self.own);
            }
            let why = match &found {
                PeerStanding::Deposes(by) => Some(Fencing::Deposed(*by)),
                PeerStanding::HasMore(more) => Some(Fencing::Older(*more)),
                _ => None,
            };
            fencing = fencing.or_else(|| why.map(|why| (url.clone(), why)));
            *seen = Some(found);
        }
        fencing
    }

    /// What a peer says of itself.
    async fn status_of(&self, url: &Url) -> Result<PeerStatus, String> {
        let mut status = url.clone();
        if let Ok(mut path) = status.path_segments_mut() {
            path.pop_if_empty().push("status");
        }
        let asked = async {
            let answer = self.http.get(status).send().await.map_err(unreached)?;
            if !answer.status().is_success() {
                return Err(format!("it answers {}", answer.status()));
            }
            let body = read_answer(answer, ANSWER_MAX).await.map_err(|unread| match unread {
                Unread::Broken(error) => unreached(error),
                Unread::TooLong => "its answer is too long".to_owned(),
            })?;
            serde_json::from_slice(&body).map_err(|error| format!("it is no node of this kind: {error}"))
        };
        timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err("it does not answer".to_owned()))
    }

    /// Takes the right to write from this node, now and after a restart, and keeps the term in which another one leads:
    /// should this one ever lead again, then in a higher one.
    async fn fence(&self, why: Fencing) -> Result<(), KeeperError> {
        self.log.fence();
        let (data, store) = (self.data.clone(), self.log.identity().store);
        let kept = spawn_blocking(move || {
            let mut file = MemberFile::keep(&data, StandingRole::Fenced)?;
            file.bind(store)?;
            file.become_role(StandingRole::Fenced)?;
            let kept = file.kept();
            if let Fencing::Deposed(by) = why
                && kept.promise.term < by.term
            {
                let promise = Promise { term: by.term, to: by.owner.unwrap_or(NodeId::UNKNOWN) };
                Keeper::keep(&mut file, Kept { promise, ..kept }).map_err(|error| file.unwritten(error))?;
            }
            Ok(())
        });
        kept.await.unwrap_or_else(|_| {
            warn!("keeping that another node leads ended with a panic");
            Ok(())
        })
    }
}

/// Why a peer was not asked; its URL is not in it.
fn unreached(error: reqwest::Error) -> String {
    tls_reason(&error).unwrap_or_else(|| error.without_url().to_string())
}

#[async_trait]
impl NodePart for Asking {
    fn name(&self) -> &'static str {
        "peers"
    }

    /// It ends when another node leads, and this one can still be read from.
    async fn ended(&mut self) {
        pending().await
    }

    async fn stop(self: Box<Self>) {
        self.0.abort();
    }
}
