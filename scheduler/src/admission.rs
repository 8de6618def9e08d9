//! What is admitted: the rules that an item is held against before it is queued.
//!
//! The cheap rules come first and the signature last, so that what breaks a rule costs little.

use ans104::{Id, Item};
use bytes::Bytes;
use limits::ItemLimits;
use protocol::{ProcessId, Submission, check_spawn, check_tags, tags};

use crate::classes::Pushed;
use crate::content::Content;
use crate::error::ScheduleError;
use crate::order::Intake;

/// An item that may be queued.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) process: ProcessId,
    pub(crate) intake: Intake,
    /// The transaction that the process boots from; a gateway must have it.
    pub(crate) boots_from: Option<Id>,
}

/// What the rules need to know beside the item.
pub(crate) struct Rules<'a> {
    /// The only process that the item may be for, if there is one.
    pub(crate) only: Option<ProcessId>,
    pub(crate) deep_hash_checks: bool,
    /// What the operator lets in.
    pub(crate) limits: &'a ItemLimits,
    /// Refuses a message to a process that is not scheduled here, or has no room for it.
    pub(crate) check_process: &'a dyn Fn(ProcessId) -> Result<(), ScheduleError>,
}

impl Rules<'_> {
    /// Holds an item against all rules that need no network.
    pub(crate) fn admit(&self, bytes: Bytes) -> Result<Admitted, ScheduleError> {
        let item = Item::parse(&bytes)?;
        let id = item.id();
        let submission = Submission::of(&item)?;
        self.check_named(submission.process())?;
        self.limits.check(&item, submission)?;
        check_tags(&item)?;
        let boots_from = match submission {
            Submission::Process(_) => check_spawn(&item)?,
            Submission::Message(process) => (self.check_process)(process).map(|()| None)?,
        };
        item.verify().map_err(|reason| ScheduleError::InvalidSignature { id, reason })?;
        let pushed = self.pushed(&item);
        let intake = match submission {
            Submission::Process(_) => Intake::Spawn { item: bytes },
            Submission::Message(_) => Intake::Message { id, item: bytes, pushed },
        };
        Ok(Admitted { process: submission.process(), intake, boots_from })
    }

    /// Refuses an item that is for another process than the one that the client named beside it.
    fn check_named(&self, found: ProcessId) -> Result<(), ScheduleError> {
        match self.only {
            Some(named) if named != found => Err(ScheduleError::OtherProcess { named, found }),
            _ => Ok(()),
        }
    }

    /// What a pushed message is told apart by, when that is its content.
    fn pushed(&self, item: &Item<'_>) -> Option<Pushed> {
        if !self.deep_hash_checks {
            return None;
        }
        tags::find(item, tags::FROM_PROCESS)?;
        Some(Content::of(item).signed_by(item.address()))
    }
}
