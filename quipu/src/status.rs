//! `quipu status`: how a node is doing, asked at its admin listener.

mod layout;

use std::io::Write;

use clap::Args;
use serde_json::Value;

use crate::client::{AdminArgs, AdminClient, ClientError, runtime};
use crate::failure::Failure;

const EXAMPLES: &str = "\
Examples:
  quipu status
  quipu status --admin http://10.0.0.5:9001 --token $TOKEN --json

Exit codes: 0 the node takes messages or follows its leader, 1 it is not reached or does neither, 2 wrong usage or setting.";

/// Show how a node is doing
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct StatusArgs {
    #[command(flatten)]
    node: AdminArgs,
    /// Print the status as JSON
    #[arg(long)]
    json: bool,
}

impl StatusArgs {
    /// Writes the status to `out`.
    ///
    /// # Errors
    /// When the node is not reached or refuses, or takes no messages.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let node = self.node.connect()?;
        let status: Value = runtime()?.block_on(async {
            let mut status: Value = node.get("/status").await?;
            let checks = checks(&node).await?;
            if let Some(fields) = status.as_object_mut() {
                fields.extend(checks.map(|checks| ("checks".to_owned(), checks)));
            }
            Ok::<_, ClientError>(status)
        })?;
        if self.json {
            writeln!(out, "{status}")?;
        } else {
            out.write_all(layout::render(&status).as_bytes())?;
        }
        match writes_refused(&status) {
            Some(reason) => Err(Failure::WritesRefused(reason.to_owned())),
            None => Ok(()),
        }
    }
}

/// What the node finds when it looks at itself; none from one that does not know how.
async fn checks(node: &AdminClient) -> Result<Option<Value>, ClientError> {
    match node.get_any::<Value>("/checks").await {
        Ok(mut answer) => Ok(answer.get_mut("checks").map(Value::take)),
        Err(ClientError::Refused { status: 404, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Why the node takes no messages, if it does not; nothing where it is a standby that follows its leader, as it should.
fn writes_refused(status: &Value) -> Option<&str> {
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
