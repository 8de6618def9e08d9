//! The background task: asks, weighs what it hears, and keeps it in the file.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::MissedTickBehavior;

use super::{
    HeightDoubt, HeightOptions, KnownHeight,
    growth::{Allowance, agreed, highest_at, is_far_below},
    known::Known,
    stopwatch::Stopwatch,
};
use crate::{Gateway, GatewayError, metrics};

pub(super) struct HeightFollower {
    known: Arc<Known>,
    gateway: Arc<dyn Gateway>,
    options: HeightOptions,
    allowance: Allowance,
    /// Since when the allowance has not been given yet.
    allowed_at: Stopwatch,
    /// What the file holds.
    kept: Option<u64>,
    /// The gateway did not answer the last time, and that was said.
    is_silent: bool,
    /// The file could not be written the last time, and that was said.
    is_unkept: bool,
}

impl HeightFollower {
    pub(super) fn new(
        known: Arc<Known>,
        gateway: Arc<dyn Gateway>,
        options: HeightOptions,
        kept: Option<u64>,
    ) -> Self {
        let silence = known.current().map_or(Duration::ZERO, |known| known.age);
        Self {
            known,
            gateway,
            options,
            allowance: Allowance::after(silence),
            allowed_at: Stopwatch::start(),
            kept,
            is_silent: false,
            is_unkept: false,
        }
    }

    pub(super) async fn run(mut self) {
        let mut ticks = tokio::time::interval(self.options.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match self.gateway.network_height().await {
                Ok(height) => {
                    self.known.set_failure(None);
                    self.hear(height).await;
                }
                Err(error) => {
                    self.miss(&error);
                    self.known.set_failure(Some(error));
                }
            }
            self.keep().await;
        }
    }

    async fn hear(&mut self, height: u64) {
        let Some(known) = self.known.current().map(|known| known.height) else {
            return self.hear_first(height).await;
        };
        // Counted from the last height that was higher: a gateway that stood still for hours may go on.
        let mut allowance = self.allowance;
        allowance.pass(self.allowed_at.elapsed());
        let most = allowance.most(known, SystemTime::now());
        if is_far_below(height, known) {
            return self.doubt(HeightDoubt::Behind { told: height, known });
        }
        if height > most {
            return self.hear_jump(height, most).await;
        }
        if height > known {
            allowance.spend(height.saturating_sub(known));
            self.grown(allowance);
        }
        self.believe(height);
    }

    /// From now on the time counts in which the chain may grow again.
    fn grown(&mut self, allowance: Allowance) {
        self.allowance = allowance;
        self.allowed_at = Stopwatch::start();
    }

    /// A height that the chain can hardly have reached needs a second gateway that says so.
    async fn hear_jump(&mut self, told: u64, most: u64) {
        let others = self.gateway.heights_elsewhere().await.told;
        // Two have told at least that.
        let Some(confirmed) = others.iter().map(|other| told.min(*other)).max() else {
            return self.doubt(HeightDoubt::Jump { told, most });
        };
        if is_far_below(confirmed, told) {
            self.known.raise(confirmed);
            return self.doubt(HeightDoubt::Jump { told, most });
        }
        tracing::info!(
            height = confirmed,
            most,
            "a jump of the block height is confirmed by another gateway"
        );
        self.grown(Allowance::after(Duration::ZERO));
        self.believe(confirmed);
    }

    /// A first height counts when two gateways tell about the same, and on the word of one only where there is no other
    /// and the chain can be there.
    async fn hear_first(&mut self, told: u64) {
        let others = self.gateway.heights_elsewhere().await;
        let (least, most) = (self.options.lowest, highest_at(SystemTime::now()));
        if let Some(confirmed) = agreed(told, &others.told) {
            tracing::info!(height = confirmed, "the first block height is confirmed by another gateway");
            return self.begin(confirmed);
        }
        let doubt = match told {
            _ if told > most => HeightDoubt::Jump { told, most },
            _ if told < least => HeightDoubt::Low { told, least },
            _ if others.asked > 0 => HeightDoubt::Alone { told, elsewhere: others.told.first().copied() },
            _ => {
                tracing::info!(
                    height = told,
                    "the first block height rests on the word of one gateway: it would be confirmed by another one \
                     in ARWEAVE_URL_LIST"
                );
                return self.begin(told);
            }
        };
        self.doubt(doubt);
        // Where the others are agreed, only the one is wrong.
        let agreed = others
            .told
            .iter()
            .enumerate()
            .filter_map(|(place, one)| agreed(*one, others.told.get(place + 1..).unwrap_or_default()));
        if let Some(height) = agreed.filter(|height| (least..=most).contains(height)).max() {
            tracing::info!(height, "the first block height is what two other gateways tell");
            self.known.raise(height);
        }
    }

    /// The first height: from now on the chain grows.
    fn begin(&mut self, height: u64) {
        self.grown(Allowance::after(Duration::ZERO));
        self.believe(height);
    }

    fn believe(&mut self, height: u64) {
        self.known.told(height);
        let is_doubted = !self.known.set_doubt(None);
        if self.is_silent || is_doubted {
            tracing::info!(height, "the gateway tells the block height again");
            self.is_silent = false;
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        metrics::height_told(self.known.current().map_or(height, |known| known.height), now.as_secs());
    }

    fn doubt(&mut self, doubt: HeightDoubt) {
        metrics::height_refused();
        if self.known.set_doubt(Some(doubt)) {
            tracing::warn!("{doubt}");
        } else {
            tracing::debug!("{doubt}");
        }
    }

    fn miss(&mut self, error: &GatewayError) {
        if self.is_silent {
            tracing::debug!(%error, "the gateway still does not tell the block height");
            return;
        }
        self.is_silent = true;
        match self.known.current() {
            Some(KnownHeight { height, .. }) => tracing::warn!(
                %error, height,
                "the gateway does not tell the block height: the last one known is used until it does"
            ),
            None => tracing::warn!(
                %error,
                "the gateway does not tell the block height, and none is known yet: asking on"
            ),
        }
    }

    /// Brings the file up to date, if the height has changed.
    async fn keep(&mut self) {
        let (Some(file), Some(known)) = (self.options.file.clone(), self.known.current()) else { return };
        if self.kept == Some(known.height) {
            return;
        }
        let shown = file.display().to_string();
        let written = tokio::task::spawn_blocking(move || file.write(known.height)).await;
        match written.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
            Ok(()) => {
                self.kept = Some(known.height);
                self.is_unkept = false;
            }
            Err(error) if !self.is_unkept => {
                tracing::warn!(
                    %error, path = shown,
                    "the block height cannot be kept: a restart without gateway will not know it"
                );
                self.is_unkept = true;
            }
            Err(error) => tracing::debug!(%error, path = shown, "the block height still cannot be kept"),
        }
    }
}
