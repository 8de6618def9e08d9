//! A status in short: how the node is, what is not ok with since when and what helps, then a line each for log, uploads and
//! followers.

use serde_json::Value;

use super::verdict::{StatusVerdict, checks, writes_refused};
use crate::output::{counted, duration, excerpt, thousands};
use crate::terminal::plain;
use crate::told::{number, text};

/// A number that is older says how old it is, in seconds.
const COUNTED_LATELY: f64 = 5.0;

/// The status, what matters first.
pub fn render(status: &Value) -> String {
    let bad = bad(status);
    let mut lines = vec![verdict(status, &bad, usize::MAX)];
    lines.extend(findings(status, usize::MAX));
    match status.get("schedulers").and_then(Value::as_array) {
        Some(schedulers) => lines.push(router(status, schedulers)),
        None => {
            lines.extend([log(status), uploads(status)]);
            lines.extend(leader(status));
            lines.extend(followers(status));
            lines.extend(gate(status));
        }
    }
    lines.iter().map(|line| format!("{}\n", plain(line))).collect()
}

/// A line for each check that is not ok, the worst first: since when, why in so many characters at most, and which command
/// helps.
pub fn findings(status: &Value, most: usize) -> Vec<String> {
    bad(status).iter().map(|(verdict, check)| finding(*verdict, check, most)).collect()
}

/// What is not ok, the worst first.
fn bad(status: &Value) -> Vec<(StatusVerdict, &Value)> {
    let mut bad: Vec<_> = checks(status).map(|check| (StatusVerdict::of_check(check), check)).collect();
    bad.retain(|(verdict, _)| *verdict != StatusVerdict::Well);
    bad.sort_by_key(|(verdict, _)| std::cmp::Reverse(*verdict));
    bad
}

/// How the node is, in one sentence with at most so many characters of the reason.
pub fn sentence(status: &Value, most: usize) -> String {
    verdict(status, &bad(status), most)
}

fn verdict(status: &Value, bad: &[(StatusVerdict, &Value)], most: usize) -> String {
    let verdict = StatusVerdict::of(status);
    let found = bad.first().map(|(_, check)| {
        format!("{}: {}", excerpt(text(check, "name"), most), excerpt(text(check, "reason"), most))
    });
    let refused = writes_refused(status).map(|reason| excerpt(reason, most));
    let reason = found.or_else(|| refused.map(|reason| format!("no messages are taken: {reason}")));
    let more = match bad.len() {
        0 | 1 => String::new(),
        several => format!(" (and {} more)", several - 1),
    };
    let reason = reason.unwrap_or_else(|| {
        if checks(status).next().is_none() { "it tells no checks" } else { "every check is ok" }.to_owned()
    });
    format!("{}: {reason}{more}", verdict.as_str())
}

fn finding(verdict: StatusVerdict, check: &Value, most: usize) -> String {
    let (name, reason) = (text(check, "name"), text(check, "reason"));
    let since = check.get("age_seconds").and_then(Value::as_f64);
    // Of what was before its start a node knows nothing.
    let is_at_least = check.get("since_start").and_then(Value::as_bool) == Some(true);
    let (least, start) = if is_at_least { ("at least ", ", since the start") } else { ("", "") };
    let since = since.map_or(String::new(), |seconds| format!(", for {least}{}{start}", duration(seconds)));
    let (shown, why) = (excerpt(name, most), excerpt(reason, most));
    format!("  {}  {shown}{since}: {why}; try: {}", verdict.as_str(), helps(name, reason))
}

/// The commands that say more about checks; what to do then is in the runbook, under the check's name.
const HELPS: [(&str, &str); 9] = [
    ("index", "quipu projections"),
    ("postgres", "quipu projections"),
    ("uploads", "quipu projections"),
    ("placing", "quipu router list"),
    ("list", "quipu router list"),
    ("members", "quipu members list"),
    ("moves", "quipu move --help"),
    ("disk", "df -h"),
    ("clock", "timedatectl"),
];
/// What is asked of each scheduler of a router, and of uploads that were refused.
const SCHEDULER: (&str, &str) = ("scheduler ", "quipu router list");
const REFUSED: (&str, &str) = ("dead letters", "quipu dead-letters");
/// What says more about all others.
const OTHERS: &str = "quipu status --all";

fn helps(name: &str, reason: &str) -> &'static str {
    if name == "uploads" && reason.contains(REFUSED.0) {
        return REFUSED.1;
    }
    if name.starts_with(SCHEDULER.0) {
        return SCHEDULER.1;
    }
    HELPS.iter().find(|(check, _)| *check == name).map_or(OTHERS, |(_, help)| help)
}

/// What there is in front of which a router is.
fn router(status: &Value, schedulers: &[Value]) -> String {
    let is = |one: &Value, name: &str| one.get(name).and_then(Value::as_bool) == Some(true);
    let leads = |one: &Value| text(one, "leader") == text(one, "url");
    let count = |test: &dyn Fn(&Value) -> bool| schedulers.iter().filter(|one| test(one)).count() as u64;
    let open = count(&|one| leads(one) && is(one, "reached") && is(one, "open"));
    let read = count(&|one| !leads(one) && is(one, "reached"));
    let away = count(&|one| !is(one, "reached"));
    let processes = number(status, "processes_remembered").unwrap_or(0);
    let processes =
        if processes == 1 { "1 process".to_owned() } else { format!("{} processes", thousands(processes)) };
    format!(
        "router     {} ({open} open, {read} read, {away} away), homes of {processes} in memory",
        counted(schedulers.len() as u64, "scheduler")
    )
}

fn log(status: &Value) -> String {
    let mut parts = vec![text(status, "role").to_owned()];
    // The number of the last event: the first one has 0.
    let events = number(status, "tail").map_or(0, |tail| tail.saturating_add(1));
    parts.push(counted(events, "event"));
    parts.extend(number(status, "term").map(|term| format!("term {term}")));
    let processes = status.get("processes").filter(|processes| !processes.is_null());
    parts.extend(processes.and_then(|processes| {
        let count = match number(processes, "count")? {
            1 => "1 process".to_owned(),
            count => format!("{} processes", thousands(count)),
        };
        // They are counted now and then.
        let age = processes.get("age_seconds").and_then(Value::as_f64).filter(|age| *age >= COUNTED_LATELY);
        Some(age.map_or(count.clone(), |age| format!("{count} {} ago", duration(age))))
    }));
    let height = status.get("height").and_then(|height| number(height, "number"));
    parts.push(
        height.map_or("block height not known".to_owned(), |height| format!("block {}", thousands(height))),
    );
    parts.retain(|part| !part.is_empty());
    format!("log        {}", parts.join(", "))
}

fn uploads(status: &Value) -> String {
    let uploads = status.get("uploads");
    let count = |name| uploads.and_then(|uploads| number(uploads, name));
    match (count("backlog"), count("dead_letters")) {
        (Some(backlog), Some(dead)) => {
            format!(
                "uploads    {} to upload, {} refused for good",
                counted(backlog, "event"),
                thousands(dead)
            )
        }
        _ => "uploads    not in use".to_owned(),
    }
}

fn gate(status: &Value) -> Option<String> {
    let gate = status.get("gate").filter(|gate| !gate.is_null())?;
    let seconds = |name: &str| gate.get(name).and_then(Value::as_f64).map(duration);
    let found = match (text(gate, "reason"), seconds("away_seconds"), seconds("waiting_seconds")) {
        ("", _, None) => "takes what is written".to_owned(),
        ("", _, Some(waiting)) => format!("takes what is written, waiting for {waiting}"),
        (reason, Some(away), _) => format!("has taken nothing for {away}: {reason}"),
        (reason, None, _) => format!("nothing is written there any more: {reason}"),
    };
    Some(format!("gate       {}, {found}", text(gate, "kind")))
}

fn leader(status: &Value) -> Option<String> {
    let leader = status.get("leader").filter(|leader| !leader.is_null())?;
    let behind = number(leader, "lag_events").map_or("lag not known".to_owned(), behind);
    Some(format!("leader     {}, {} {behind}", text(leader, "state"), text(leader, "from")))
}

fn followers(status: &Value) -> Option<String> {
    let followers = status.get("followers")?.as_array()?;
    let one = |follower: &Value| {
        let lag = number(follower, "lag_events").map_or("lag not known".to_owned(), behind);
        format!("{} {lag}", text(follower, "node"))
    };
    let list = followers.iter().map(one).collect::<Vec<_>>().join("; ");
    Some(format!("followers  {}", if list.is_empty() { "none" } else { &list }))
}

fn behind(events: u64) -> String {
    format!("{} behind", counted(events, "event"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use clap::Parser;
    use clap::error::ErrorKind;
    use serde_json::json;

    use super::*;
    use crate::cli::Cli;

    fn status(checks: &Value) -> Value {
        json!({
            "role": "leader", "tail": 12_345, "term": 3, "writes_refused": null,
            "processes": {"count": 5, "age_seconds": 2.0},
            "height": {"number": 1_500_000, "age_seconds": 0.5},
            "uploads": {"backlog": 1, "dead_letters": 0},
            "leader": null, "followers": [],
            "checks": checks,
        })
    }

    #[test]
    fn what_is_well_takes_four_lines() {
        let shown =
            render(&status(&json!([{"name": "log", "status": "ok", "reason": "fine", "age_seconds": 9.0}])));
        let expected = "\
well: every check is ok
log        leader, 12,346 events, term 3, 5 processes, block 1,500,000
uploads    1 event to upload, 0 refused for good
followers  none
";
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_is_worst_comes_first_with_what_helps() {
        let mut status = status(&json!([
            {"name": "disk", "status": "warn", "reason": "4 GiB free", "age_seconds": 61.0},
            {"name": "log", "status": "ok", "reason": "fine", "age_seconds": 9.0},
            {"name": "uploads", "status": "fail", "reason": "refused\u{1b}[2J", "age_seconds": 3.0, "since_start": true},
        ]));
        status["followers"] = json!([{"node": "n1", "lag_events": 2}, {"node": "n2", "lag_events": null}]);
        status["uploads"] = Value::Null;
        let expected = "\
act: uploads: refused\\u{1b}[2J (and 1 more)
  act  uploads, for at least 3.0 s, since the start: refused\\u{1b}[2J; try: quipu projections
  look  disk, for 1 min 1 s: 4 GiB free; try: df -h
log        leader, 12,346 events, term 3, 5 processes, block 1,500,000
uploads    not in use
followers  n1 2 events behind; n2 lag not known
";
        assert_eq!(render(&status), expected);
    }

    #[test]
    fn what_helps_is_what_says_more() {
        for (name, reason, expected) in [
            ("uploads", "7 events to upload; 2 dead letters", "quipu dead-letters"),
            ("uploads", "failing: refused", "quipu projections"),
            ("scheduler http://a:9000", "away", "quipu router list"),
            ("replication", "lost", "quipu status --all"),
        ] {
            assert_eq!(helps(name, reason), expected, "{name}: {reason}");
        }
    }

    #[test]
    fn what_is_said_to_help_is_a_command() {
        let helps = HELPS.iter().map(|(_, help)| *help).chain([OTHERS, SCHEDULER.1, REFUSED.1]);
        for help in helps.filter(|help| help.starts_with("quipu ")) {
            let parsed = Cli::try_parse_from(help.split_whitespace());
            let is_known = parsed.as_ref().err().is_none_or(|error| error.kind() == ErrorKind::DisplayHelp);
            assert!(is_known, "{help}: {parsed:?}");
        }
    }

    #[test]
    fn a_gate_is_told_with_what_it_takes() {
        for (away, waiting, reason, expected) in [
            (None, None, None, "takes what is written"),
            (None, Some(1.0), None, "takes what is written, waiting for 1.0 s"),
            (Some(3.0), None, Some("refused"), "has taken nothing for 3.0 s: refused"),
            (None, None, Some("term 3"), "nothing is written there any more: term 3"),
        ] {
            let mut status = status(&json!([]));
            status["gate"] = json!({"kind": "postgres", "away_seconds": away, "waiting_seconds": waiting, "reason": reason});
            let shown = render(&status);
            assert!(shown.ends_with(&format!("\ngate       postgres, {expected}\n")), "{shown}");
        }
    }

    #[test]
    fn a_router_says_what_it_is_in_front_of() {
        let one = |url: &str, leader: &str, reached, open| json!({"url": url, "leader": leader, "reached": reached, "open": open});
        let status = json!({
            "role": "router", "processes_remembered": 2,
            "checks": [{"name": "placing", "status": "ok", "reason": "fine"}],
            "schedulers": [one("a", "a", true, true), one("b", "a", true, false), one("c", "c", false, false)],
        });
        let expected = "well: every check is ok\nrouter     3 schedulers (1 open, 1 read, 1 away), homes of 2 processes in memory\n";
        assert_eq!(render(&status), expected);
    }

    #[test]
    fn who_tells_no_checks_is_not_well() {
        for checks in [json!([]), Value::Null] {
            assert!(render(&status(&checks)).starts_with("act: it tells no checks\n"), "{checks}");
        }
    }

    #[test]
    fn what_was_counted_a_while_ago_says_so() {
        let mut status = status(&json!([]));
        status["processes"] = json!({"count": 0, "age_seconds": 41.0});
        assert!(render(&status).contains(", 0 processes 41 s ago, block"), "{}", render(&status));
    }

    #[test]
    fn who_follows_a_leader_says_so() {
        let mut status = status(&json!([]));
        status["leader"] = json!({"state": "following", "from": "http://a:9001", "lag_events": 0});
        assert!(render(&status).contains("\nleader     following, http://a:9001 0 events behind\n"));
        status["leader"] = json!({"state": "lost", "from": "http://a:9001", "lag_events": null});
        status["writes_refused"] = json!("a standby");
        status["checks"] = json!([{"name": "replication", "status": "warn", "reason": "lost"}]);
        assert!(
            render(&status).starts_with("look: replication: lost\n  look  replication: lost"),
            "{}",
            render(&status)
        );
    }
}
