//! What is wrong with a row, or out of the ordinary. None of it keeps a row out of the log, but that its nonce is taken.

use serde::Serialize;

/// What kind of flaw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FlawKind {
    /// Nonces before it are missing.
    Gap,
    /// It has the time of the one before it.
    Tie,
    /// It is earlier than the one before it.
    StepBack,
    /// Its hash chain does not follow from the one before it.
    BrokenChain,
    /// Its hash chain cannot be read.
    NoChain,
    /// Another row has its nonce, so that it is not in the log.
    DuplicateNonce,
    /// The process was spawned before.
    Respawn,
    /// The process was never spawned there.
    NoSpawn,
    /// The latest is not the one with the greatest nonce, after which the schedule is continued.
    NewestIsNotLast,
    /// The last is later than now, so that whatever comes is a millisecond behind the one before it until then.
    Ahead,
    /// A signature is wrong.
    WrongSignature,
    /// A signature is of a key or in a way of writing that was taken once, and cannot be verified.
    LegacySignature,
    /// A column or key says something else than the stored bytes, which count.
    ColumnDiffers,
    /// Tags lack their end.
    UnterminatedTags,
    /// Items that nobody reads are behind the second.
    MoreItems,
    /// The assignment names another message than the one with it.
    OtherMessage,
    /// It is made of what JSON says, since its stored bytes cannot be read.
    FromJson,
    /// When and at which height the process was spawned is not known.
    NoRecord,
    /// Content hashes of messages that are elsewhere are more than there are assignments of such.
    ContentLost,
    /// There are more content hashes than are held at a time, and none was carried over.
    ContentTooMany,
}

impl FlawKind {
    /// What it is, for a person.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Gap => "nonces missing before it",
            Self::Tie => "the time of the one before it",
            Self::StepBack => "earlier than the one before it",
            Self::BrokenChain => "a hash chain that does not follow",
            Self::NoChain => "a hash chain that cannot be read",
            Self::DuplicateNonce => "a nonce that another row has: not in the log",
            Self::Respawn => "spawned again",
            Self::NoSpawn => "never spawned there: read-only here",
            Self::NewestIsNotLast => {
                "another entry is later than the last: continued after the greatest nonce"
            }
            Self::Ahead => {
                "a last entry later than now: what comes follows it by a millisecond each until then"
            }
            Self::WrongSignature => "a signature that does not verify",
            Self::LegacySignature => "a signature of an earlier time, which cannot be verified",
            Self::ColumnDiffers => "a column says something else than the stored bytes",
            Self::UnterminatedTags => "tags without their end",
            Self::MoreItems => "more items than anybody reads",
            Self::OtherMessage => "an assignment that names another message",
            Self::FromJson => "made of what JSON says: the stored bytes cannot be read",
            Self::NoRecord => "a spawn of which the time is not known",
            Self::ContentLost => {
                "processes with content hashes that nothing in the log has: only an import into a new folder can take them"
            }
            Self::ContentTooMany => "processes with too many content hashes: none was carried over",
        }
    }
}

/// A flaw, with what is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SourceFlaw {
    /// What kind.
    pub kind: FlawKind,
    /// More of it.
    pub what: String,
}

impl SourceFlaw {
    pub(crate) fn new(kind: FlawKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into() }
    }
}
