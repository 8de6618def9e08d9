//! How fast the chain can have grown. What a gateway tells beyond that is not believed on its word
//! alone: a height that was once signed cannot be taken back.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use super::HEIGHT_MAX;

/// Arweave's blocks are about two minutes apart. Over any longer time they were never four times as
/// quick.
const BLOCK_TIME_MIN: Duration = Duration::from_secs(30);
/// Of a longer time the chain has used one part of so many: its blocks are about four times as slow.
const USED_PART: u32 = 4;

/// So many blocks may come at once, as after a gateway that lagged.
const BURST: u32 = 50;

/// Arweave's first day, 2018-06-08, as Unix time.
const GENESIS: Duration = Duration::from_secs(1_528_416_000);

/// Where Arweave was at the latest when a year began, 2025-01-01 as Unix time.
const THEN: (u64, Duration) = (1_600_000, Duration::from_secs(1_735_689_600));

/// Arweave passed this in 2022.
pub(super) const LOWEST: u64 = 1_000_000;

/// Why a height that a gateway tells is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeightDoubt {
    /// The chain cannot have grown so far since the last height, and no other gateway says so too.
    Jump {
        /// What the gateway tells.
        told: u64,
        /// Where the chain can be by now at most.
        most: u64,
    },
    /// It is the first one, and the chain passed it long ago.
    Low {
        /// What the gateway tells.
        told: u64,
        /// What it was to tell at least.
        least: u64,
    },
    /// It is the first one, and no other gateway tells about the same, though there are others.
    Alone {
        /// What the gateway tells.
        told: u64,
        /// What another one tells, if any tells one.
        elsewhere: Option<u64>,
    },
    /// It is far below the height that is known. One of the two is wrong.
    Behind {
        /// What the gateway tells.
        told: u64,
        /// What is known, and used.
        known: u64,
    },
}

impl fmt::Display for HeightDoubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Jump { told, most } => write!(
                f,
                "the gateway tells the block height {told}, but the chain cannot be beyond {most} yet: it is \
                 not used unless another gateway of ARWEAVE_URL_LIST confirms it"
            ),
            Self::Low { told, least } => write!(
                f,
                "the gateway tells the block height {told}, and Arweave passed {least} years ago: it is not used unless \
                 another gateway of ARWEAVE_URL_LIST confirms it; if it is right, as on a chain of one's own, stop the \
                 node, write it into height.json in the data folder, and start the node again"
            ),
            Self::Alone { told, elsewhere } => {
                write!(f, "the gateway tells the block height {told}, and ")?;
                match elsewhere {
                    Some(other) => write!(f, "another one of ARWEAVE_URL_LIST tells {other}")?,
                    None => f.write_str("no other one of ARWEAVE_URL_LIST tells any")?,
                }
                f.write_str(
                    ": a first height is not used until two of them tell about the same; see which of these settings is \
                     wrong, or stop the node, write the right height into height.json in the data folder, and start the \
                     node again",
                )
            }
            Self::Behind { told, known } => write!(
                f,
                "the gateway tells the block height {told}, far below {known}, which this node knows and \
                 uses: if the gateway is right, stop the node, write the right height into height.json in \
                 the data folder, and start it again"
            ),
        }
    }
}

/// The height of the chain if every block since it was looked up, or since the first one, had taken the least time: no
/// height is beyond.
pub(super) fn highest_at(now: SystemTime) -> u64 {
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (height, then) = THEN;
    match (now.checked_sub(then), now.checked_sub(GENESIS)) {
        (Some(since), _) => height.saturating_add(blocks_in(since)),
        (None, Some(age)) => blocks_in(age),
        // This clock tells nothing.
        (None, None) => HEIGHT_MAX,
    }
}

/// How many blocks fit in this time at most, the burst included that may come at any moment.
pub(super) fn growth_in(time: Duration) -> u64 {
    blocks_in(time.max(BLOCK_TIME_MIN * BURST))
}

/// Whether `lower` is so far below `higher` that no lag explains it.
pub(super) fn is_far_below(lower: u64, higher: u64) -> bool {
    lower.saturating_add(u64::from(BURST)) < higher
}

/// What two tell if one of the others tells about the same: the lower one of both.
pub(super) fn agreed(told: u64, others: &[u64]) -> Option<u64> {
    let same = others.iter().filter(|other| !is_far_below(told, **other) && !is_far_below(**other, told));
    same.map(|other| told.min(*other)).max()
}

fn blocks_in(time: Duration) -> u64 {
    time.as_secs() / BLOCK_TIME_MIN.as_secs()
}

/// The time in which the chain may still grow: it passes, and each block takes some of it. So a
/// gateway that lies a little each time gets no further than one that lies once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    time: Duration,
    /// How much of it a chain that grew as usual has use for.
    lag: Duration,
}

impl Allowance {
    /// What has gathered when nothing was heard for so long.
    pub(super) fn after(silence: Duration) -> Self {
        Self { time: silence.max(BLOCK_TIME_MIN * BURST), lag: silence / USED_PART }
    }

    /// So much time has passed. What has gathered in a longer silence is kept for as long as that was,
    /// since a gateway may need a while to be up to date again.
    pub(super) fn pass(&mut self, time: Duration) {
        let most = time.max(BLOCK_TIME_MIN * BURST);
        self.time = match self.time.checked_sub(most) {
            Some(_) => self.time.saturating_sub(time).max(most),
            None => self.time.saturating_add(time).min(most),
        };
        self.lag = self.lag.saturating_add(time / USED_PART).min(self.time);
    }

    /// How many blocks there may be.
    pub(super) fn blocks(&self) -> u64 {
        blocks_in(self.time)
    }

    /// Where a chain can be by now that was at this height: never beyond where it can be at its age, whatever is taken for
    /// the time since, unless it is there already.
    pub(super) fn most(&self, known: u64, now: SystemTime) -> u64 {
        let oldest = highest_at(now).max(known.saturating_add(u64::from(BURST)));
        known.saturating_add(self.blocks()).min(oldest)
    }

    /// There were so many. What has gathered is not kept beyond what the gateway may still lag behind: it has been heard.
    pub(super) fn spend(&mut self, blocks: u64) {
        let blocks = u32::try_from(blocks).unwrap_or(u32::MAX);
        let spent = BLOCK_TIME_MIN.saturating_mul(blocks);
        self.lag = self.lag.saturating_sub(spent);
        let kept = self.lag.saturating_add(BLOCK_TIME_MIN * BURST);
        self.time = self.time.saturating_sub(spent).min(kept);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_height_is_beyond_the_age_of_the_chain() {
        let at = |seconds| highest_at(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        // The first day of 2025, when the chain was at about 1,580,000, and one 30 days later.
        assert_eq!(at(1_735_689_600), 1_600_000);
        assert_eq!(at(1_735_689_600 + 30 * 86_400), 1_600_000 + 30 * 2880);
        assert_eq!(at(0), HEIGHT_MAX, "a clock that was never set bounds nothing");
        // A file that is dated 1970 allows no more.
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_735_689_600);
        let since_1970 = Allowance::after(Duration::from_secs(1_735_689_600));
        assert_eq!(since_1970.most(1_500_000, now), 1_600_000);
        assert_eq!(since_1970.most(5_000_000, now), 5_000_000 + u64::from(BURST), "a chain of one's own");
    }

    #[test]
    fn what_gathered_in_a_downtime_ends_with_what_the_chain_has_used_of_it() {
        const WEEKS: Duration = Duration::from_secs(21 * 86_400);
        let mut allowance = Allowance::after(WEEKS);
        let grown = WEEKS.as_secs() / 131;
        // In two steps, since the gateway lags at first.
        allowance.spend(grown / 2);
        assert!(allowance.blocks() >= grown / 2, "{allowance:?}");
        allowance.spend(grown / 2);
        allowance.pass(Duration::from_secs(3600));
        assert!(allowance.blocks() <= 2000, "{allowance:?}");
    }

    proptest! {
        #[test]
        fn small_lies_get_no_further_than_a_large_one(pauses in prop::collection::vec(0u64..600, 1..200)) {
            let mut allowance = Allowance::after(Duration::ZERO);
            let mut height = 0;
            for pause in &pauses {
                allowance.pass(Duration::from_secs(*pause));
                height += allowance.blocks();
                allowance.spend(allowance.blocks());
            }
            prop_assert!(height <= u64::from(BURST) + pauses.iter().sum::<u64>() / 30);
        }

        #[test]
        fn a_chain_that_grows_as_arweave_does_is_always_believed(
            blocks in prop::collection::vec(1u64..600, 1..200), asleep in 0u64..1_000_000,
        ) {
            let mut allowance = Allowance::after(Duration::ZERO);
            for (number, seconds) in blocks.iter().enumerate() {
                // Four of five are seconds apart, and then there is a long one.
                let seconds = if number % 5 == 4 { 600 } else { *seconds % 20 };
                allowance.pass(Duration::from_secs(seconds));
                prop_assert!(allowance.blocks() >= 1);
                allowance.spend(1);
            }
            allowance.pass(Duration::from_secs(asleep));
            prop_assert!(allowance.blocks() >= asleep / 120);
            // Heard again, it is behind for a while.
            allowance.pass(Duration::from_secs(asleep / 2));
            prop_assert!(allowance.blocks() >= asleep / 120);
            allowance.pass(Duration::from_secs(asleep));
            allowance.pass(Duration::from_secs(5));
            prop_assert!(allowance.blocks() <= u64::from(BURST).max(asleep / 30));
        }
    }
}
