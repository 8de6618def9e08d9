//! Having a leader that is gone replaced: a node that keeps its log is asked to lead.
//!
//! Who leads is never decided here. The node that is asked leads only with the promises of enough others, whatever a router
//! believes of its leader; a router only says when it is time, and of several that share what they know one at a time does.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use log::{StoreId, Term};
use reqwest::{Client, Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::busy::Busy;
use crate::member::FleetMember;
use crate::metrics;
use crate::options::FailoverOptions;
use crate::router::Router;
use crate::scheduler_url::SchedulerUrl;
use crate::state::{PromotionTurn, TURN_MAX};
use crate::upstream::{read_up_to, said};
use web::ErrorForm;

/// How often it is looked whether a leader is gone.
const EVERY: Duration = Duration::from_secs(1);
/// A store gets a new leader no more often.
const PAUSE: Duration = TURN_MAX;
/// When nobody could lead, it is tried again after this time.
const TRIED: Duration = Duration::from_secs(15);
/// For a node to say what it is, and to take over.
const TOLD: Duration = Duration::from_secs(2);
const TAKEOVER: Duration = Duration::from_secs(20);
/// Longer answers are none.
const BYTES_MAX: usize = 256 << 10;

/// Asks nodes to lead.
pub(crate) struct Promoter {
    http: Client,
    /// Asks those of whom it is not known yet who they are.
    pub(crate) strangers: Client,
    /// Why nobody takes the place of a leader, as it was told last.
    told: Mutex<HashMap<StoreId, String>>,
}

/// What a node says of itself that keeps a log with others.
#[derive(Debug, Deserialize)]
struct Member {
    events: u64,
    acks: u32,
    role: String,
}

/// Who leads.
#[derive(Debug, Deserialize)]
struct Promoted {
    term: u64,
    leads: bool,
    waits_for: Option<String>,
}

impl Promoter {
    pub(crate) fn new(options: &FailoverOptions) -> Self {
        let FailoverOptions { http, strangers } = options.clone();
        Self { http, strangers, told: Mutex::default() }
    }

    /// Says why nobody takes the place of a leader, once for each reason.
    fn tell(&self, lead: &FleetMember, store: StoreId, outcome: Result<(), String>) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let Err(reason) = outcome else {
            told.remove(&store);
            return;
        };
        if told.get(&store) != Some(&reason) {
            warn!(leader = %lead.url, reason, "nobody takes the place of a leader that is gone");
            told.insert(store, reason);
        }
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        admin: &SchedulerUrl,
        path: &str,
        within: Duration,
    ) -> Result<T, String> {
        let request = self.http.request(method, format!("{admin}{path}"));
        let mut answer = request.timeout(within).send().await.map_err(|error| said(&error))?;
        let body = read_up_to(&mut answer, BYTES_MAX).await.map_err(|error| said(&error))?;
        if body.len() > BYTES_MAX {
            return Err("its answer is too long".to_owned());
        }
        let status = answer.status();
        if status == StatusCode::OK {
            return serde_json::from_slice(&body).map_err(|error| format!("its answer is none: {error}"));
        }
        Err(ErrorForm::text_of(&body).unwrap_or_else(|| format!("it answers {status}")))
    }
}

impl Router {
    /// Has each leader replaced that is gone, where that is wanted, until it is dropped: none waits for that of another store.
    pub(crate) async fn watch_leaders(self: Arc<Self>) {
        if self.promoter.is_none() {
            return pending().await;
        }
        let mut replacing = Busy::default();
        loop {
            sleep(EVERY).await;
            replacing.tidy();
            let members = self.fleet.members();
            let is_lost =
                |lead: &FleetMember| lead.is_lead() && lead.lead.copies > 1 && lead.standing.is_gone();
            for lead in members.values().filter(|member| is_lost(member)) {
                let Some(store) = lead.store else { continue };
                let (router, lead) = (self.clone(), lead.clone());
                replacing.begin(store, async move {
                    let Some(promoter) = &router.promoter else { return };
                    promoter.tell(&lead, store, router.replace(promoter, &lead, store).await);
                });
            }
        }
    }

    async fn replace(&self, promoter: &Promoter, lead: &FleetMember, store: StoreId) -> Result<(), String> {
        let candidates = self.candidates(promoter, lead, store).await?;
        let term = lead.lead.term;
        // For as long as asking them takes: should this router end meanwhile, another one goes on soon.
        let asking = TAKEOVER.saturating_mul(u32::try_from(candidates.len()).unwrap_or(u32::MAX)) + TRIED;
        let turn = self.state.take_turn(store, term, asking.min(PAUSE)).await;
        let turn = turn.map_err(|error| error.to_string())?;
        // Another router is at it, or it was done a moment ago.
        let Some(turn) = turn else { return Ok(()) };
        info!(leader = %lead.url, %store, %term, "the leader is gone: another node is asked to lead");
        let mut reasons = Vec::new();
        for candidate in candidates {
            match self.promote(promoter, &candidate, term).await {
                Ok(term) => {
                    metrics::promoted();
                    info!(scheduler = %candidate.url, %store, %term, "it leads");
                    // Without this it may be had replaced again sooner.
                    return self.end_turn(store, turn, PAUSE).await;
                }
                Err(reason) => reasons.push(format!("{}: {reason}", candidate.url)),
            }
        }
        self.end_turn(store, turn, TRIED).await?;
        Err(reasons.join("; "))
    }

    async fn end_turn(&self, store: StoreId, turn: PromotionTurn, pause: Duration) -> Result<(), String> {
        self.state.give_turn_back(store, turn, pause).await.map_err(|error| error.to_string())
    }

    /// Who may take the place of this leader, the one with the most events first.
    async fn candidates(
        &self,
        promoter: &Promoter,
        lead: &FleetMember,
        store: StoreId,
    ) -> Result<Vec<Arc<FleetMember>>, String> {
        let (mut able, mut reasons) = (Vec::new(), Vec::new());
        for copy in self.fleet.copies(lead) {
            let told = copy.standing.told();
            if copy.number == lead.number
                || !copy.standing.is_reached()
                || told.is_none_or(|told| told.store != store)
            {
                continue;
            }
            let Some(admin) = &copy.admin else {
                reasons.push(format!("{} has not told where its admin listener is", copy.url));
                continue;
            };
            match promoter.ask::<Member>(Method::GET, admin, "/members", TOLD).await {
                Ok(member) if member.acks == 0 => {
                    reasons
                        .push(format!("{} may lack what was acknowledged: REPLICATION_ACKS is 0", copy.url));
                }
                Ok(member) if member.role == "apart" => {
                    reasons.push(format!("the log of {} is another one", copy.url));
                }
                Ok(member) => able.push((member.events, copy)),
                Err(reason) => reasons.push(format!("{admin}: {reason}")),
            }
        }
        if able.is_empty() {
            return Err(if reasons.is_empty() {
                "no other node is reached".to_owned()
            } else {
                reasons.join("; ")
            });
        }
        able.sort_by_key(|(events, copy)| (Reverse(*events), copy.number));
        Ok(able.into_iter().map(|(_, copy)| copy).collect())
    }

    async fn promote(
        &self,
        promoter: &Promoter,
        candidate: &FleetMember,
        before: Term,
    ) -> Result<Term, String> {
        let admin = candidate.admin.as_ref().ok_or("it has no admin listener")?;
        let done: Promoted = promoter.ask(Method::POST, admin, "/promote?by=a+router", TAKEOVER).await?;
        let term = Term(done.term);
        if !done.leads {
            return Err(done.waits_for.unwrap_or_else(|| "it does not schedule yet".to_owned()));
        }
        if term <= before {
            return Err(format!("it leads in term {term}, and {before} was there before"));
        }
        // What counts is what the nodes say at the URLs where clients find them.
        self.ask_who_leads(candidate).await;
        Ok(term)
    }
}
