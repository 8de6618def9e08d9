//! Which nonces are asked for at a time.

/// A page of several nonces has no more bytes: of longer ones fewer are asked for.
const PAGE_BYTES_MAX: usize = 8 << 20;
/// What has one nonce has no more.
pub(super) const ENTRY_BYTES_MAX: usize = 96 << 20;
/// How many nonces are asked for at a time.
const NONCES: u64 = 100;
/// Where nothing is found more are asked for at a time.
const NONCES_MAX: u64 = 1 << 24;

/// Nonces that are asked for: those behind the first, up to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NonceWindow {
    pub(super) after: Option<u64>,
    nonces: u64,
}

impl NonceWindow {
    /// What is asked for first.
    pub(super) const FIRST: Self = Self { after: None, nonces: NONCES };

    pub(super) fn to(self) -> u64 {
        self.after.map_or(self.nonces.saturating_sub(1), |after| after.saturating_add(self.nonces))
    }

    /// Whether an entry with this nonce is in it; one without any comes first.
    pub(super) fn has(self, nonce: Option<u64>) -> bool {
        match (self.after, nonce) {
            (after, None) => after.is_none(),
            (after, Some(nonce)) => after.is_none_or(|after| after < nonce) && nonce <= self.to(),
        }
    }

    pub(super) fn halved(self) -> Option<Self> {
        (self.nonces > 1).then_some(Self { nonces: self.nonces / 2, ..self })
    }

    /// How many bytes a page of it may have.
    pub(super) fn bytes_max(self) -> usize {
        if self.nonces > 1 { PAGE_BYTES_MAX } else { ENTRY_BYTES_MAX }
    }

    /// What comes behind it; more at a time where nothing was found.
    pub(super) fn next(self, is_empty: bool) -> Self {
        let nonces = self.nonces.saturating_mul(2).min(if is_empty { NONCES_MAX } else { NONCES });
        Self { after: Some(self.to()), nonces }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn windows_follow_each_other_and_grow_over_gaps() {
        let first = NonceWindow { after: None, nonces: 4 };
        assert_eq!((first.to(), first.halved().unwrap().to()), (3, 1));
        assert_eq!(first.next(false), NonceWindow { after: Some(3), nonces: 8 });
        assert_eq!(first.next(false).to(), 11);
        let mut gap = NonceWindow { after: Some(u64::MAX - 1), nonces: NONCES };
        for _ in 0..40 {
            gap = gap.next(true);
        }
        assert_eq!((gap.to(), gap.nonces), (u64::MAX, NONCES_MAX));
        assert_eq!(NonceWindow { after: Some(7), nonces: 1 }.halved(), None);
    }
}
