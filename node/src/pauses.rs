//! How long to wait before a leader or a gate is asked again.

use std::time::Duration;

use aws_lc_rs::rand;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);
/// How long a leader's stream is when it was of use: longer than the longest pause, so that two who take each
/// other's place become no quicker at it.
pub(crate) const LASTING: Duration = Duration::from_secs(15);

/// Pauses that double up to a bound, each cut short by a random part of up to a half: standbys that lost a leader
/// together do not come back together.
#[derive(Default)]
pub(crate) struct Pauses(u32);

impl Pauses {
    pub(crate) fn next(&mut self) -> Duration {
        let whole = FIRST.saturating_mul(1 << self.0.min(16)).min(LONGEST);
        self.0 = self.0.saturating_add(1);
        let mut random = [0];
        // Without chance they are as long as they may be.
        let cut = rand::fill(&mut random).map_or(0, |()| u32::from(random[0]));
        whole - whole / 512 * cut
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn pauses_grow_and_stay_bounded() {
        let mut pauses = Pauses::default();
        for turn in 0..100 {
            let most = FIRST.saturating_mul(1 << turn.min(16)).min(LONGEST);
            let pause = pauses.next();
            assert!(pause >= most / 2 && pause <= most, "turn {turn}: {pause:?}");
        }
    }
}
