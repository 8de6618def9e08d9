//! Asking the schedulers how they do.

use std::sync::Arc;
use std::time::Duration;

use ans104::Address;
use futures_util::{StreamExt, stream};
use rand::Rng;
use reqwest::{Client, StatusCode};
use serde::Deserialize;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::member::{FleetMember, Look, MemberTurn};
use crate::router::Router;
use crate::upstream::said;

/// Between two questions; a quarter more or less, so that many routers do not ask at once.
const EVERY: Duration = Duration::from_secs(2);
/// For an answer.
const ANSWERED: Duration = Duration::from_secs(2);
/// How many are asked at a time.
const AT_ONCE: usize = 64;
/// How much of what they say is kept.
const TEXT_MAX: usize = 200;
/// Longer answers are none.
const BYTES_MAX: usize = 16 << 10;

/// What a scheduler says of itself.
#[derive(Deserialize)]
struct Scheduler {
    address: Address,
}

/// What it says when it takes no messages.
#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl Router {
    /// Asks all of them again and again until it is dropped.
    pub(crate) async fn watch_schedulers(self: Arc<Self>, http: Client) {
        loop {
            let members = self.fleet.members();
            stream::iter(members.values().cloned())
                .for_each_concurrent(AT_ONCE, |member| {
                    let http = &http;
                    async move { look(http, &member).await }
                })
                .await;
            let more = rand::rng().random_range(0..EVERY.as_millis() / 2);
            sleep(EVERY * 3 / 4 + Duration::from_millis(u64::try_from(more).unwrap_or(0))).await;
        }
    }
}

async fn look(http: &Client, member: &FleetMember) {
    let look = ask(http, member).await;
    let is_there = !matches!(look, Look::Away(_));
    match member.standing.look(look) {
        MemberTurn::Came => info!(scheduler = %member.url, "the scheduler is back"),
        MemberTurn::Went => {
            let reason = member.standing.trouble();
            warn!(scheduler = %member.url, reason, "the scheduler is away: its processes are not reached");
        }
        MemberTurn::None => {}
    }
    if is_there
        && member.standing.address().is_none()
        && let Some(body) = get(http, member, "/").await.ok().map(|(_, body)| body)
        && let Ok(Scheduler { address }) = serde_json::from_slice(&body)
    {
        member.standing.set_address(address);
    }
}

async fn ask(http: &Client, member: &FleetMember) -> Look {
    match get(http, member, "/health").await {
        Ok((StatusCode::OK, _)) => Look::Open,
        Ok((status, body)) => {
            let told = serde_json::from_slice(&body).map(|Refusal { error }| error);
            let text = told.unwrap_or_else(|_| format!("it answers {status}"));
            Look::Refusing(text.chars().take(TEXT_MAX).collect())
        }
        Err(reason) => Look::Away(reason),
    }
}

async fn get(http: &Client, member: &FleetMember, path: &str) -> Result<(StatusCode, Vec<u8>), String> {
    let sent = http.get(format!("{}{path}", member.url)).timeout(ANSWERED).send().await;
    let mut answer = sent.map_err(|error| said(&error))?;
    let (status, mut body) = (answer.status(), Vec::new());
    while let Some(piece) = answer.chunk().await.map_err(|error| said(&error))? {
        body.extend_from_slice(&piece);
        if body.len() > BYTES_MAX {
            break;
        }
    }
    Ok((status, body))
}
