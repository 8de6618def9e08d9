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
use crate::now::GatewayNow;
use crate::publications::KeptPublication;
use crate::readers::hyperbeam_elsewhere;

/// For how long gateways are waited for that say what is no reason to publish: who gave an order waits meanwhile.
const FURTHER_MAX: Duration = Duration::from_secs(20);
/// The same of those by which it is decided what is published: for as many attempts as there are.
const ASKED_MAX: Duration = Duration::from_secs(40);

impl LocationKeeper {
    /// Asks what gateways tell, and names those that tell something else than before. The records that HyperBEAM alone reads are
    /// no reason to publish, and what is published has a nonce above theirs.
    pub(super) async fn ask(&mut self) -> Result<(), LocationError> {
        let [told, lowercase, title_case] = self.told_of(self.parts.signer.address(), ASKED_MAX).await;
        let looked = self.now()?;
        self.memory.note(&told, looked);
        // Of who takes too long, what it told before counts.
        self.memory.note_hyperbeam(lowercase, title_case);
        let now = |told| self.with_hyperbeam(&GatewayNow::of(told, self.place(), looked));
        let gateways: Vec<_> = told.iter().map(now).collect();
        self.tell_gateways(gateways, looked);
        self.is_answered = told.iter().any(|told| told.records.is_ok());
        Ok(())
    }

    /// Tells what gateways say, and names those that say something else than before.
    fn tell_gateways(&self, gateways: Vec<GatewayNow>, looked: Timestamp) {
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
            now.looked = Some(looked);
        });
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
        let told = join_all(wallets.iter().map(|wallet| self.told_of(*wallet, FURTHER_MAX))).await;
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

    /// What gateways tell of this wallet, asked for at once: what everybody reads within this time, and what HyperBEAM does.
    async fn told_of(&self, wallet: Address, within: Duration) -> [Vec<ToldLocations>; 3] {
        let asked = |kind, within| self.parts.gateways.told(wallet, kind, within);
        let told = join!(
            asked(LocationKind::SchedulerLocation, within),
            asked(LocationKind::Lowercase, FURTHER_MAX),
            asked(LocationKind::TitleCase, FURTHER_MAX)
        );
        told.into()
    }

    /// With where HyperBEAM is led by what it reads, unless that is the record that leads everybody elsewhere.
    fn with_hyperbeam(&self, one: &GatewayNow) -> GatewayNow {
        let records = self.memory.hyperbeam(&one.gateway);
        let is_its_own = one.trouble.is_none() || !records.lowercase.is_empty();
        let misled = hyperbeam_elsewhere(&records, &self.parts.url).filter(|_| is_its_own);
        GatewayNow { hyperbeam: misled, ..one.clone() }
    }
}
