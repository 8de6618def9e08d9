//! Keeps the record true: looks at what gateways tell now and then, and publishes what they should have.

mod asking;
mod sending;
mod words;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ans104::{Address, Id, Item, Signer};
use bytes::Bytes;
use gateway::Url;
use log::Publication;
use protocol::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};

use crate::decision::{Decision, Heard, LocationPlace, Step, decide, order_waits, publication_nonce};
use crate::gateways::{GatewayMemory, LocationGateways};
use crate::handle::{AskedLocation, LocationError, LocationHandle, LocationOutcome};
use crate::metrics;
use crate::now::LocationNow;
use crate::pending::Pending;
use crate::publications::{KeptPublication, PublicationState, Publications, PublishingRefusal};
use crate::record::{shown, signed};

/// How often gateways are asked; at first more often after a record was taken, until they tell of it.
const PERIOD: Duration = Duration::from_secs(15 * 60);
const FIRST_PAUSE: Duration = Duration::from_secs(60);
/// How soon it is looked whether there is still a reason to publish nothing, where nothing else is asked for that.
const REFUSED_PAUSE: Duration = Duration::from_secs(2);
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
    /// The same of wallets that signed here before.
    earlier: HashMap<Address, GatewayMemory>,
    /// A record that is published and was not taken yet. It is sent until it is, or until another takes its place.
    pending: Option<Pending>,
    /// What the upload node took last, and when: it is not sent again, whether or not that can be kept.
    handed: Option<(Id, Timestamp)>,
    /// When gateways are asked next, and how long after that again.
    look_at: Instant,
    pause: Duration,
    /// Whether any of them answered the last time.
    is_answered: bool,
}

/// What a look came to.
#[derive(Debug, PartialEq, Eq)]
enum Looked {
    /// Gateways were asked.
    Asked,
    /// Nothing is to be published from here, and nobody was asked.
    Refused,
}

/// What is to be done, and by what that was decided.
struct Decided {
    now: Timestamp,
    heard: Heard,
    published: Vec<KeptPublication>,
    decision: Decision,
}

impl LocationKeeper {
    /// A keeper, and by what it is asked.
    pub fn new(parts: LocationParts) -> (Self, LocationHandle) {
        let (told, now) =
            watch::channel(LocationNow::new(&parts.url, parts.signer.address(), parts.publishes));
        let (ask, asked) = mpsc::channel(ASKED_MAX);
        let handle = LocationHandle { now, ask, clock: parts.clock.clone() };
        let keeper = Self {
            parts,
            told,
            asked,
            memory: GatewayMemory::default(),
            earlier: HashMap::new(),
            pending: None,
            handed: None,
            look_at: Instant::now(),
            pause: PERIOD,
            is_answered: false,
        };
        (keeper, handle)
    }

    /// Runs until it is aborted.
    pub async fn run(mut self) {
        loop {
            let retry_at = self.pending.as_ref().map_or(self.look_at, |pending| pending.next);
            tokio::select! {
                Some(AskedLocation(answer)) = self.asked.recv() => {
                    let published = self.publish_as_asked().await;
                    // Whoever asked may have gone away.
                    let _ = answer.send(published);
                    self.tell_anew().await;
                }
                () = sleep_until(self.look_at) => {
                    let looked = self.look().await;
                    let pause = if matches!(looked, Ok(Looked::Refused)) { REFUSED_PAUSE } else { self.next_pause() };
                    self.look_at = Instant::now() + pause;
                    if let Err(error) = looked {
                        warn!(%error, "the record that says where this scheduler is was not looked after; tried again later");
                        self.tell(|now| now.trouble = Some(error.to_string()));
                    }
                }
                () = sleep_until(retry_at), if self.pending.is_some() => {
                    self.send().await;
                    self.tell_anew().await;
                }
            }
        }
    }

    fn next_pause(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = (2 * pause).min(PERIOD);
        pause
    }

    /// Asks gateways, and publishes what they should have.
    async fn look(&mut self) -> Result<Looked, LocationError> {
        if let Some(refusal) = self.parts.publications.refusal() {
            self.refused(refusal);
            return Ok(Looked::Refused);
        }
        // What was left of a node that was killed is sent whatever gateways tell.
        let published = self.parts.publications.all().await?;
        self.take_up(&published);
        // Gateways may take their time.
        let last = self.last_of(&published).map(|kept| kept.publication.clone());
        self.tell(|now| now.last = last);
        self.ask().await?;
        let decided = self.decide().await?;
        self.tell_of(&decided);
        match decided.decision.step {
            Step::Publish { nonce, why } if self.parts.publishes && self.is_answered => {
                info!(url = shown(&self.parts.url), nonce, why, "publishing where this scheduler is");
                match self.publish(nonce, decided.published.last()).await {
                    // It is known in a moment what that was.
                    Ok(_) | Err(LocationError::Overtaken) => {
                        let decided = self.decide().await?;
                        self.tell_of(&decided);
                    }
                    Err(error) => return Err(error),
                }
            }
            Step::Publish { why, .. }
            | Step::Wait { why, .. }
            | Step::Hear { why, .. }
            | Step::Send { why } => {
                debug!(why, "the record that says where this scheduler is is not as it should be");
            }
            Step::Keep => {}
        }
        // Nothing depends on it, and whoever gives an order has waited for the others.
        if self.asked.is_empty() {
            self.ask_earlier().await;
        }
        Ok(Looked::Asked)
    }

    /// What is to be done, by what is known of gateways and of publications.
    async fn decide(&mut self) -> Result<Decided, LocationError> {
        let mut published = self.parts.publications.all().await?;
        let now = self.now()?;
        self.date_waiting(&published, now).await;
        let mut heard = self.memory.heard(now);
        heard.unheard_since = self.unheard_since(&heard, &published, now).await;
        self.take_up(&published);
        let wallet = self.parts.signer.address();
        let own = published.iter_mut().rfind(|kept| kept.is_of(wallet));
        if let Some(last) = own.filter(|last| !last.is_taken()) {
            let id = last.publication.id;
            // Whoever took it may not have said so.
            let told = heard.records.iter().find(|told| told.id == id);
            if let Some(told) = told.filter(|_| self.handed_at(id).is_none()) {
                let at = told.block.map_or(now, |block| Timestamp::new(block.time).min(now));
                self.handed = Some((id, at));
                self.send().await;
            }
            if let Some(at) = self.handed_at(id) {
                last.state = PublicationState::Taken(at);
            }
        }
        let sent = self.pending.as_ref().map(|pending| &pending.publication);
        let sent = sent.filter(|sent| self.handed_at(sent.id).is_none());
        let decision = decide(self.place(), &heard, &published, sent, now);
        Ok(Decided { now, heard, published, decision })
    }

    /// Since when gateways that have never answered are waited for: where nothing was published, over all starts.
    async fn unheard_since(
        &self,
        heard: &Heard,
        published: &[KeptPublication],
        now: Timestamp,
    ) -> Option<Timestamp> {
        let (since, wallet) = (heard.unheard_since?, self.parts.signer.address());
        if !self.parts.publishes || published.iter().any(|kept| kept.is_of(wallet)) {
            return Some(since);
        }
        match self.parts.publications.sought_since(wallet, now).await {
            Ok(kept) => Some(since.min(kept)),
            Err(error) => {
                debug!(%error, "gateways that do not answer are waited for from this start on");
                Some(since)
            }
        }
    }

    fn place(&self) -> LocationPlace<'_> {
        let LocationParts { url, signer, publishes, .. } = &self.parts;
        LocationPlace { url, wallet: signer.address(), publishes: *publishes }
    }

    /// What was published last for this wallet is sent as long as nobody has taken it, whoever published it.
    fn take_up(&mut self, published: &[KeptPublication]) {
        let last = self.last_of(published).filter(|_| self.parts.publishes);
        let known = self.pending.as_ref().map(|pending| pending.publication.id);
        if known != last.filter(|last| !last.is_taken()).map(|last| last.publication.id) {
            self.pending = Pending::of(last, &self.parts.url, self.parts.signer.address());
        }
    }

    /// What was published last for this wallet: routers of one database may each have their own.
    fn last_of<'a>(&self, published: &'a [KeptPublication]) -> Option<&'a KeptPublication> {
        let wallet = self.parts.signer.address();
        published.iter().rfind(|kept| kept.is_of(wallet))
    }

    fn refused(&mut self, refusal: PublishingRefusal) {
        let PublishingRefusal { reason, is_passing } = refusal;
        self.pending = None;
        if self.told.borrow().trouble.as_ref() != Some(&reason) {
            match is_passing {
                true => info!(reason, "the record that says where this scheduler is is not looked after yet"),
                false => warn!(reason, "the record that says where this scheduler is is not looked after"),
            }
        }
        self.tell(|now| {
            now.until = None;
            now.trouble = Some(reason);
        });
    }

    /// Tells what is known after something was sent.
    async fn tell_anew(&mut self) {
        if self.parts.publications.refusal().is_some() || self.told.borrow().looked.is_none() {
            return;
        }
        match self.decide().await {
            Ok(decided) => self.tell_of(&decided),
            Err(error) => debug!(%error, "what is told of the record is of before"),
        }
    }

    fn tell_of(&self, decided: &Decided) {
        let trouble = self.trouble(decided);
        let last = self.last_of(&decided.published).map(|kept| kept.publication.clone());
        self.tell(|now| {
            // What was known of it is as true as before where nobody answers.
            now.until = if self.is_answered { decided.decision.until } else { now.until };
            now.trouble = trouble;
            now.last = last;
        });
    }

    /// Publishes because an operator says so, or sends what was not taken yet.
    async fn publish_as_asked(&mut self) -> Result<LocationOutcome, LocationError> {
        if !self.parts.publishes {
            return Err(LocationError::NotHere(shown(&self.parts.url).to_owned()));
        }
        if let Some(refusal) = self.parts.publications.refusal() {
            return Err(LocationError::Refused(refusal.reason));
        }
        let published = self.parts.publications.all().await?;
        self.take_up(&published);
        if let Some(pending) = &self.pending {
            let publication = pending.publication.clone();
            return Ok(LocationOutcome { publication, trouble: self.send().await });
        }
        self.ask().await?;
        if !self.is_answered {
            // Without them it is not known which nonce counts.
            return Err(LocationError::NoGateway);
        }
        let Decided { now, heard, published, .. } = self.decide().await?;
        if let Some(until) = order_waits(self.place(), &heard.records, &published, now) {
            return Err(LocationError::TooSoon(until));
        }
        let nonce = publication_nonce(&heard, &published, now);
        info!(url = shown(&self.parts.url), nonce, "publishing where this scheduler is, as an operator says");
        self.publish(nonce, published.last()).await
    }

    /// Keeps a publication, and hands it over for the first time. Wherever it is broken off between the two, it is handed
    /// over at the next start, by whoever has this place then.
    async fn publish(
        &mut self,
        nonce: u64,
        last: Option<&KeptPublication>,
    ) -> Result<LocationOutcome, LocationError> {
        let (signer, url, at) = (self.parts.signer.clone(), self.parts.url.clone(), self.now()?);
        let item = spawn_blocking(move || signed(&url, nonce, signer.as_ref())).await;
        let item = Bytes::from(item.map_err(|error| LocationError::Sign(error.to_string()))??);
        let id = Item::split(&item).map_err(|error| LocationError::Sign(error.to_string()))?.id();
        let publication = Publication { nonce, at, id, url: shown(&self.parts.url).to_owned() };
        let after = last.map(|last| last.publication.nonce);
        if !self.parts.publications.keep(publication.clone(), item.clone(), after).await? {
            return Err(LocationError::Overtaken);
        }
        metrics::published();
        let (wallet, state) = (Some(self.parts.signer.address()), PublicationState::Sent(item));
        self.take_up(&[KeptPublication { publication: publication.clone(), wallet, state }]);
        // Handing it over may take its time.
        self.tell_anew().await;
        let trouble = self.send().await;
        Ok(LocationOutcome { publication, trouble })
    }

    /// Tells what changes.
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
