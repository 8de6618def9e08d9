//! `quipu status`: how a node is doing, asked at its second door.

use std::io::Write;

use clap::Args;
use serde_json::Value;

use crate::client::{Scheduler, runtime};
use crate::failure::Failure;
use crate::output::{Table, thousands};

/// Where a status tells why the log takes no more messages; null or absent while it does.
const LOG_FAILURE: [&str; 2] = ["/log/failure", "/log/failed"];

const EXAMPLES: &str = "\
The exit code is 1 when the node is not reached or its log has failed.

Examples:
  quipu status
  quipu status --admin http://10.0.0.5:9001 --token $TOKEN --json";

/// Show how a node is doing
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct StatusArgs {
    /// Where the node's administration listens
    #[arg(long, value_name = "URL", env = "QUIPU_ADMIN_URL", default_value = "http://127.0.0.1:9001")]
    admin: String,
    /// The token of the administration, needed where it does not listen on loopback
    #[arg(long, env = "ADMIN_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Print the status as JSON
    #[arg(long)]
    json: bool,
}

impl StatusArgs {
    /// Writes the status to `out`.
    ///
    /// # Errors
    /// When the node is not reached or refuses, or its log has failed.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let node = Scheduler::new(&self.admin)?;
        let status: Value = runtime()?.block_on(node.get("/status", self.token.as_deref()))?;
        if self.json {
            writeln!(out, "{status}")?;
        } else {
            out.write_all(render(&status).as_bytes())?;
        }
        match log_failure(&status) {
            Some(reason) => Err(Failure::LogFailed(reason)),
            None => Ok(()),
        }
    }
}

/// Why the log takes no more messages, if it does not.
fn log_failure(status: &Value) -> Option<String> {
    LOG_FAILURE.iter().find_map(|path| match status.pointer(path)? {
        Value::Null | Value::Bool(false) => None,
        Value::String(reason) => Some(reason.clone()),
        other => Some(other.to_string()),
    })
}

/// The values that stand at the top first, then a group for each object and list. Whatever a node tells is shown.
fn render(status: &Value) -> String {
    let Value::Object(fields) = status else { return format!("{status}\n") };
    let mut table = Table::default();
    let nested = |value: &Value| matches!(value, Value::Object(_) | Value::Array(_));
    table.heading("node");
    for (name, value) in fields.iter().filter(|(_, value)| !nested(value)) {
        table.row(label(name), scalar(value));
    }
    for (name, value) in fields.iter().filter(|(_, value)| nested(value)) {
        table.heading(label(name));
        rows(&mut table, "", value);
    }
    table.render()
}

fn rows(table: &mut Table, prefix: &str, value: &Value) {
    let named =
        |name: &str| if prefix.is_empty() { label(name) } else { format!("{prefix} {}", label(name)) };
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                rows(table, &named(name), value);
            }
        }
        Value::Array(values) => {
            for (place, value) in values.iter().enumerate() {
                // An element that has a name goes by it.
                let name = value.get("name").and_then(Value::as_str).map_or(place.to_string(), str::to_owned);
                rows(table, &named(&name), value);
            }
        }
        scalar_value => table.row(prefix, scalar(scalar_value)),
    }
}

fn label(name: &str) -> String {
    name.replace('_', " ")
}

fn scalar(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => text.clone(),
        other => other.as_u64().map_or_else(|| other.to_string(), thousands),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use serde_json::json;

    use super::*;

    #[test]
    fn whatever_a_node_tells_is_shown() {
        let status = json!({
            "version": "0.1.0",
            "log": {"events": 12345, "failure": null, "identity": {"term": 1}},
            "projections": [{"name": "index", "lag": 0}, {"lag": 7}],
        });
        let shown = render(&status);
        for line in [
            "node\n  version        0.1.0\n",
            "log\n",
            "  events         12,345\n",
            "  failure        -\n",
            "  identity term  1\n",
            "  index lag      0\n",
            "  1 lag          7\n",
        ] {
            assert!(shown.contains(line), "{line:?} is not in\n{shown}");
        }
    }

    #[test]
    fn only_a_failed_log_is_a_failure() {
        for (status, reason) in [
            (json!({}), None),
            (json!({"log": {"failure": null}}), None),
            (json!({"log": {"failed": false}}), None),
            (json!({"log": {"failure": "disk full"}}), Some("disk full")),
            (json!({"log": {"failed": true}}), Some("true")),
        ] {
            assert_eq!(log_failure(&status).as_deref(), reason, "{status}");
        }
    }
}
