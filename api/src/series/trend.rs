//! Whether something gets more or less.

/// How a number is compared with what it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trend {
    Growing,
    Shrinking,
    Steady,
}

impl Trend {
    pub(super) fn between(before: u64, now: u64) -> Self {
        match now.cmp(&before) {
            std::cmp::Ordering::Greater => Self::Growing,
            std::cmp::Ordering::Less => Self::Shrinking,
            std::cmp::Ordering::Equal => Self::Steady,
        }
    }

    /// The word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Growing => "growing",
            Self::Shrinking => "shrinking",
            Self::Steady => "steady",
        }
    }
}
