//! The process of a call, as HyperBEAM writes it.

use ans104::Id;
use poem_openapi::registry::MetaSchema;
use protocol::{Code, ProcessId};
use serde_json::json;

use crate::error::HttpError;
use crate::parameter::{Parameter, expected};

/// What stands in a path for the device, and behind the id of a process.
const SCHEDULER: &str = "~scheduler@1.0";
const PROCESS: &str = "~process@1.0";

/// A process that a path names, or none where it names the device alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedProcess {
    /// The process.
    pub process: Option<ProcessId>,
}

/// The id of a process that a query names.
#[derive(Clone, Copy, Debug)]
pub struct NamedId(Id);

impl NamedProcess {
    /// The one that the path and these parameters name, each of which may name none.
    ///
    /// # Errors
    /// When they name two.
    pub fn with(self, target: Option<NamedId>, process_id: Option<NamedId>) -> Result<Self, HttpError> {
        let given = [target, process_id].into_iter().flatten().map(|named| ProcessId::from(named.0));
        let mut named = self.process.into_iter().chain(given);
        let process = named.next();
        match named.find(|other| Some(*other) != process) {
            None => Ok(Self { process }),
            Some(other) => {
                let one = process.unwrap_or(other);
                let text = format!(
                    "the call names two processes, {one} and {other}: expected one in its path and parameters"
                );
                Err(HttpError::new(Code::InvalidParameter, text))
            }
        }
    }

    /// The process.
    ///
    /// # Errors
    /// When none is named.
    pub fn needed(self) -> Result<ProcessId, HttpError> {
        let text = "the parameter target is missing: the call needs the process to read";
        self.process.ok_or_else(|| HttpError::new(Code::InvalidParameter, text))
    }
}

impl Parameter for NamedProcess {
    fn schema() -> MetaSchema {
        MetaSchema {
            example: Some(json!("N3to2IOtL2CSIK9XluQ3P6Mx-A2j-nd6qqcvYkoKbsI")),
            ..MetaSchema::new("string")
        }
    }

    fn read(text: &str) -> Result<Self, String> {
        if text == SCHEDULER {
            return Ok(Self { process: None });
        }
        let id: Option<Id> = text.strip_suffix(PROCESS).unwrap_or(text).parse().ok();
        let what = "the id of a process, with ~process@1.0 or without, or ~scheduler@1.0";
        id.map(|id| Self { process: Some(id.into()) }).ok_or_else(|| expected(what, text))
    }
}

impl Parameter for NamedId {
    const IS_ONE: bool = true;

    fn schema() -> MetaSchema {
        Id::schema()
    }

    fn read(text: &str) -> Result<Self, String> {
        // A path: `/P` and `P~process@1.0` are P.
        let id = text.strip_prefix('/').unwrap_or(text);
        Id::read(id.strip_suffix(PROCESS).unwrap_or(id)).map(Self)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn a_process_has_three_names() {
        let id = Id::from_bytes([7; 32]);
        let named = |text: &str| NamedProcess::read(text).map(|named| named.process);
        assert_eq!(named(&id.to_string()), Ok(Some(id.into())));
        assert_eq!(named(&format!("{id}~process@1.0")), Ok(Some(id.into())));
        assert_eq!(named("~scheduler@1.0"), Ok(None));
        for wrong in ["", "~process@1.0", "~relay@1.0", &format!("{id}~other@1.0"), &format!("{id}x")] {
            assert!(named(wrong).unwrap_err().starts_with("expected the id of a process"), "{wrong}");
        }
        let queried = |text: &str| NamedId::read(text).ok().map(|named| named.0);
        for text in [format!("{id}"), format!("/{id}"), format!("{id}~process@1.0")] {
            assert_eq!(queried(&text), Some(id), "{text}");
        }
        assert_eq!(queried("~scheduler@1.0"), None);
    }

    #[test]
    fn a_call_is_for_one_process_however_often_it_names_it() {
        let ids = [7, 8].map(|byte| Id::from_bytes([byte; 32]));
        let [one, other] = ids.map(|id| Some(NamedId(id)));
        let path = |id: Option<Id>| NamedProcess { process: id.map(ProcessId::from) };
        let of = |path: NamedProcess, target, process_id| path.with(target, process_id)?.needed();
        let [first, second] = ids;
        for (found, expected) in [
            (of(path(Some(first)), None, None), first),
            (of(path(Some(first)), one, one), first),
            (of(path(None), other, None), second),
            (of(path(None), None, other), second),
        ] {
            assert_eq!(found.unwrap(), expected.into());
        }
        assert!(of(path(None), None, None).unwrap_err().to_string().contains("target is missing"));
        for found in [
            of(path(Some(first)), other, None),
            of(path(Some(first)), None, other),
            of(path(None), one, other),
            of(path(Some(first)), one, other),
        ] {
            let told = found.unwrap_err().to_string();
            assert!(told.contains(&format!("two processes, {first} and {second}")), "{told}");
        }
    }
}
