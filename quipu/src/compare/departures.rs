//! What may differ between the existing scheduler, which is asked first, and a node here, and why.

use serde_json::Value;

use super::differences::{AnswerDifference, ENTRY, PAGE};

/// A difference that is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Meant {
    /// It is found here.
    Found,
    /// An anchor is shown here.
    Anchor,
    /// Data is shown here.
    Data,
    /// A process that was spawned twice.
    Respawn,
    /// The assignment of a process, asked for by its id.
    ProcessList,
}

impl Meant {
    /// Why it differs.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Found => {
                "found here alone: with a database the existing scheduler does not find the earliest assignments by their \
                 ids, and a local store has no list of a process that was never spawned"
            }
            Self::Anchor => {
                "an anchor is shown here alone: the existing scheduler looks for those of the earliest messages in the wrong \
                 place when they are read by id"
            }
            Self::Data => {
                "data is shown here alone: the existing scheduler has none for processes whose data is no text, or that have \
                 no assignment"
            }
            Self::Respawn => {
                "a process that was spawned twice: the existing scheduler shows the spawn that sorts first as the process, here \
                 it is the first one"
            }
            Self::ProcessList => {
                "the assignment of a process asked for by its id: with a local store the existing scheduler lists the process"
            }
        }
    }

    /// Why a difference is meant, if it is.
    pub(super) fn of(difference: &AnswerDifference, is_respawned: bool) -> Option<Self> {
        let AnswerDifference { path, at, first, second } = difference;
        let is_nothing = |value: &Value| value.is_null() || value == "";
        if at.is_empty() && first.as_u64() >= Some(300) && second.as_u64() < Some(300) {
            Some(Self::Found)
        } else if at.ends_with(".message.anchor") && is_nothing(first) && second.is_string() {
            Some(Self::Anchor)
        } else if (at.ends_with("message.data") || (path.starts_with("/processes/") && at == ".data"))
            && first.is_null()
            && second.is_string()
        {
            Some(Self::Data)
        } else if at.is_empty() && first == PAGE && second == ENTRY {
            Some(Self::ProcessList)
        } else {
            is_respawned.then_some(Self::Respawn)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_lost_or_changed_is_never_meant() {
        let check = |path: &str, at: &str, first: Value, second: Value, expected| {
            let difference = AnswerDifference { path: path.into(), at: at.into(), first, second };
            assert_eq!(Meant::of(&difference, false), expected, "{difference:?}");
        };
        check("/x", "", json!(404), json!(200), Some(Meant::Found));
        check("/x", "", json!(200), json!(404), None);
        check("/x", ".message.anchor", json!(null), json!("a"), Some(Meant::Anchor));
        check("/x", ".message.anchor", json!("a"), json!(null), None);
        check("/x", ".edges[1].node.message.data", json!(null), json!("d"), Some(Meant::Data));
        check("/x", ".edges[1].node.message.data", json!("c"), json!("d"), None);
        check("/processes/x", ".data", json!(null), json!("d"), Some(Meant::Data));
        check("/x", "", json!(PAGE), json!(ENTRY), Some(Meant::ProcessList));
        check("/x", "", json!(ENTRY), json!(PAGE), None);
        check("/x", ".edges", json!([1]), json!([1, 2]), None);
    }
}
