//! What a client posts, and which process it is for. Neither a scheduler nor its state is needed to know that.

use ans104::{Id, Item};

use crate::code::Code;
use crate::ids::ProcessId;
use crate::{tags, values};

/// What an item is posted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submission {
    /// A process, whose id is that of the item.
    Process(ProcessId),
    /// A message for a process, which is its target.
    Message(ProcessId),
}

/// An item cannot be posted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmissionError {
    /// A tag is not there that every item has.
    #[error("the item has no {0} tag; every process and message must have one")]
    MissingTag(&'static str),
    /// It is something else.
    #[error("invalid {type_tag} tag: expected {process} or {message}, not {0:?}",
        type_tag = tags::TYPE, process = values::PROCESS, message = values::MESSAGE)]
    OtherType(String),
    /// A message without a process.
    #[error("the message has no target; expected the id of the process it is for")]
    NoTarget,
    /// It is for the id that no process has.
    #[error("32 zero bytes are the id of no process; expected the id of the process it is for")]
    ZeroProcess,
}

impl Submission {
    /// What this item is posted as. It says nothing of whether the item may be: its signature is not looked at.
    ///
    /// # Errors
    /// When it does not say that it is of this protocol, is neither a process nor a message, or a message for nobody.
    pub fn of(item: &Item<'_>) -> Result<Self, SubmissionError> {
        let kind = needed(item, tags::TYPE)?;
        needed(item, tags::DATA_PROTOCOL)?;
        let submission = match kind {
            values::PROCESS => Self::Process(item.id().into()),
            values::MESSAGE => {
                let target = item.target().ok_or(SubmissionError::NoTarget)?;
                Self::Message(Id::from_bytes(*target).into())
            }
            other => return Err(SubmissionError::OtherType(other.to_owned())),
        };
        SubmissionError::check_process(submission.process())?;
        Ok(submission)
    }

    /// The process that it is for.
    pub fn process(self) -> ProcessId {
        match self {
            Self::Process(process) | Self::Message(process) => process,
        }
    }
}

impl SubmissionError {
    /// Refuses the id that no process has: the facts of a node are kept under it.
    ///
    /// # Errors
    /// When it is that one.
    pub fn check_process(process: ProcessId) -> Result<(), Self> {
        if process == ProcessId::NODE { Err(Self::ZeroProcess) } else { Ok(()) }
    }

    /// The code that tells the client what it can do about it.
    pub fn code(&self) -> Code {
        match self {
            Self::MissingTag(_) => Code::MissingTag,
            Self::OtherType(_) => Code::InvalidTag,
            Self::NoTarget => Code::MalformedItem,
            Self::ZeroProcess => Code::UnknownProcess,
        }
    }
}

/// The value of a tag that every item has.
fn needed<'a>(item: &Item<'a>, name: &'static str) -> Result<&'a str, SubmissionError> {
    tags::find(item, name).ok_or(SubmissionError::MissingTag(name))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use ans104::{Draft, Ed25519Wallet, Tag};

    use super::*;

    const PROTOCOL: (&str, &str) = ("Data-Protocol", "ao");

    fn check(
        tags: &[(&str, &str)],
        target: Option<&[u8; 32]>,
        expected: Result<Submission, SubmissionError>,
    ) {
        let tags: Vec<_> = tags.iter().map(|(name, value)| Tag { name, value }).collect();
        let draft = Draft { target, tags: &tags, ..Draft::default() };
        let bytes = draft.sign(&Ed25519Wallet::from_seed([1; 32])).unwrap();
        assert_eq!(Submission::of(&Item::parse(&bytes).unwrap()), expected, "{tags:?}");
    }

    #[test]
    fn an_item_is_for_itself_or_for_its_target() {
        let target = [7; 32];
        let message = Ok(Submission::Message(Id::from_bytes(target).into()));
        check(&[("Type", "Message"), PROTOCOL], Some(&target), message.clone());
        check(
            &[("data-protocol", "ao"), ("type", "Message"), ("Type", "Process")],
            Some(&target),
            message.clone(),
        );
        check(&[("DATA-protocol", "ao"), ("TYPE", "Message")], Some(&target), message);

        let tags = [Tag::new("Type", "Process"), Tag::new("Data-Protocol", "ao")];
        let draft = Draft { target: Some(&target), tags: &tags, ..Draft::default() };
        let bytes = draft.sign(&Ed25519Wallet::from_seed([1; 32])).unwrap();
        let item = Item::parse(&bytes).unwrap();
        let submission = Submission::of(&item).unwrap();
        assert_eq!(submission, Submission::Process(item.id().into()));
        assert_eq!(submission.process().id(), item.id());
    }

    #[test]
    fn what_is_wrong_with_an_item_is_named() {
        use SubmissionError::{MissingTag, NoTarget, OtherType, ZeroProcess};
        check(&[], None, Err(MissingTag("Type")));
        check(&[PROTOCOL, ("Types", "Message"), ("Action", "Type")], None, Err(MissingTag("Type")));
        check(&[("Type", "Message")], Some(&[7; 32]), Err(MissingTag("Data-Protocol")));
        check(&[("Type", "Assignment"), PROTOCOL], None, Err(OtherType("Assignment".to_owned())));
        check(&[("Type", "message"), PROTOCOL], Some(&[7; 32]), Err(OtherType("message".to_owned())));
        check(&[("Type", "Message"), PROTOCOL], None, Err(NoTarget));
        check(&[("Type", "Message"), PROTOCOL], Some(&[0; 32]), Err(ZeroProcess));
    }
}
