//! The parts that the memory for clients is in.

/// How long a short answer is at most, in bytes.
pub const BRIEF: usize = 64 << 10;

/// Which part of the memory something is claimed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// Requests that only read, as such. Two sixteenths of all.
    Reads,
    /// What of that calls hold that wait for what is to come, counted once more: three quarters of it, so that there is
    /// always some for those that are answered at once.
    Waits,
    /// Other requests as such, and the beginning of each body: ordinary messages need no more. Three sixteenths.
    Small,
    /// What bodies have beyond their beginning. Five sixteenths.
    Large,
    /// What is made to be sent. Five sixteenths.
    Answers,
    /// Answers of at most [`BRIEF`] bytes that nothing is left for among the others. One sixteenth.
    Brief,
}

impl Share {
    pub(super) const ALL: [Self; 6] =
        [Self::Reads, Self::Waits, Self::Small, Self::Large, Self::Answers, Self::Brief];

    /// How much of so many bytes it is.
    pub(super) fn of(self, bytes: usize) -> usize {
        let sixteenth = bytes / 16;
        match self {
            Self::Reads => 2 * sixteenth,
            Self::Waits => 2 * sixteenth / 4 * 3,
            Self::Small => 3 * sixteenth,
            Self::Large => 5 * sixteenth,
            Self::Answers => 5 * sixteenth,
            Self::Brief => sixteenth,
        }
    }
}

/// Something for each share.
#[derive(Debug, Default)]
pub(super) struct PerShare<T> {
    reads: T,
    waits: T,
    small: T,
    large: T,
    answers: T,
    brief: T,
}

impl<T> PerShare<T> {
    pub(super) fn new(each: impl Fn(Share) -> T) -> Self {
        Self {
            reads: each(Share::Reads),
            waits: each(Share::Waits),
            small: each(Share::Small),
            large: each(Share::Large),
            answers: each(Share::Answers),
            brief: each(Share::Brief),
        }
    }

    pub(super) fn get(&self, share: Share) -> &T {
        match share {
            Share::Reads => &self.reads,
            Share::Waits => &self.waits,
            Share::Small => &self.small,
            Share::Large => &self.large,
            Share::Answers => &self.answers,
            Share::Brief => &self.brief,
        }
    }

    pub(super) fn get_mut(&mut self, share: Share) -> &mut T {
        match share {
            Share::Reads => &mut self.reads,
            Share::Waits => &mut self.waits,
            Share::Small => &mut self.small,
            Share::Large => &mut self.large,
            Share::Answers => &mut self.answers,
            Share::Brief => &mut self.brief,
        }
    }
}
