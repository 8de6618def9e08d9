//! From when on a gate that takes nothing is a warning or a failure.

use super::history::CheckLevel;
use super::rules::{Found, WAITS_FAIL, WAITS_WARN};
use crate::gate_seen::GateNow;

pub(super) fn gate(now: &GateNow) -> Found {
    let waiting = now.waiting.map_or(0.0, |waiting| waiting.as_secs_f64());
    let level = match now {
        GateNow { lost: Some(_), .. } => CheckLevel::Fail,
        _ if waiting >= WAITS_FAIL => CheckLevel::Fail,
        GateNow { away: Some(_), .. } => CheckLevel::Warn,
        _ if waiting >= WAITS_WARN => CheckLevel::Warn,
        _ => CheckLevel::Ok,
    };
    let copies = if now.is_single_copy {
        "a single copy of what it has, as GATE_SINGLE_COPY accepts"
    } else {
        "its copies"
    };
    let found = match now {
        GateNow { lost: Some(reason), .. } => format!("nothing is written there any more: {reason}"),
        GateNow { away: Some((since, reason)), .. } => {
            format!("it has taken nothing for {:.0} s: {reason}", since.as_secs_f64())
        }
        _ => format!("it takes what is written; waiting for {waiting:.1} s"),
    };
    (level, format!("{} with {copies}: {found}", now.kind))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_gate_that_takes_nothing_is_told_and_a_single_copy_always() {
        let (away, lost) = (Some((Duration::from_secs(3), "refused".to_owned())), Some("term 3".to_owned()));
        let waiting = |seconds| Some(Duration::from_secs(seconds));
        for (away, waiting, lost, level, told) in [
            (None, None, None, CheckLevel::Ok, "takes what is written"),
            (None, waiting(1), None, CheckLevel::Warn, "waiting for 1.0 s"),
            (away.clone(), waiting(3), None, CheckLevel::Warn, "for 3 s: refused"),
            (away.clone(), waiting(6), None, CheckLevel::Fail, "for 3 s: refused"),
            (away, None, lost, CheckLevel::Fail, "any more: term 3"),
        ] {
            let now = GateNow { kind: "postgres", is_single_copy: true, away, waiting, lost };
            let (found, reason) = gate(&now);
            assert_eq!(found, level, "{reason}");
            assert!(reason.contains(told) && reason.contains("GATE_SINGLE_COPY"), "{reason}");
        }
    }
}
