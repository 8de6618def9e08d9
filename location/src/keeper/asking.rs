//! Asks gateways what they tell, and says who leads elsewhere.

use std::time::Duration;

use ans104::Address;
use futures_util::future::join_all;
use gateway::{LocationKind, ToldLocations};
use protocol::Timestamp;
use tokio::join;
use tracing::{debug, info, warn};

use super::LocationKeeper;
use crate::earlier::EarlierWallet;
use crate::handle::LocationError;
use crate::now::{GatewayNow, LocationNow};
use crate::publications::KeptPublication;
use crate::readers::hyperbeam_elsewhere;

/// For how long gateways are waited for that say what is no reason to publish: who gave an order waits meanwhile.
const FURTHER_MAX: Duration = Duration::from_secs(20);
/// The same of those by which it is decided what is published: for as many attempts as there are.
const ASKED_MAX: Duration = Duration::from_secs(40);

impl LocationKeeper {
    /// Asks what gateways tell, and names those that tell something else than before.
    pub(super) async fn ask(&mut self) -> Result<(), LocationError> {
        let (gateways, wallet) = (&self.parts.gateways, self.parts.signer.address());
        let told = gateways.told(wallet, LocationKind::SchedulerLocation, ASKED_MAX).await;
        let looked = self.now()?;
        self.memory.note(&told, looked);
        let now = |told| self.with_hyperbeam(&GatewayNow::of(told, self.place(), looked));
        let gateways: Vec<_> = told.iter().map(now).collect();
        self.tell_gateways(gateways, |now| now.looked = Some(looked));
        self.is_answered = told.iter().any(|told| told.records.is_ok());
        Ok(())
    }

    /// Tells what gateways say, and names those that say something else than before.
    fn tell_gateways(&self, gateways: Vec<GatewayNow>, change: impl FnOnce(&mut LocationNow)) {
        let before = self.told.borrow().gateways.clone();
        let differ = gateways.iter().any(|one| one.answers && one.troubles().is_none());
        for one in gateways.iter().filter(|one| !before.contains(one)) {
            if let Some(trouble) = one.troubles() {
                let gateway = &one.gateway;
                match differ {
                    true => warn!(gateway, trouble, "gateways do not agree on where this scheduler is"),
                    false => info!(gateway, trouble, "a gateway does not lead to this scheduler"),
                }
            }
        }
        self.tell(|now| {
            now.gateways = gateways;
            change(now);
        });
    }

    /// Asks for the records that HyperBEAM reads. They are no reason to publish, and what is published has a nonce above theirs.
    pub(super) async fn ask_hyperbeam(&mut self) {
        let wallet = self.parts.signer.address();
        let asked = |kind| self.parts.gateways.told(wallet, kind, FURTHER_MAX);
        let (lowercase, title_case) = join!(asked(LocationKind::Lowercase), asked(LocationKind::TitleCase));
        // Of who takes too long, what it told before counts.
        self.memory.note_hyperbeam(lowercase, title_case);
        let gateways: Vec<_> =
            self.told.borrow().gateways.iter().map(|one| self.with_hyperbeam(one)).collect();
        self.tell_gateways(gateways, |_| ());
    }

    /// Has records that are in no block wait since they were first told so, or taken, and not since this start: who tells one for
    /// ever would begin anew with each.
    pub(super) async fn date_waiting(&mut self, published: &[KeptPublication], now: Timestamp) {
        let mut others = Vec::new();
        for id in self.memory.undated() {
            match published.iter().find(|kept| kept.publication.id == id) {
                None => others.push(id),
                Some(own) if own.is_taken() && own.since() <= now => self.memory.date(id, own.since()),
                Some(_) => {}
            }
        }
        if others.is_empty() || !self.parts.publishes {
            return;
        }
        match self.parts.publications.waiting_since(&others, now).await {
            Ok(kept) => {
                others.iter().for_each(|id| self.memory.date(*id, kept.since(*id, now).unwrap_or(now)))
            }
            Err(error) => debug!(%error, "records without a block wait from this start on"),
        }
    }

    /// Asks for the records of wallets that signed here before: clients find by them what was spawned then.
    pub(super) async fn ask_earlier(&mut self) {
        let own = self.parts.signer.address();
        let wallets = match self.parts.publications.wallets_before(own).await {
            Ok(wallets) => wallets,
            Err(error) => {
                debug!(%error, "the wallets that signed before are not looked after");
                return;
            }
        };
        let Ok(now) = self.now() else { return };
        let before = self.told.borrow().earlier.clone();
        let mut earlier = Vec::new();
        // All at once: whoever gives an order waits as long as for one.
        let told = join_all(wallets.iter().map(|wallet| self.told_of(*wallet))).await;
        for (wallet, [records, lowercase, title_case]) in wallets.into_iter().zip(told) {
            // Of one of whom nobody tells anything now, what was known before is.
            let memory = self.earlier.entry(wallet).or_default();
            memory.note(&records, now);
            memory.note_hyperbeam(lowercase, title_case);
            let found = EarlierWallet::of(wallet, memory, &self.parts.url);
            if let Some(EarlierWallet { misleads: true, trouble: Some(trouble), .. }) =
                found.as_ref().filter(|found| !before.contains(found))
            {
                warn!(%wallet, trouble, "clients of what was spawned with an earlier wallet are led elsewhere");
            }
            earlier.extend(found);
        }
        self.tell(|now| now.earlier = earlier);
    }

    /// What gateways tell of this wallet: what everybody reads, and what HyperBEAM does.
    async fn told_of(&self, wallet: Address) -> [Vec<ToldLocations>; 3] {
        let kinds = [LocationKind::SchedulerLocation, LocationKind::Lowercase, LocationKind::TitleCase];
        let [records, lowercase, title_case] =
            kinds.map(|kind| self.parts.gateways.told(wallet, kind, FURTHER_MAX));
        join!(records, lowercase, title_case).into()
    }

    /// With where HyperBEAM is led by what it reads, unless that is the record that leads everybody elsewhere.
    fn with_hyperbeam(&self, one: &GatewayNow) -> GatewayNow {
        let records = self.memory.hyperbeam(&one.gateway);
        let is_its_own = one.trouble.is_none() || !records.lowercase.is_empty();
        let misled = hyperbeam_elsewhere(&records, &self.parts.url).filter(|_| is_its_own);
        GatewayNow { hyperbeam: misled, ..one.clone() }
    }
}
