//! What is admitted: the rules that an item is held against before it is queued.
//!
//! The cheap rules come first and the signature last, so that what breaks a rule costs little.

use ans104::{Id, Item};
use bytes::Bytes;
use log::DeepHash;
use protocol::ProcessId;

use crate::content::{Content, FROM_PROCESS};
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
    pub(crate) deep_hash_checks: bool,
    /// Whether a process is scheduled here.
    pub(crate) is_known: &'a dyn Fn(ProcessId) -> Result<bool, ScheduleError>,
}

impl Rules<'_> {
    /// Holds an item against all rules that need no network.
    pub(crate) fn admit(&self, bytes: Bytes) -> Result<Admitted, ScheduleError> {
        let item = Item::parse(&bytes)?;
        let id = item.id();
        let kind = first_of(&item, ["Type", "type"]).ok_or_else(|| missing("Type", EVERY_ITEM))?;
        first_of(&item, ["Data-Protocol", "data-protocol"])
            .ok_or_else(|| missing("Data-Protocol", EVERY_ITEM))?;
        refuse_links(&item)?;
        item.check_limits()?;
        let (process, boots_from) = match kind {
            "Process" => (ProcessId::from(id), check_process(&item)?),
            "Message" => (self.check_target(&item)?, None),
            other => return Err(invalid("Type", format!("expected Process or Message, not {other:?}"))),
        };
        item.verify().map_err(|reason| ScheduleError::InvalidSignature { id, reason })?;
        let deep_hash = self.content_hash(&item);
        let intake = match kind {
            "Process" => Intake::Spawn { item: bytes },
            _ => Intake::Message { id, item: bytes, deep_hash },
        };
        Ok(Admitted { process, intake, boots_from })
    }

    fn check_target(&self, item: &Item<'_>) -> Result<ProcessId, ScheduleError> {
        let target = item.target().ok_or(ScheduleError::NoTarget)?;
        let process = ProcessId::from(Id::from_bytes(*target));
        match (self.is_known)(process)? {
            true => Ok(process),
            false => Err(ScheduleError::UnknownProcess(process)),
        }
    }

    /// The content hash of a pushed message, when pushed messages are told apart by it.
    fn content_hash(&self, item: &Item<'_>) -> Option<DeepHash> {
        if !self.deep_hash_checks {
            return None;
        }
        item.tag(FROM_PROCESS)?;
        let content = Content {
            target: item.target().map_or(&[], |target| target),
            anchor: item.anchor().map_or(&[], |anchor| anchor),
            tags: item.tags().filter_map(Result::ok).collect(),
            data: item.data(),
        };
        Some(content.hash())
    }
}

const EVERY_ITEM: &str = "every process and every message has one";

fn check_process(item: &Item<'_>) -> Result<Option<Id>, ScheduleError> {
    for name in ["Module", "Scheduler"] {
        item.tag(name).ok_or_else(|| missing(name, "every process names its module and its scheduler"))?;
    }
    match item.tag("On-Boot") {
        None | Some("Data") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| {
            invalid("On-Boot", format!("expected Data or the id of a transaction, not {text:?}"))
        }),
    }
}

/// Links are of another variant of the protocol: what they stand for is not in the item, so nothing binds it.
fn refuse_links(item: &Item<'_>) -> Result<(), ScheduleError> {
    const LINK: &str = "+link";
    for tag in item.tags() {
        let tag = tag.map_err(|error| ScheduleError::Malformed(error.into()))?;
        if tag.name.ends_with(LINK) || tag.value.ends_with(LINK) {
            return Err(invalid(tag.name, "expected a plain name and value, not a link (+link)".to_owned()));
        }
    }
    Ok(())
}

fn first_of<'a>(item: &Item<'a>, names: [&str; 2]) -> Option<&'a str> {
    let mut tags = item.tags().filter_map(Result::ok);
    tags.find(|tag| names.contains(&tag.name)).map(|tag| tag.value)
}

fn missing(name: &'static str, why: &'static str) -> ScheduleError {
    ScheduleError::MissingTag { name, why }
}

fn invalid(name: &str, reason: String) -> ScheduleError {
    ScheduleError::InvalidTag { name: name.to_owned(), reason }
}
