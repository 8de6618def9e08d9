//! What may differ between the existing scheduler, which is asked first, and a node here, and why.

use std::collections::BTreeSet;

use protocol::ProcessId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::differences::{AnswerDifference, AskedId, ENTRY, PAGE};

/// A difference that is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
pub(super) enum Meant {
    /// It is found here.
    Found,
    /// Neither has it.
    Refused,
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
                "found here alone: with a database the existing scheduler does not find the earliest assignments, and those \
                 of processes, by their ids, and a local store has no list of a process that was never spawned"
            }
            Self::Refused => {
                "neither has it: the existing scheduler answers 400 to whatever fails, here it is 404"
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
}

/// What has to be known of a process to tell what is meant.
pub(super) struct ComparedHistory {
    process: String,
    /// The assignments of its spawn that the second has, if these are more than the first shows, which shows one.
    respawns: BTreeSet<String>,
    /// Whether neither knows its spawn.
    is_unspawned: bool,
    /// Whether its spawn has no assignment.
    is_unassigned: bool,
}

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked<'a> {
    Process,
    Latest,
    Page,
    Id(&'a str),
}

impl ComparedHistory {
    /// Of a process, with the assignments of its spawn, each with 0 where the first shows it and 1 where the second does.
    pub(super) fn new(process: ProcessId, spawns: &BTreeSet<(usize, String)>, is_unspawned: bool) -> Self {
        let of = |side| -> BTreeSet<String> {
            spawns.iter().filter(|(shown, _)| *shown == side).map(|(_, id)| id.clone()).collect()
        };
        let (first, second) = (of(0), of(1));
        // Other spawns than the first has are another history.
        let is_respawned = first.len() == 1 && second.len() > 1 && first.is_subset(&second);
        let respawns = if is_respawned { second } else { BTreeSet::new() };
        Self { process: process.to_string(), respawns, is_unspawned, is_unassigned: spawns.is_empty() }
    }

    /// Why a difference is meant, if it is.
    pub(super) fn meant(&self, difference: &AnswerDifference) -> Option<Meant> {
        let AnswerDifference { at, first, second, asked: of, .. } = difference;
        let asked = self.asked(&difference.path);
        let is_shown_here = first.is_null() && second.is_string();
        let is_data_lost = is_shown_here && (difference.is_no_text || self.is_unassigned);
        match (asked, at.as_str()) {
            (_, "") if first.is_u64() && second.is_u64() => self.of_status(asked, difference),
            (Asked::Id(_), ".message.anchor") if of.is_early && is_shown_here => Some(Meant::Anchor),
            (Asked::Process, ".data") if is_data_lost => Some(Meant::Data),
            (_, at) if of.is_spawn && is_data_lost && at.ends_with(".message.data") => Some(Meant::Data),
            (Asked::Id(_), "") if of.is_spawn && first == PAGE && second == ENTRY => Some(Meant::ProcessList),
            _ => self.is_of_respawn(asked, difference).then_some(Meant::Respawn),
        }
    }

    /// Whether the process was spawned more than once.
    pub(super) fn is_respawned(&self) -> bool {
        !self.respawns.is_empty()
    }

    /// One of them refuses, or both.
    fn of_status(&self, asked: Asked<'_>, difference: &AnswerDifference) -> Option<Meant> {
        match (difference.first.as_u64()?, difference.second.as_u64()?, asked) {
            (400 | 404, 200..300, Asked::Id(_)) => difference.asked.is_listed.then_some(Meant::Found),
            (400 | 404, 200..300, Asked::Page) => self.is_unspawned.then_some(Meant::Found),
            (400, 404, Asked::Process | Asked::Latest | Asked::Page) => Some(Meant::Refused),
            _ => None,
        }
    }

    fn is_of_respawn(&self, asked: Asked<'_>, difference: &AnswerDifference) -> bool {
        let AnswerDifference { at, first, second, .. } = difference;
        if self.respawns.is_empty() {
            return false;
        }
        let is_spawn = |entry: &Value| {
            let id = entry.get("assignment").and_then(Value::as_str);
            entry.get("message").is_some_and(|message| *message == self.process)
                && id.is_some_and(|id| self.respawns.contains(id))
        };
        match asked {
            // The item is the same: its record alone is of another spawn.
            Asked::Process => matches!(at.as_str(), ".block" | ".timestamp"),
            Asked::Latest => is_spawn(second),
            Asked::Page => match (first.is_null(), second.is_null()) {
                (true, _) => is_spawn(second),
                (_, true) => is_spawn(first),
                _ => is_spawn(first) && is_spawn(second),
            },
            Asked::Id(id) => {
                self.respawns.contains(id)
                    && (at.starts_with(".assignment") || is_spawn(first) && is_spawn(second))
            }
        }
    }

    fn asked<'p>(&self, path: &'p str) -> Asked<'p> {
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        let name = path.strip_prefix('/').unwrap_or(path);
        match name.strip_suffix("/latest") {
            _ if name.starts_with("processes/") => Asked::Process,
            Some(_) => Asked::Latest,
            None if name == self.process => Asked::Page,
            None => Asked::Id(name),
        }
    }
}

impl AskedId {
    /// What the assignment of an entry is asked for as; `is_of_first` when the first shows it in a list. It may not find
    /// assignments of processes by their ids, and those that are the item around their message.
    pub(super) fn of(node: &Value, process: &str, is_of_first: bool) -> Self {
        let is_spawn = node.pointer("/message/id").is_some_and(|id| id == process);
        let tags = node.pointer("/assignment/tags").and_then(Value::as_array);
        let is_around = |tag: &Value| tag.get("name").is_some_and(|name| name == "Bundle-Format");
        let is_early = tags.is_some_and(|tags| tags.iter().any(is_around));
        Self { is_spawn, is_early, is_listed: is_of_first && (is_spawn || is_early) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn process() -> ProcessId {
        ans104::Id::from_bytes([7; 32]).into()
    }

    fn history(spawns: &[(usize, &str)], is_unspawned: bool) -> ComparedHistory {
        let spawns = spawns.iter().map(|(side, id)| (*side, (*id).to_owned())).collect();
        ComparedHistory::new(process(), &spawns, is_unspawned)
    }

    fn difference(path: &str, at: &str, first: Value, second: Value) -> AnswerDifference {
        let asked = AskedId::default();
        AnswerDifference { path: path.into(), at: at.into(), first, second, is_no_text: false, asked }
    }

    #[test]
    fn what_is_lost_or_changed_is_never_meant() {
        let usual = history(&[(0, "s"), (1, "s")], false);
        let check = |path: &str, at: &str, first: Value, second: Value, expected| {
            let difference = difference(path, at, first, second);
            assert_eq!(usual.meant(&difference), expected, "{difference:?}");
        };
        check("/x", "", json!(200), json!(404), None);
        check("/x", ".message.anchor", json!(null), json!("a"), None);
        check("/x", ".message.data", json!(null), json!("d"), None);
        check("/processes/x", ".data", json!(null), json!("d"), None);
        check("/processes/x", ".data", json!("c"), json!("d"), None);
        check("/processes/x", ".block", json!("1"), json!("2"), None);
        check("/processes/x", "", json!(400), json!(404), Some(Meant::Refused));
        check("/processes/x", "", json!(404), json!(400), None);
        check("/processes/x", "", json!(401), json!(404), None);
        check("/x", "", json!(400), json!(404), None);
        check("/x", "", json!(PAGE), json!(ENTRY), None);
        check("/s", "", json!(ENTRY), json!(PAGE), None);
        let own = process();
        let page = format!("/{own}?process-id={own}");
        let of = |path: &str, at: &str, first: Value, asked: AskedId| {
            usual.meant(&AnswerDifference { asked, ..difference(path, at, first, json!("a")) })
        };
        let early = AskedId { is_early: true, ..AskedId::default() };
        let spawn = AskedId { is_spawn: true, ..AskedId::default() };
        assert_eq!(of("/x", ".message.anchor", json!(null), early), Some(Meant::Anchor));
        assert_eq!(of("/x", ".message.anchor", json!("b"), early), None);
        // Lists have it right.
        assert_eq!(of(&page, ".edges[1].node.message.anchor", json!(null), early), None);
        assert_eq!(of(&page, ".edges[0].node.message.data", json!(null), spawn), None);
        assert_eq!(of(&page, ".edges[1].node.message.data", json!(null), early), None);
        let list = difference("/s", "", json!(PAGE), json!(ENTRY));
        let asked = AskedId { is_spawn: true, is_listed: true, is_early: false };
        assert_eq!(usual.meant(&AnswerDifference { asked, ..list }), Some(Meant::ProcessList));
    }

    #[test]
    fn data_of_a_process_is_lost_where_it_is_no_text_or_has_no_assignment() {
        let (usual, unassigned) = (history(&[(0, "s"), (1, "s")], false), history(&[], false));
        let own = process();
        let spawn = AskedId { is_spawn: true, ..AskedId::default() };
        for (path, at) in [
            (format!("/processes/{own}"), ".data"),
            (format!("/{own}?process-id={own}"), ".edges[0].node.message.data"),
            (format!("/s?process-id={own}"), ".message.data"),
        ] {
            let lost = AnswerDifference { asked: spawn, ..difference(&path, at, json!(null), json!("d")) };
            assert_eq!(usual.meant(&lost), None, "{path}");
            assert_eq!(unassigned.meant(&lost), Some(Meant::Data), "{path}");
            let no_text = AnswerDifference { is_no_text: true, ..lost };
            assert_eq!(usual.meant(&no_text), Some(Meant::Data), "{path}");
            let of_message = AnswerDifference { asked: AskedId::default(), ..no_text };
            assert_eq!(usual.meant(&of_message).is_some(), path.starts_with("/processes"), "{path}");
        }
    }

    #[test]
    fn what_the_first_lacks_is_meant_only_where_the_existing_scheduler_loses_it() {
        let (own, usual, unspawned) = (process(), history(&[], false), history(&[], true));
        let (page, id) = (format!("/{own}?process-id={own}&limit=9"), format!("/x?process-id={own}"));
        let lacks = |path: &str| difference(path, "", json!(400), json!(200));
        for path in [&page, &id, &format!("/processes/{own}"), &format!("/{own}/latest?process-id={own}")] {
            assert_eq!(usual.meant(&lacks(path)), None, "{path}");
            let expected = (path == &page).then_some(Meant::Found);
            assert_eq!(unspawned.meant(&lacks(path)), expected, "{path}");
        }
        let listed =
            AnswerDifference { asked: AskedId { is_listed: true, ..AskedId::default() }, ..lacks(&id) };
        assert_eq!(usual.meant(&listed), Some(Meant::Found));
        let entry = |message: &str, tag: &str| json!({ "message": { "id": message }, "assignment": { "tags": [{ "name": tag }] } });
        let is_listed = |message: &str, tag: &str| AskedId::of(&entry(message, tag), "p", true).is_listed;
        let found = [is_listed("m", "Bundle-Format"), is_listed("p", "Nonce"), is_listed("m", "Nonce")];
        assert_eq!(found, [true, true, false]);
        let of_second = AskedId { is_spawn: true, is_listed: false, is_early: true };
        assert_eq!(AskedId::of(&entry("p", "Bundle-Format"), "p", false), of_second);
    }

    #[test]
    fn a_respawn_is_one_of_the_same_history_and_only_its_spawns_differ() {
        let own = process();
        let (page, newest) = (format!("/{own}?process-id={own}"), format!("/{own}/latest?process-id={own}"));
        let spawn = |id: &str| json!({ "message": own.to_string(), "assignment": id });
        let message = json!({ "message": "m", "assignment": "a" });
        let of_spawns = [
            difference(&format!("/processes/{own}"), ".block", json!("1"), json!("2")),
            difference(&page, ".edges[0]", json!(null), spawn("s")),
            difference(&newest, "", message.clone(), spawn("t")),
            difference(&format!("/s?process-id={own}"), ".assignment.id", json!("t"), json!("s")),
        ];
        let of_others = [
            difference(&format!("/processes/{own}"), "", json!(404), json!(200)),
            difference(&page, ".edges[4]", json!(null), message.clone()),
            difference(&page, ".edges[4].node", message.clone(), spawn("s")),
            difference(&page, ".edges[4].node.message.data", json!("1"), json!("2")),
            difference(&newest, "", spawn("t"), message.clone()),
            difference(&format!("/a?process-id={own}"), ".assignment.id", json!("1"), json!("2")),
        ];
        let respawned = history(&[(0, "t"), (1, "s"), (1, "t")], false);
        of_spawns
            .iter()
            .for_each(|found| assert_eq!(respawned.meant(found), Some(Meant::Respawn), "{found:?}"));
        of_others.iter().for_each(|found| assert_eq!(respawned.meant(found), None, "{found:?}"));
        // Two that spawned it each for itself.
        for other in [history(&[(0, "s"), (1, "t")], false), history(&[(0, "u"), (1, "s"), (1, "t")], false)]
        {
            for found in of_spawns.iter().chain(&of_others) {
                assert_eq!(other.meant(found), None, "{found:?}");
            }
        }
    }
}
