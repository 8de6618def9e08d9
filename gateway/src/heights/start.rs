//! The height to begin with: from the file, or from the newest assignment.

use std::time::SystemTime;

use super::{
    HeightFile, HeightOptions, KnownHeight,
    growth::{growth_in, highest_at},
};

/// What a feed begins with.
#[derive(Clone, Copy, Debug)]
pub(super) struct FirstHeight {
    pub(super) known: Option<KnownHeight>,
    /// What the file holds.
    pub(super) kept: Option<u64>,
}

/// Chooses between what was kept and what was signed. Neither may be beyond what the chain can have
/// reached. Where they are further apart than it can have grown, the file is right: that is where an
/// operator corrects a height.
pub(super) fn begin(options: &HeightOptions) -> FirstHeight {
    let highest = highest_at(SystemTime::now());
    let kept = options.file.as_ref().and_then(HeightFile::read);
    let known = kept.filter(|kept| {
        let possible = kept.height <= highest;
        if !possible {
            let (height, path) = (kept.height, options.file.as_ref().map(HeightFile::display));
            tracing::warn!(
                height,
                highest,
                path = path.map(tracing::field::display),
                "the kept block height is beyond what the chain can have reached: going on without it, the \
                 gateway tells the right one"
            );
        }
        possible
    });
    let signed = options.signed.filter(|signed| {
        let possible = match known {
            Some(known) => signed.height.saturating_sub(known.height) <= growth_in(known.age),
            None => signed.height <= highest,
        };
        if !possible {
            let kept = known.map(|known| known.height);
            tracing::warn!(
                height = signed.height,
                kept,
                "the newest assignment has a block height that the chain cannot have reached: it is not used \
                 for the next one"
            );
        }
        possible
    });
    let known = match (known, signed) {
        (Some(known), Some(signed)) => {
            Some(KnownHeight { height: known.height.max(signed.height), age: known.age })
        }
        (known, signed) => known.or(signed),
    };
    FirstHeight { known, kept: kept.map(|kept| kept.height) }
}
