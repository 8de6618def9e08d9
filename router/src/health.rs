//! Asking the schedulers how they do.

use std::sync::Arc;
use std::time::Duration;

use ans104::Address;
use futures_util::{StreamExt, stream};
use rand::Rng;
use reqwest::header::HeaderMap;
use reqwest::{Client, StatusCode};
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};
use uuid::Uuid;
use web::ErrorForm;
use web::fleet_headers::{OPERATORS, ROLE, ROUTER};

use crate::busy::Busy;
use crate::member::{FleetMember, Look, MemberTurn};
use crate::router::Router;
use crate::scheduler_url::SchedulerUrl;
use crate::told::{ToldLog, node_of};
use crate::upstream::{read_up_to, said};

/// Between two questions; a quarter more or less, so that many routers do not ask at once.
const EVERY: Duration = Duration::from_secs(2);
/// How long a router waits for all of them when it starts.
const FIRST: Duration = Duration::from_millis(1500);
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

impl Router {
    /// Asks all of them again and again until it is dropped, each at its own pace: one that hangs holds up no other, nor
    /// does what came to one.
    pub(crate) async fn watch_schedulers(self: Arc<Self>) {
        let (mut looks, mut moves) = (Busy::default(), Busy::default());
        let at_once = Arc::new(Semaphore::new(AT_ONCE));
        loop {
            looks.tidy();
            moves.tidy();
            self.fleet.measure();
            for (number, member) in self.fleet.members().iter() {
                let (router, own, at_once) = (self.clone(), member.clone(), at_once.clone());
                looks.begin(*number, async move {
                    let _turn = at_once.acquire().await;
                    router.look(&own).await;
                });
                if let Some(steps) = member.standing.moves.to_take() {
                    let (router, own) = (self.clone(), member.clone());
                    moves.begin(*number, async move { router.take_moves(&own, steps).await });
                }
            }
            let more = rand::rng().random_range(0..EVERY.as_millis() / 2);
            sleep(EVERY * 3 / 4 + Duration::from_millis(u64::try_from(more).unwrap_or(0))).await;
        }
    }

    /// Asks each of them once, before anything is asked of this router; who does not answer soon is asked again later.
    pub(crate) async fn look_first(&self) {
        if timeout(FIRST, self.look_at_new()).await.is_err() {
            info!("not all schedulers answer at once");
        }
    }

    /// Asks those that were never asked: they get no process before.
    pub(crate) async fn look_at_new(&self) {
        let _one = self.looking.lock().await;
        let members = self.fleet.members();
        let new = members.values().filter(|member| member.standing.is_new()).cloned();
        let looks = stream::iter(new.collect::<Vec<_>>());
        looks.for_each_concurrent(AT_ONCE, |member| async move { self.look(&member).await }).await;
    }

    /// Asks one how it does.
    pub(crate) async fn look(&self, member: &FleetMember) {
        let http = &self.asking;
        let (mut look, heard) = self.hear(&member.url, member.store).await;
        let mut address = None;
        match heard {
            Some(heard) => {
                if let Err(reason) = self.take_told(member, heard).await {
                    look = Look::Other(reason);
                }
            }
            None if look == Look::Open => match existing(http, member).await {
                Ok(told) => address = Some(told),
                Err(found) => look = found,
            },
            None => {}
        }
        let is_there = !matches!(look, Look::Away(_));
        let turn = member.standing.look(look);
        match turn {
            MemberTurn::Came => info!(scheduler = %member.url, "the scheduler is back"),
            MemberTurn::Went => {
                let reason = member.standing.trouble();
                warn!(scheduler = %member.url, reason, "the scheduler is away: its processes are not reached");
            }
            MemberTurn::None => {}
        }
        // Who was away may have been started with another wallet.
        if is_there && address.is_none() && (turn == MemberTurn::Came || member.standing.address().is_none())
        {
            address = address_at(http, &member.url).await.ok();
        }
        if let Some(address) = address {
            member.standing.set_address(address);
        }
    }

    /// Asks all that have the store of this one who leads it, for a call that waits for that. How they do is not judged by
    /// it: that has its own pace.
    pub(crate) async fn ask_who_leads(&self, of: &FleetMember) {
        let copies = self.fleet.copies(of);
        stream::iter(copies)
            .for_each_concurrent(AT_ONCE, |member| async move {
                if let (_, Some(heard)) = self.hear(&member.url, member.store).await {
                    // What is wrong with it is told when it is looked at.
                    let _ = self.take_told(&member, heard).await;
                }
            })
            .await;
    }
}

/// What a scheduler answers.
pub(crate) struct SchedulerSays {
    pub(crate) status: StatusCode,
    headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl SchedulerSays {
    /// Which node it is, if it tells.
    pub(crate) fn node(&self) -> Option<Uuid> {
        node_of(&self.headers)
    }
}

/// How the scheduler at this URL does, and what it tells of its log.
pub(crate) async fn ask(http: &Client, url: &SchedulerUrl) -> (Look, Option<ToldLog>) {
    let answer = match get(http, url, "/health").await {
        Ok(answer) => answer,
        Err(reason) => return (Look::Away(reason), None),
    };
    let role = answer.headers.get(ROLE).and_then(|role| role.to_str().ok());
    let none = match role {
        Some(ROUTER) => {
            Some("a router answers there, which is the home of no process: take it out of the list")
        }
        Some(OPERATORS) => Some(
            "that is an admin listener: expected the URL at which clients find a scheduler; take this one out of the list",
        ),
        _ => None,
    };
    if let Some(what) = none {
        return (Look::Other(what.to_owned()), None);
    }
    let told = ToldLog::of(&answer.headers);
    let look = match answer {
        SchedulerSays { status: StatusCode::OK, .. } => Look::Open,
        SchedulerSays { status, body, .. } => {
            let text = ErrorForm::text_of(&body).unwrap_or_else(|| format!("it answers {status}"));
            Look::Refusing(text.chars().take(TEXT_MAX).collect())
        }
    };
    (look, told)
}

/// The address of an existing scheduler, which tells nothing of its log: by that it is known to be one.
///
/// # Errors
/// With what is there instead: any other service may answer 200 to whatever it is asked.
pub(crate) async fn existing(http: &Client, member: &FleetMember) -> Result<Address, Look> {
    match member.store {
        Some(store) => Err(Look::Other(format!(
            "what answers there tells no store, and its processes are in the store {store}"
        ))),
        None => address_at(http, &member.url).await,
    }
}

/// The address of the wallet by which the scheduler at this URL signs.
async fn address_at(http: &Client, url: &SchedulerUrl) -> Result<Address, Look> {
    let SchedulerSays { status, body, .. } = get(http, url, "/").await.map_err(Look::Away)?;
    match serde_json::from_slice(&body) {
        Ok(Scheduler { address }) if status == StatusCode::OK => Ok(address),
        _ if status.is_server_error() => Err(Look::Refusing(format!("its call GET / answers {status}"))),
        _ => Err(Look::Other(
            "what answers there is no scheduler: GET / tells no address of a wallet; is the URL right?"
                .to_owned(),
        )),
    }
}

/// What a scheduler answers at this path.
pub(crate) async fn get(http: &Client, url: &SchedulerUrl, path: &str) -> Result<SchedulerSays, String> {
    let sent = http.get(format!("{url}{path}")).timeout(ANSWERED).send().await;
    let mut answer = sent.map_err(|error| said(&error))?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let body = read_up_to(&mut answer, BYTES_MAX).await.map_err(|error| said(&error))?;
    Ok(SchedulerSays { status, headers, body })
}
