//! Other nodes that may have taken the place of this one: it asks them before it schedules, and from then on, and stops
//! when one of them is in a higher term.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{join_all, pending};
use log::{LocalLog, Log, Rocks, Term};
use replicator::{KeeperError, MemberFile, StandingRole};
use reqwest::header::AUTHORIZATION;
use reqwest::{Client, Url, redirect};
use serde_json::Value;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{sleep, timeout};
use tracing::{error, info, warn};

use crate::error::NodeError;
use crate::leadership::LeadershipError;
use crate::options::PeerOptions;
use crate::part::{NodePart, NodeParts};

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
}

/// A peer is in a higher term of the same store.
struct Deposed {
    by: Url,
    term: Term,
}

/// What asks them, while the node schedules.
struct Asking(JoinHandle<()>);

impl Peers {
    /// Asks all of them once: those that do not answer are left out, since nothing may depend on them.
    ///
    /// # Errors
    /// When one is in a higher term. The node is then known not to lead any more, also after a restart.
    pub(crate) async fn ask_first(
        options: PeerOptions,
        data: &Path,
        log: &Arc<LocalLog<Rocks>>,
    ) -> Result<Option<Self>, NodeError> {
        if options.urls.is_empty() {
            return Ok(None);
        }
        let http = Client::builder().connect_timeout(PATIENCE).redirect(redirect::Policy::none());
        let http = http.build().map_err(NodeError::LeaderClient)?;
        let peers = Self { http, options, data: data.to_owned(), log: log.clone() };
        let Some(Deposed { by, term }) = peers.ask(true).await else { return Ok(Some(peers)) };
        peers.fence().await.map_err(LeadershipError::from)?;
        Err(LeadershipError::Deposed { by: by.to_string(), term }.into())
    }

    /// Asks them from here on.
    pub(crate) fn start(self, parts: &mut NodeParts) {
        parts.push(Asking(tokio::spawn(self.watch())));
    }

    async fn watch(self) {
        let Deposed { by, term } = loop {
            sleep(ASK_EVERY).await;
            if let Some(deposed) = self.ask(false).await {
                break deposed;
            }
        };
        error!(%by, %term, "another node has taken the place of this one: nothing is scheduled here any more");
        if let Err(error) = self.fence().await {
            error!(%error, "a restart will not know that another node leads, unless it is asked then");
        }
    }

    /// The first that is in a higher term; `tells` which do not answer.
    async fn ask(&self, tells: bool) -> Option<Deposed> {
        let own = self.log.identity();
        let asked = join_all(self.options.urls.iter().map(|url| self.term_at(url))).await;
        let mut deposed = None;
        for (url, answer) in self.options.urls.iter().zip(asked) {
            match answer {
                Ok((store, _)) if store != own.store.to_string() => {
                    warn!(peer = %url, store, "a node that REPLICATE_PEERS names has another store, and is not heeded");
                }
                Ok((_, term)) if term > own.term => deposed = Some(Deposed { by: url.clone(), term }),
                Ok((_, term)) if tells => {
                    info!(peer = %url, %term, "asked another node, which does not lead")
                }
                Err(reason) if tells => {
                    warn!(peer = %url, reason, "another node cannot be asked whether it leads")
                }
                Ok(_) | Err(_) => {}
            }
        }
        deposed
    }

    /// Which store a peer has, and in which term it is.
    async fn term_at(&self, url: &Url) -> Result<(String, Term), String> {
        let mut status = url.clone();
        if let Ok(mut path) = status.path_segments_mut() {
            path.pop_if_empty().push("status");
        }
        let mut question = self.http.get(status);
        if let Some(token) = &self.options.token {
            question = question.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let asked = async {
            let mut answer = question.send().await.map_err(|error| error.without_url().to_string())?;
            if !answer.status().is_success() {
                return Err(format!("it answers {}", answer.status()));
            }
            let mut body = Vec::new();
            while let Some(piece) = answer.chunk().await.map_err(|error| error.without_url().to_string())? {
                body.extend_from_slice(&piece);
                if body.len() > ANSWER_MAX {
                    return Err("its answer is too long".to_owned());
                }
            }
            let status: Value = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
            let store = status.get("store").and_then(Value::as_str).map(str::to_owned);
            let term = status.get("term").and_then(Value::as_u64).map(Term);
            store.zip(term).ok_or_else(|| "it is no node of this kind".to_owned())
        };
        timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err("it does not answer".to_owned()))
    }

    /// Takes the right to write from this node, now and after a restart.
    async fn fence(&self) -> Result<(), KeeperError> {
        self.log.fence();
        let (data, store) = (self.data.clone(), self.log.identity().store);
        let kept = spawn_blocking(move || {
            let mut file = MemberFile::keep(&data, StandingRole::Fenced)?;
            file.bind(store)?;
            file.become_role(StandingRole::Fenced)
        });
        kept.await.unwrap_or_else(|_| {
            warn!("keeping that another node leads ended with a panic");
            Ok(())
        })
    }
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
