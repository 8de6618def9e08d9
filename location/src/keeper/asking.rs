//! Asks gateways what they tell, and says who leads elsewhere.

use std::time::Duration;

use gateway::LocationKind;
use tokio::time::timeout;
use tracing::{info, warn};

use super::LocationKeeper;
use crate::handle::LocationError;
use crate::now::{GatewayNow, LocationNow};
use crate::readers::preferred_elsewhere;

/// For how long gateways are waited for that say what HyperBEAM prefers: who gave an order waits meanwhile.
const PREFERRED_MAX: Duration = Duration::from_secs(20);

impl LocationKeeper {
    /// Asks what gateways tell, and names those that tell something else than before.
    pub(super) async fn ask(&mut self) -> Result<(), LocationError> {
        let asked = self.parts.gateways.told(self.parts.signer.address(), LocationKind::SchedulerLocation);
        let told = asked.await;
        let looked = self.now()?;
        let now = |told| self.with_preferred(&GatewayNow::of(told, self.place(), looked));
        let gateways: Vec<_> = told.iter().map(now).collect();
        self.memory.note(&told, looked);
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

    /// Asks for records of the type `location`, which HyperBEAM prefers. They change nothing of what is published.
    pub(super) async fn ask_preferred(&mut self) {
        let asked = self.parts.gateways.told(self.parts.signer.address(), LocationKind::Lowercase);
        let Ok(told) = timeout(PREFERRED_MAX, asked).await else { return };
        self.memory.note_preferred(told);
        let gateways: Vec<_> =
            self.told.borrow().gateways.iter().map(|one| self.with_preferred(one)).collect();
        self.tell_gateways(gateways, |_| ());
    }

    /// With where HyperBEAM is led by what it prefers.
    fn with_preferred(&self, one: &GatewayNow) -> GatewayNow {
        let misled = preferred_elsewhere(self.memory.preferred(&one.gateway), &self.parts.url);
        GatewayNow { preferred: misled, ..one.clone() }
    }
}
