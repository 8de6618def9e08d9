//! Processes that are on their way here or from here, and that nothing brings.

use std::time::{Duration, UNIX_EPOCH};

use super::history::CheckLevel;
use super::rules::Found;
use crate::moving::{LeftProcessForm, OpenMoveForm, OpenMovesForm};

/// So many are named.
const NAMED_MAX: usize = 3;

/// Whoever asks for one of them is told to come again, at each node once it was ended where it comes from.
pub(super) fn moves(open: &OpenMovesForm) -> Found {
    let standing: Vec<_> = open.moves.iter().filter(|process| !process.running).collect();
    let (ended, copied): (Vec<_>, Vec<_>) = open.left.iter().partition(|left| left.ended);
    let mut found: Vec<Found> = Vec::new();
    if !standing.is_empty() {
        let named = named(standing.iter().map(|process| name(process)));
        let text = format!(
            "processes on their way here that nothing brings: {named}; nobody may be served of them anywhere. `quipu move PROCESS --to \
             URL` goes on with it, `quipu move PROCESS --to URL --stay URL` ends it here where it was not ended there yet"
        );
        found.push((CheckLevel::Fail, text));
    }
    let (told, silent): (Vec<_>, Vec<_>) = ended.into_iter().partition(|left| left.told);
    if !told.is_empty() {
        let text = format!(
            "processes that were ended here and have not come to where they went: {}; nobody is served of them anywhere. `quipu \
             move PROCESS --to URL`, with the URL that is named, goes on with it; should the store there be lost for good, and \
             never have had all of it, `quipu move PROCESS --back STORE` takes it back",
            named(told.iter().map(|left| leaving(left)))
        );
        found.push((CheckLevel::Fail, text));
    }
    if !silent.is_empty() {
        let text = format!(
            "processes that were ended here, of which nobody says whether they have come to where they went: {}. What has come \
             there, or has moved on since, needs nothing",
            named(silent.iter().map(|left| leaving(left)))
        );
        found.push((CheckLevel::Warn, text));
    }
    if !copied.is_empty() {
        let text = format!(
            "processes that a node copied from here and does not go on with: {}; they are here as before. `quipu move PROCESS --to \
             URL` goes on with it, `quipu move PROCESS --to URL --stay URL` ends it where it was to go",
            named(copied.iter().map(|left| leaving(left)))
        );
        found.push((CheckLevel::Warn, text));
    }
    if let Some(level) = found.iter().map(|(level, _)| *level).max() {
        let texts: Vec<String> = found.into_iter().map(|(_, text)| text).collect();
        return (level, texts.join(". And "));
    }
    match open.moves.len() {
        0 => (CheckLevel::Ok, "no process is on its way here, nor from here".to_owned()),
        count => (CheckLevel::Ok, format!("processes on their way here: {count}, and all are being brought")),
    }
}

fn named(names: impl Iterator<Item = String>) -> String {
    let mut all: Vec<String> = names.collect();
    let more = all.len().saturating_sub(NAMED_MAX);
    all.truncate(NAMED_MAX);
    if more > 0 {
        all.push(format!("and {more} more, which GET /moves lists"));
    }
    all.join("; ")
}

fn leaving(left: &LeftProcessForm) -> String {
    let LeftProcessForm { process, to, url, reason, .. } = left;
    match (&to.0, &url.0) {
        (Some(to), Some(url)) => format!("{process} to the store {to} at {url} ({reason})"),
        _ => format!("{process} ({reason})"),
    }
}

fn name(open: &OpenMoveForm) -> String {
    let since = |ms: u64| UNIX_EPOCH.checked_add(Duration::from_millis(ms));
    let since = open
        .since
        .0
        .and_then(since)
        .map_or(String::new(), |at| format!(" since {}", humantime::format_rfc3339_seconds(at)));
    let reason = open.reason.0.as_deref().map_or(String::new(), |reason| format!(" ({reason})"));
    format!("{} from the store {}{since}{reason}", open.process, open.from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(moves: Vec<OpenMoveForm>, left: Vec<LeftProcessForm>) -> Found {
        super::moves(&OpenMovesForm { moves, left })
    }

    #[test]
    fn a_process_that_nothing_brings_is_told_with_what_ends_that() {
        let open = |process: &str, running| OpenMoveForm {
            process: process.to_owned(),
            version: 1,
            from: "the-store".to_owned(),
            since: Some(1_700_000_000_000).into(),
            running,
            reason: Some("it cannot be reached".to_owned()).into(),
        };
        assert_eq!(check(vec![], vec![]).0, CheckLevel::Ok);
        assert_eq!(check(vec![open("one", true)], vec![]).0, CheckLevel::Ok);
        let (level, reason) = check(vec![open("one", true), open("two", false)], vec![]);
        assert_eq!(level, CheckLevel::Fail);
        let told = "two from the store the-store since 2023-11-14T22:13:20Z (it cannot be reached)";
        assert!(reason.contains(told) && reason.contains("quipu move PROCESS --to URL"), "{reason}");
        assert!(!reason.contains("one"), "{reason}");
        let many = (0..9).map(|number| open(&number.to_string(), false)).collect();
        let (_, reason) = check(many, vec![]);
        assert!(reason.contains("and 6 more"), "{reason}");
    }

    #[test]
    fn a_process_that_went_and_did_not_come_is_told_where_it_went_from() {
        let left = |process: &str, ended: bool, told| LeftProcessForm {
            process: process.to_owned(),
            ended,
            to: ended.then(|| "the-store".to_owned()).into(),
            url: ended.then(|| "http://su2:1".to_owned()).into(),
            reason: "it says why".to_owned(),
            told,
        };
        let (level, reason) = check(vec![], vec![left("one", true, true), left("two", false, true)]);
        assert_eq!(level, CheckLevel::Fail);
        let told = "one to the store the-store at http://su2:1 (it says why)";
        assert!(reason.contains(told) && reason.contains("--back STORE"), "{reason}");
        assert!(reason.contains("two (it says why)") && reason.contains("--stay URL"), "{reason}");
        // Nobody knows that it has not come, or nothing is lost by that.
        for only in [left("one", true, false), left("two", false, true)] {
            assert_eq!(check(vec![], vec![only]).0, CheckLevel::Warn);
        }
    }
}
