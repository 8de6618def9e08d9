//! How a node is, in one word: the worst of what it found when it looked at itself.

use serde_json::Value;

/// How a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StatusVerdict {
    /// All is well.
    Well,
    /// It goes on, but somebody should have a look.
    Look,
    /// Somebody has to act.
    Act,
}

impl StatusVerdict {
    /// How the status of a node is, with its checks in it. One that tells none does not say that it is well.
    pub fn of(status: &Value) -> Self {
        let checks = checks(status).map(Self::of_check).max().unwrap_or(Self::Act);
        // Of a standby, which takes none, the check of what it follows says how bad that is.
        let is_standby = status.get("leader").is_some_and(|leader| !leader.is_null());
        if writes_refused(status).is_some() && !is_standby { Self::Act } else { checks }
    }

    /// How one check is. What is not known of a newer node is to be looked at.
    pub(super) fn of_check(check: &Value) -> Self {
        match check.get("status").and_then(Value::as_str) {
            Some("ok") => Self::Well,
            Some("fail") => Self::Act,
            _ => Self::Look,
        }
    }

    /// The word for it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Look => "look",
            Self::Act => "act",
        }
    }

    /// The exit code that says so.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Well => 0,
            Self::Look => 1,
            Self::Act => 2,
        }
    }
}

pub(super) fn checks(status: &Value) -> impl Iterator<Item = &Value> {
    status.get("checks").and_then(Value::as_array).into_iter().flatten()
}

/// Why the node takes no messages, if it does not; nothing where it is a standby that follows its leader, as it should.
pub(super) fn writes_refused(status: &Value) -> Option<&str> {
    let leader = status.get("leader").and_then(|leader| leader.get("state"));
    let refused = status.get("writes_refused")?.as_str();
    refused.filter(|_| leader.and_then(Value::as_str) != Some("following"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use serde_json::json;

    use super::*;

    #[test]
    fn the_worst_counts() {
        let check = |status: &str| json!({"name": "a", "status": status});
        for (status, expected) in [
            (json!({}), StatusVerdict::Act),
            (json!({"checks": []}), StatusVerdict::Act),
            (json!({"checks": [check("ok")]}), StatusVerdict::Well),
            (json!({"checks": [check("ok"), check("warn")]}), StatusVerdict::Look),
            (json!({"checks": [check("fail"), check("warn")]}), StatusVerdict::Act),
            (json!({"checks": [check("odd")]}), StatusVerdict::Look),
            (json!({"writes_refused": "disk full", "checks": [check("ok")]}), StatusVerdict::Act),
            (
                json!({"writes_refused": "a standby", "leader": {"state": "lost"}, "checks": [check("warn")]}),
                StatusVerdict::Look,
            ),
        ] {
            assert_eq!(StatusVerdict::of(&status), expected, "{status}");
        }
    }

    #[test]
    fn only_a_node_that_takes_nothing_is_a_failure() {
        for (status, reason) in [
            (json!({}), None),
            (json!({"writes_refused": null}), None),
            (json!({"writes_refused": "disk full"}), Some("disk full")),
            (json!({"writes_refused": "a standby", "leader": null}), Some("a standby")),
            (json!({"writes_refused": "a standby", "leader": {"state": "lost"}}), Some("a standby")),
            (json!({"writes_refused": "a standby", "leader": {"state": "following"}}), None),
        ] {
            assert_eq!(writes_refused(&status), reason, "{status}");
        }
    }
}
