//! Keeps the record true: looks at what gateways tell now and then, and publishes what they should have.

use std::sync::Arc;
use std::time::Duration;

use ans104::{Item, Signer};
use bytes::Bytes;
use gateway::{ToldLocations, UploadError, Url};
use log::Publication;
use protocol::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};

use crate::decision::{Decision, Step, decide, next_nonce, order_waits};
use crate::gateways::{GatewayMemory, LocationGateways};
use crate::handle::{AskedLocation, LocationError, LocationHandle, LocationOutcome, from};
use crate::metrics;
use crate::now::{GatewayNow, LocationNow};
use crate::publications::Publications;
use crate::record::{shown, signed};

/// How often gateways are asked.
const PERIOD: Duration = Duration::from_secs(15 * 60);
/// The pauses between two attempts to hand a record over, doubled from the first to the last.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(60);
/// The pause after it was refused, which somebody has to put right.
const REFUSED_RETRY: Duration = PERIOD;
/// How many may wait for the keeper.
const ASKED_MAX: usize = 4;

/// Tells the time of day, or why it is not to be relied on.
pub type TellTime = Arc<dyn Fn() -> Result<Timestamp, String> + Send + Sync>;

/// What a record is kept true with.
pub struct LocationParts {
    /// Where the record has to lead to.
    pub url: Url,
    /// Whether it is published from here, and not only looked at.
    pub publishes: bool,
    /// Whose record it is.
    pub signer: Arc<dyn Signer>,
    /// What was published.
    pub publications: Arc<dyn Publications>,
    /// Who is asked for records, and who takes them.
    pub gateways: Arc<dyn LocationGateways>,
    /// The time of day.
    pub clock: TellTime,
}

/// Keeps the record true for as long as it runs. Wherever it is broken off, what it has sent is known.
pub struct LocationKeeper {
    parts: LocationParts,
    told: watch::Sender<LocationNow>,
    asked: mpsc::Receiver<AskedLocation>,
    memory: GatewayMemory,
    /// A record that is published and was not taken yet. It is sent until it is, or until another takes its place.
    pending: Option<Pending>,
}

struct Pending {
    item: Bytes,
    publication: Publication,
    pause: Duration,
    next: Instant,
    /// Why it was not taken the last time.
    trouble: Option<String>,
}

impl LocationKeeper {
    /// A keeper, and by what it is asked.
    pub fn new(parts: LocationParts) -> (Self, LocationHandle) {
        let (told, now) =
            watch::channel(LocationNow::new(&parts.url, parts.signer.address(), parts.publishes));
        let (ask, asked) = mpsc::channel(ASKED_MAX);
        let handle = LocationHandle { now, ask, clock: parts.clock.clone() };
        (Self { parts, told, asked, memory: GatewayMemory::default(), pending: None }, handle)
    }

    /// Runs until it is aborted.
    pub async fn run(mut self) {
        let mut look_at = Instant::now();
        loop {
            let retry_at = self.pending.as_ref().map_or(look_at, |pending| pending.next);
            tokio::select! {
                Some(AskedLocation(answer)) = self.asked.recv() => {
                    let published = self.publish_as_asked().await;
                    // Whoever asked may have gone away.
                    let _ = answer.send(published);
                }
                () = sleep_until(look_at) => {
                    if let Err(error) = self.look().await {
                        warn!(%error, "the record that says where this scheduler is was not looked after; tried again later");
                        self.tell(|now| now.trouble = Some(error.to_string()));
                    }
                    look_at = Instant::now() + PERIOD;
                }
                () = sleep_until(retry_at), if self.pending.is_some() => drop(self.send().await),
            }
        }
    }

    /// Asks gateways, and publishes what they should have.
    async fn look(&mut self) -> Result<(), LocationError> {
        if let Some(reason) = self.parts.publications.refusal() {
            self.pending = None;
            self.tell(|now| {
                now.until = None;
                now.trouble = Some(reason);
            });
            return Ok(());
        }
        if !self.ask().await? {
            // What was known of it is as true as before.
            self.tell(|now| now.trouble = Some("no gateway tells what it has".to_owned()));
            return Ok(());
        }
        let (now, published) = (self.now()?, self.parts.publications.all().await?);
        let heard = self.memory.heard(now);
        // Whoever took it may not have said so.
        self.pending.take_if(|pending| heard.records.iter().any(|told| told.id == pending.publication.id));
        let decision = decide(&self.parts.url, &heard, &published, now);
        let trouble = self.trouble(&decision);
        let Decision { until, step, .. } = decision;
        self.tell(|now| {
            now.until = until;
            now.trouble = trouble;
            now.last = published.last().cloned();
        });
        match step {
            Step::Publish { nonce, why } if self.parts.publishes => {
                info!(url = shown(&self.parts.url), nonce, why, "publishing where this scheduler is");
                self.publish(nonce, published.last()).await.map(drop)
            }
            Step::Publish { why, .. } | Step::Wait { why, .. } | Step::Hear { why, .. } => {
                debug!(why, "the record that says where this scheduler is is not as it should be");
                Ok(())
            }
            Step::Keep => Ok(()),
        }
    }

    /// What is wrong or waited for, in words.
    fn trouble(&self, decision: &Decision) -> Option<String> {
        let waited = match &decision.step {
            Step::Keep => None,
            Step::Publish { why, .. } => Some((*why).to_owned()),
            Step::Wait { until, why } => Some(format!("{why}; another may be published {}", from(*until))),
            Step::Hear { until, why } => Some(format!(
                "{why} of those that answer; one is published once all have answered, or {}",
                from(*until)
            )),
        };
        let beyond = decision.beyond.map(|id| {
            format!("the record {id} leads elsewhere, and no other can have a nonce above it, by which HyperBEAM goes")
        });
        let unsent = self.pending.as_ref().and_then(|pending| pending.trouble.as_ref());
        let unsent = unsent.map(|trouble| format!("the record is not taken: {trouble}"));
        let all: Vec<_> = [waited, beyond, unsent].into_iter().flatten().collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// Publishes because an operator says so, or sends what was not taken yet.
    async fn publish_as_asked(&mut self) -> Result<LocationOutcome, LocationError> {
        if !self.parts.publishes {
            return Err(LocationError::NotHere(shown(&self.parts.url).to_owned()));
        }
        if let Some(reason) = self.parts.publications.refusal() {
            return Err(LocationError::Refused(reason));
        }
        if let Some(pending) = &self.pending {
            let publication = pending.publication.clone();
            return Ok(LocationOutcome { publication, trouble: self.send().await });
        }
        if !self.ask().await? {
            // Without them it is not known which nonce counts.
            return Err(LocationError::NoGateway);
        }
        let (now, published) = (self.now()?, self.parts.publications.all().await?);
        let heard = self.memory.heard(now);
        if let Some(until) = order_waits(&self.parts.url, &heard.records, &published, now) {
            return Err(LocationError::TooSoon(until));
        }
        let nonce = next_nonce(&heard.records, &published);
        info!(url = shown(&self.parts.url), nonce, "publishing where this scheduler is, as an operator says");
        self.publish(nonce, published.last()).await
    }

    /// Keeps a publication, and hands it over for the first time. Where it is broken off between the two, the next one is
    /// due after the gap.
    async fn publish(
        &mut self,
        nonce: u64,
        last: Option<&Publication>,
    ) -> Result<LocationOutcome, LocationError> {
        let (signer, url, at) = (self.parts.signer.clone(), self.parts.url.clone(), self.now()?);
        let item = spawn_blocking(move || signed(&url, nonce, signer.as_ref())).await;
        let item = Bytes::from(item.map_err(|error| LocationError::Sign(error.to_string()))??);
        let id = Item::split(&item).map_err(|error| LocationError::Sign(error.to_string()))?.id();
        let publication = Publication { nonce, at, id, url: shown(&self.parts.url).to_owned() };
        let after = last.map(|last| last.nonce);
        self.parts.publications.keep(publication.clone(), after).await?;
        metrics::published();
        self.tell(|now| now.last = Some(publication.clone()));
        let (pause, next) = (FIRST_RETRY, Instant::now());
        self.pending = Some(Pending { item, publication: publication.clone(), pause, next, trouble: None });
        let trouble = self.send().await;
        Ok(LocationOutcome { publication, trouble })
    }

    /// Hands over what was not taken yet; why it was not taken now, if so.
    async fn send(&mut self) -> Option<String> {
        let pending = self.pending.as_mut()?;
        let (nonce, id) = (pending.publication.nonce, pending.publication.id);
        if let Some(reason) = self.parts.publications.refusal() {
            self.pending = None;
            return Some(reason);
        }
        let error = match self.parts.gateways.upload(pending.item.clone()).await {
            Ok(()) => {
                info!(nonce, %id, "the record that says where this scheduler is was taken");
                self.pending = None;
                return None;
            }
            Err(error) => error,
        };
        let text = error.to_string();
        match pending.trouble.as_ref() == Some(&text) {
            true => debug!(nonce, %id, %error, "the record that says where this scheduler is is sent again"),
            false => {
                warn!(nonce, %id, %error, "the record that says where this scheduler is was not taken; it is sent again");
            }
        }
        let is_refused = matches!(error, UploadError::Refused { .. } | UploadError::Withheld);
        let pause = if is_refused { REFUSED_RETRY } else { pending.pause };
        pending.next = Instant::now() + pause;
        pending.pause = (2 * pending.pause).min(LAST_RETRY);
        pending.trouble = Some(text.clone());
        Some(text)
    }

    /// Asks what gateways tell, and names those that tell something else than before. Whether any answers.
    async fn ask(&mut self) -> Result<bool, LocationError> {
        let told: Vec<ToldLocations> = self.parts.gateways.told(self.parts.signer.address()).await;
        let gateways: Vec<_> = told.iter().map(|told| GatewayNow::of(told, &self.parts.url)).collect();
        let before = self.told.borrow().gateways.clone();
        let differ = gateways.iter().any(|one| one.answers && one.trouble.is_none());
        for one in gateways.iter().filter(|one| !before.contains(one)) {
            if let Some(trouble) = &one.trouble {
                let gateway = &one.gateway;
                match differ {
                    true => warn!(gateway, trouble, "gateways do not agree on where this scheduler is"),
                    false => info!(gateway, trouble, "a gateway does not lead to this scheduler"),
                }
            }
        }
        let looked = self.now()?;
        self.memory.note(&told, looked);
        self.tell(|now| {
            now.looked = Some(looked);
            now.gateways = gateways;
        });
        Ok(told.iter().any(|told| told.records.is_ok()))
    }

    fn tell(&self, change: impl FnOnce(&mut LocationNow)) {
        self.told.send_modify(change);
        metrics::ends(self.told.borrow().until);
    }

    fn now(&self) -> Result<Timestamp, LocationError> {
        (self.parts.clock)().map_err(LocationError::Clock)
    }
}

/// Whoever keeps the record next tells until when it counts.
impl Drop for LocationKeeper {
    fn drop(&mut self) {
        metrics::ends(None);
    }
}

#[cfg(test)]
mod tests;
