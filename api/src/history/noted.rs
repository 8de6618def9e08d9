//! What a node notes of itself, and how much of it is kept.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// How many of one subject are kept: those of a check that goes to and fro push out nothing but each other.
const OF_ONE_MAX: usize = 100;
/// How many subjects there may be; checks have fixed names.
const SUBJECTS_MAX: usize = 40;
/// How much of a text is kept, in characters.
const TEXT_MAX: usize = 300;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Noted {
    /// When, in milliseconds since 1970.
    pub(crate) at_ms: u64,
    pub(crate) kind: NotedKind,
    /// The name of the check, or nothing.
    pub(crate) about: String,
    /// What happened, in words.
    pub(crate) text: String,
}

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NotedKind {
    /// The node started.
    Started,
    /// The node ended in order.
    Stopped,
    /// It does something else than before, or in another term.
    Role,
    /// A check has another result.
    Check,
}

impl Noted {
    pub(super) fn now(at_ms: u64, kind: NotedKind, about: &str, text: &str) -> Self {
        let text = text.chars().take(TEXT_MAX).collect();
        Self { at_ms, kind, about: about.to_owned(), text }
    }

    /// Whether the node began to do something then.
    pub(super) fn begins(&self) -> bool {
        matches!(self.kind, NotedKind::Started | NotedKind::Role)
    }
}

impl NotedKind {
    /// The word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Stopped => "stopped",
            Self::Role => "role",
            Self::Check => "check",
        }
    }
}

/// What is noted, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct NotedList {
    all: VecDeque<Noted>,
    /// Whether there is something that is not in the file.
    is_fresh: bool,
}

impl NotedList {
    /// Puts in front what an earlier run has noted.
    pub(super) fn begin(&mut self, kept: Vec<Noted>) {
        let since = std::mem::take(&mut self.all);
        for noted in kept.into_iter().chain(since) {
            self.push(noted);
        }
    }

    pub(super) fn push(&mut self, noted: Noted) {
        let is_same = |other: &&Noted| other.kind == noted.kind && other.about == noted.about;
        if self.all.iter().filter(is_same).count() >= OF_ONE_MAX
            && let Some(oldest) = self.all.iter().position(|other| is_same(&other))
        {
            self.all.remove(oldest);
        }
        if self.all.len() >= OF_ONE_MAX * SUBJECTS_MAX {
            self.all.pop_front();
        }
        self.all.push_back(noted);
        self.is_fresh = true;
    }

    pub(super) fn last_of(&self, kind: NotedKind) -> Option<&str> {
        self.all.iter().rev().find(|noted| noted.kind == kind).map(|noted| noted.text.as_str())
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Noted> {
        self.all.iter()
    }

    /// All of it, if something is not in the file; from then on it counts as written.
    pub(super) fn take_unwritten(&mut self) -> Option<Vec<Noted>> {
        std::mem::take(&mut self.is_fresh).then(|| self.all.iter().cloned().collect())
    }

    pub(super) fn not_written(&mut self) {
        self.is_fresh = true;
    }
}

/// What is to be said of the run before, if it did not end in order.
pub(super) fn how_it_ended(kept: &[Noted]) -> &'static str {
    let is_end = |noted: &&Noted| matches!(noted.kind, NotedKind::Started | NotedKind::Stopped);
    match kept.iter().rev().find(is_end).map(|noted| noted.kind) {
        Some(NotedKind::Started) => "; the run before did not end in order",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    fn noted(at_ms: u64, kind: NotedKind, about: &str) -> Noted {
        Noted::now(at_ms, kind, about, "as told")
    }

    #[test]
    fn what_goes_to_and_fro_pushes_out_nothing_else() {
        let mut list = NotedList::default();
        list.push(noted(1, NotedKind::Started, ""));
        list.push(noted(2, NotedKind::Check, "log"));
        for at in 3..10_000 {
            list.push(noted(at, NotedKind::Check, "disk"));
        }
        assert_eq!(list.all().count(), OF_ONE_MAX + 2);
        let first: Vec<_> = list.all().take(3).map(|noted| noted.at_ms).collect();
        assert_eq!(first, [1, 2, 10_000 - OF_ONE_MAX as u64]);
        for name in 0..1_000 {
            list.push(noted(10_000, NotedKind::Check, &name.to_string()));
            (0..10).for_each(|_| list.push(noted(10_000, NotedKind::Check, &name.to_string())));
        }
        assert_eq!(list.all().count(), OF_ONE_MAX * SUBJECTS_MAX);
        let long = Noted::now(1, NotedKind::Check, "disk", &"x".repeat(10_000));
        assert_eq!(long.text.len(), TEXT_MAX);
    }

    #[test]
    fn it_is_written_once() {
        let mut list = NotedList::default();
        list.push(noted(2, NotedKind::Check, "log"));
        list.begin(vec![noted(1, NotedKind::Started, "")]);
        let written: Vec<_> = list.take_unwritten().unwrap().iter().map(|noted| noted.at_ms).collect();
        assert_eq!(written, [1, 2]);
        assert!(list.take_unwritten().is_none());
        list.not_written();
        assert!(list.take_unwritten().is_some());
    }

    #[test]
    fn a_run_that_did_not_end_in_order_is_told() {
        let [start, stop] = [NotedKind::Started, NotedKind::Stopped].map(|kind| noted(1, kind, ""));
        let check = noted(1, NotedKind::Check, "log");
        assert_eq!(how_it_ended(&[]), "");
        assert_eq!(how_it_ended(&[start.clone(), stop, check.clone()]), "");
        assert!(how_it_ended(&[start, check]).contains("did not end in order"));
    }
}
