//! What was compared, in a file: a comparison that was broken off goes on from there. Its first line says which two were
//! compared, so that it does not go on with others.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use protocol::ProcessId;
use serde::{Deserialize, Serialize};

use super::CompareError;
use super::departures::Meant;
use super::differences::AnswerDifference;

/// What was found in a part of a process.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub(super) struct ComparedPart {
    /// The nonce that it goes up to; one that was there when it was compared.
    pub(super) upto: u64,
    pub(super) answers: u64,
    pub(super) found: Vec<AnswerDifference>,
    /// How many more there are, which are only counted.
    pub(super) counted: Vec<(Option<Meant>, u64)>,
    /// The assignments with which the process was spawned, each with the place of who shows it.
    pub(super) spawns: Vec<(usize, String)>,
}

/// Which two are compared.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct ComparedPair {
    pub(super) first: String,
    pub(super) second: String,
}

/// A line of the file.
#[derive(Debug, Deserialize, Serialize)]
struct Line {
    process: ProcessId,
    #[serde(flatten)]
    part: ComparedPart,
}

/// What is kept, and what was kept before.
#[derive(Default)]
pub(super) struct ComparisonState {
    file: Option<(PathBuf, File)>,
    parts: BTreeMap<ProcessId, Vec<ComparedPart>>,
}

impl ComparisonState {
    /// Reads the file, which is made when there is none; without one nothing is kept.
    pub(super) fn open(path: Option<&Path>, pair: &ComparedPair) -> Result<Self, CompareError> {
        let Some(path) = path else { return Ok(Self::default()) };
        let failed = |error| CompareError::State { path: path.to_owned(), error };
        let file = OpenOptions::new().read(true).append(true).create(true).open(path);
        let mut file = file.map_err(failed)?;
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(failed)?;
        let mut lines = text.lines();
        match lines.next().map(|line| (serde_json::from_str::<ComparedPair>(line), text.ends_with('\n'))) {
            Some((Ok(found), _)) if found == *pair => {}
            Some((Ok(ComparedPair { first, second }), _)) => {
                return Err(CompareError::OtherPair { path: path.to_owned(), first, second });
            }
            // A kill broke off the very first line.
            Some((Err(_), false)) if text.lines().count() == 1 && text.starts_with("{\"first\"") => {
                file.set_len(0).map_err(failed)?;
                write_pair(&mut file, pair).map_err(failed)?;
            }
            Some((Err(_), _)) => return Err(CompareError::NoState(path.to_owned())),
            None => write_pair(&mut file, pair).map_err(failed)?,
        }
        if !text.is_empty() && !text.ends_with('\n') {
            // A line that a kill broke off is compared again.
            writeln!(file).map_err(failed)?;
        }
        let mut state = Self { file: Some((path.to_owned(), file)), ..Self::default() };
        for line in lines.filter_map(|line| serde_json::from_str::<Line>(line).ok()) {
            state.parts.entry(line.process).or_default().push(line.part);
        }
        Ok(state)
    }

    /// What was found in the parts of a process that are done.
    pub(super) fn parts(&mut self, process: ProcessId) -> Vec<ComparedPart> {
        self.parts.remove(&process).unwrap_or_default()
    }

    /// Keeps a part.
    pub(super) fn keep_part(&mut self, process: ProcessId, part: &ComparedPart) -> Result<(), CompareError> {
        let Some((path, file)) = &mut self.file else { return Ok(()) };
        let failed = |error| CompareError::State { path: path.clone(), error };
        let line = Line { process, part: part.clone() };
        let line = serde_json::to_string(&line).map_err(|error| failed(error.into()))?;
        file.write_all(format!("{line}\n").as_bytes()).map_err(failed)
    }
}

fn write_pair(file: &mut File, pair: &ComparedPair) -> std::io::Result<()> {
    let line = serde_json::to_string(pair)?;
    file.write_all(format!("{line}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;
    use crate::compare::differences::AskedId;

    #[test]
    fn what_was_broken_off_goes_on_and_a_broken_line_spoils_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.jsonl");
        let pair = |second: &str| ComparedPair { first: "http://x".to_owned(), second: second.to_owned() };
        let process = |byte| ProcessId::from(ans104::Id::from_bytes([byte; 32]));
        let found = AnswerDifference {
            path: "/x".to_owned(),
            at: ".a".to_owned(),
            first: json!({ "b": [1] }),
            second: json!(null),
            is_no_text: false,
            asked: AskedId::default(),
        };
        let part = |upto, found| ComparedPart {
            upto,
            answers: 5,
            found,
            counted: vec![(None, 7)],
            spawns: vec![(1, "s".to_owned())],
        };
        let parts = [part(99, vec![found]), part(199, Vec::new())];
        let mut state = ComparisonState::open(Some(&path), &pair("a")).unwrap();
        state.keep_part(process(1), &parts[0]).unwrap();
        state.keep_part(process(2), &parts[1]).unwrap();
        std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"proc").unwrap();
        let mut state = ComparisonState::open(Some(&path), &pair("a")).unwrap();
        state.keep_part(process(1), &parts[1]).unwrap();
        let mut state = ComparisonState::open(Some(&path), &pair("a")).unwrap();
        assert_eq!((state.parts(process(2)), state.parts(process(3))), (parts[1..].to_vec(), Vec::new()));
        assert_eq!(state.parts(process(1)), parts);
        // Others are not gone on with, and what is no record of a comparison stays as it is.
        let other = ComparisonState::open(Some(&path), &pair("b"));
        assert!(matches!(other, Err(CompareError::OtherPair { second, .. }) if second == "a"));
        for (text, is_begun) in [("{\"first\":\"htt", true), ("a note", false), ("{}\n", false)] {
            std::fs::write(&path, text).unwrap();
            let opened = ComparisonState::open(Some(&path), &pair("a"));
            assert_eq!(opened.is_ok(), is_begun, "{text}");
            assert_eq!(std::fs::read_to_string(&path).unwrap() == text, !is_begun, "{text}");
        }
        assert!(ComparisonState::open(Some(&folder.path().join("new")), &pair("a")).is_ok());
    }
}
