//! Processes that are on their way here, and that nothing brings.

use std::time::{Duration, UNIX_EPOCH};

use super::history::CheckLevel;
use super::rules::Found;
use crate::moving::OpenMoveForm;

/// So many are named.
const NAMED_MAX: usize = 3;

/// Whoever asks for one of them is told to come again, at each node once it was ended where it comes from.
pub(super) fn moves(open: &[OpenMoveForm]) -> Found {
    let standing: Vec<_> = open.iter().filter(|process| !process.running).collect();
    if standing.is_empty() {
        return match open.len() {
            0 => (CheckLevel::Ok, "no process is on its way here".to_owned()),
            count => {
                (CheckLevel::Ok, format!("processes on their way here: {count}, and all are being brought"))
            }
        };
    }
    let mut named: Vec<String> = standing.iter().take(NAMED_MAX).map(|process| name(process)).collect();
    if let more @ 1.. = standing.len().saturating_sub(NAMED_MAX) {
        named.push(format!("and {more} more, which GET /moves lists"));
    }
    let text = format!(
        "processes on their way here that nothing brings: {}; nobody may be served of them anywhere. `quipu move PROCESS --to URL` goes \
         on with it, `quipu move PROCESS --to URL --stay URL` ends it here where it was not ended there yet",
        named.join("; ")
    );
    (CheckLevel::Fail, text)
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
        assert_eq!(moves(&[]).0, CheckLevel::Ok);
        assert_eq!(moves(&[open("one", true)]).0, CheckLevel::Ok);
        let (level, reason) = moves(&[open("one", true), open("two", false)]);
        assert_eq!(level, CheckLevel::Fail);
        let told = "two from the store the-store since 2023-11-14T22:13:20Z (it cannot be reached)";
        assert!(reason.contains(told) && reason.contains("quipu move PROCESS --to URL"), "{reason}");
        assert!(!reason.contains("one"), "{reason}");
        let many: Vec<_> = (0..9).map(|number| open(&number.to_string(), false)).collect();
        assert!(moves(&many).1.contains("and 6 more"), "{}", moves(&many).1);
    }
}
