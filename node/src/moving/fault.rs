//! Why a process has not come.

/// Why a process has not come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum MoveFault {
    /// The same order is refused again.
    Refused(String),
    /// It was broken off: the same order again goes on from there.
    Stopped(String),
}

impl MoveFault {
    /// The reason, for a person to read.
    pub(super) fn reason(&self) -> &str {
        let (Self::Refused(reason) | Self::Stopped(reason)) = self;
        reason
    }
}

/// What is not said to be otherwise may be other by the next time.
impl From<String> for MoveFault {
    fn from(reason: String) -> Self {
        Self::Stopped(reason)
    }
}
