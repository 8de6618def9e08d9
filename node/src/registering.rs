//! Telling routers of this node every few seconds: where it is, and what it is to those that keep its log.

use std::sync::Arc;
use std::time::Duration;

use api::{ApiNode, FleetStanding};
use futures_util::future::join_all;
use reqwest::{Client, Url};
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};
use web::ErrorForm;

use crate::error::NodeError;
use crate::listeners::Addresses;
use crate::node_client::{node_client, read_answer};
use crate::options::RegisteringOptions;
use crate::part::NodeParts;
use crate::task_part::TaskPart;

const EVERY: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(3);
/// Longer answers are none of a router.
const ANSWER_MAX: usize = 64 << 10;

/// What tells the routers.
pub(crate) struct Registering {
    http: Client,
    options: RegisteringOptions,
}

impl Registering {
    /// What tells these routers; nobody is told yet.
    pub(crate) fn new(options: &RegisteringOptions) -> Result<Self, NodeError> {
        let http =
            node_client(&options.access)?.timeout(PATIENCE).build().map_err(NodeError::LeaderClient)?;
        Ok(Self { http, options: options.clone() })
    }

    /// Tells them of this node from here on.
    pub(crate) fn start(self, parts: &mut NodeParts, node: Arc<ApiNode>, addresses: Addresses) {
        let task = tokio::spawn(self.tell(node, addresses));
        parts.push(TaskPart { name: "registering", task });
    }

    async fn tell(self, node: Arc<ApiNode>, addresses: Addresses) {
        let admin = self.options.admin.clone().unwrap_or_else(|| format!("http://{}", addresses.admin));
        let mut outcomes: Vec<Option<Result<(), String>>> = vec![None; self.options.routers.len()];
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let FleetStanding { store, term, role, run, version, lag_events, failing, .. } =
                FleetStanding::of(&node);
            let form = json!({
                "url": self.options.url,
                "admin": admin,
                "store": store.to_string(),
                "term": term.0,
                "role": role,
                "node": run.to_string(),
                "processes": FleetStanding::processes(&node),
                "members": FleetStanding::members(&node),
                "version": version,
                "lag_events": lag_events,
                "failing": failing,
            });
            let told = join_all(self.options.routers.iter().map(|router| self.register(router, &form))).await;
            for ((router, outcome), before) in self.options.routers.iter().zip(told).zip(&mut outcomes) {
                if before.as_ref() != Some(&outcome) {
                    match &outcome {
                        Ok(()) => info!(%router, url = self.options.url, "the router knows of this node"),
                        Err(reason) => warn!(%router, reason, "the router is not told of this node"),
                    }
                    *before = Some(outcome);
                }
            }
        }
    }

    async fn register(&self, router: &Url, form: &serde_json::Value) -> Result<(), String> {
        let mut url = router.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["schedulers", "register"]);
        }
        let answer = self.http.post(url).json(form).send().await;
        let answer = answer.map_err(|error| error.without_url().to_string())?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let told = read_answer(answer, ANSWER_MAX).await.ok().and_then(|body| ErrorForm::text_of(&body));
        Err(told.unwrap_or_else(|| format!("it answers {status}")))
    }
}
