//! The parts that the memory for clients is in.

/// Which part of the memory something is claimed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// Requests that only read, as such. Two sixteenths of all.
    Reads,
    /// Other requests as such, and the beginning of each body: ordinary messages need no more. Three sixteenths.
    Small,
    /// What bodies have beyond their beginning. Five sixteenths.
    Large,
    /// What is made to be sent. Six sixteenths.
    Answers,
}

impl Share {
    pub(super) const ALL: [Self; 4] = [Self::Reads, Self::Small, Self::Large, Self::Answers];

    /// How much of so many bytes it is.
    pub(super) fn of(self, bytes: usize) -> usize {
        let sixteenths = match self {
            Self::Reads => 2,
            Self::Small => 3,
            Self::Large => 5,
            Self::Answers => 6,
        };
        bytes / 16 * sixteenths
    }
}

/// Something for each share.
#[derive(Debug, Default)]
pub(super) struct PerShare<T> {
    reads: T,
    small: T,
    large: T,
    answers: T,
}

impl<T> PerShare<T> {
    pub(super) fn new(each: impl Fn(Share) -> T) -> Self {
        Self {
            reads: each(Share::Reads),
            small: each(Share::Small),
            large: each(Share::Large),
            answers: each(Share::Answers),
        }
    }

    pub(super) fn get(&self, share: Share) -> &T {
        match share {
            Share::Reads => &self.reads,
            Share::Small => &self.small,
            Share::Large => &self.large,
            Share::Answers => &self.answers,
        }
    }

    pub(super) fn get_mut(&mut self, share: Share) -> &mut T {
        match share {
            Share::Reads => &mut self.reads,
            Share::Small => &mut self.small,
            Share::Large => &mut self.large,
            Share::Answers => &mut self.answers,
        }
    }
}
