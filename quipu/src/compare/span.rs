//! Nonces that are asked for at a time.

/// How many.
pub(super) const NONCES: u64 = 100;
/// Where nothing is found, more and more, up to so many.
const NONCES_MAX: u64 = 1 << 24;

/// Nonces behind the first, up to the second; from the beginning on where there is no first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NonceSpan {
    pub(super) after: Option<u64>,
    pub(super) to: u64,
}

impl NonceSpan {
    /// Those behind a nonce, up to the last that is known.
    pub(super) fn upto(after: Option<u64>, last: u64) -> impl Iterator<Item = Self> {
        let of = |after: Option<u64>| {
            let to = after.map_or(NONCES - 1, |after| after.saturating_add(NONCES));
            Self { after, to }
        };
        let next = move |before: &Self| (before.to < last).then(|| of(Some(before.to)));
        std::iter::successors(after.is_none_or(|after| after < last).then(|| of(after)), next)
    }

    /// What comes behind it; more at a time where nothing was found.
    pub(super) fn next(self, is_empty: bool) -> Self {
        let nonces = self.to.saturating_sub(self.after.unwrap_or(0)).max(1);
        let nonces = if is_empty { nonces.saturating_mul(2).min(NONCES_MAX) } else { NONCES };
        Self { after: Some(self.to), to: self.to.saturating_add(nonces) }
    }

    /// Both halves; none of one nonce.
    pub(super) fn halves(self) -> Option<[Self; 2]> {
        let first = self.after.map_or(0, |after| after.saturating_add(1));
        let middle = first.saturating_add(self.to.checked_sub(first)? / 2);
        (first < self.to)
            .then_some([Self { after: self.after, to: middle }, Self { after: Some(middle), to: self.to }])
    }

    /// How it is asked for.
    pub(super) fn query(self) -> String {
        let after = self.after.map_or("-1".to_owned(), |after| after.to_string());
        format!("from-nonce={after}&to-nonce={}", self.to)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn spans_are_all_nonces_once() {
        let span = |after, to| NonceSpan { after, to };
        let all: Vec<_> = NonceSpan::upto(None, 250).collect();
        assert_eq!(all, [span(None, 99), span(Some(99), 199), span(Some(199), 299)]);
        assert_eq!(NonceSpan::upto(None, 0).collect::<Vec<_>>(), all[..1]);
        assert_eq!(NonceSpan::upto(Some(199), 250).collect::<Vec<_>>(), all[2..]);
        assert_eq!(NonceSpan::upto(Some(299), 250).count(), 0);
        assert_eq!(all[0].halves().unwrap(), [span(None, 49), span(Some(49), 99)]);
        assert_eq!(span(None, 1).halves().unwrap(), [span(None, 0), span(Some(0), 1)]);
        assert_eq!((span(None, 0).halves(), span(Some(6), 7).halves()), (None, None));
        assert_eq!(all[1].query(), "from-nonce=99&to-nonce=199");
        assert_eq!(all[0].query(), "from-nonce=-1&to-nonce=99");
    }

    #[test]
    fn they_grow_over_gaps() {
        let mut gap = NonceSpan { after: Some(7), to: 107 };
        assert_eq!(gap.next(false), NonceSpan { after: Some(107), to: 207 });
        for _ in 0..64 {
            gap = gap.next(true);
        }
        assert_eq!(gap.to - gap.after.unwrap(), NONCES_MAX);
        let end = NonceSpan { after: Some(u64::MAX - 1), to: u64::MAX }.next(true);
        assert_eq!(end, NonceSpan { after: Some(u64::MAX), to: u64::MAX });
    }
}
