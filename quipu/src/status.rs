//! `quipu status`: how a node is doing, asked at its second door.

use std::io::Write;

use clap::Args;
use serde_json::Value;

use crate::client::{ClientError, Scheduler, runtime};
use crate::failure::Failure;
use crate::output::{Table, thousands};

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
        let status: Value = runtime()?.block_on(async {
            let mut status: Value = node.get("/status", self.token.as_deref()).await?;
            let checks = checks(&node, self.token.as_deref()).await?;
            if let Some(fields) = status.as_object_mut() {
                fields.extend(checks.map(|checks| ("checks".to_owned(), checks)));
            }
            Ok::<_, ClientError>(status)
        })?;
        if self.json {
            writeln!(out, "{status}")?;
        } else {
            out.write_all(render(&status).as_bytes())?;
        }
        match log_failure(&status) {
            Some(reason) => Err(Failure::LogFailed(reason.to_owned())),
            None => Ok(()),
        }
    }
}

/// What the node finds when it looks at itself; none from one that does not know how.
async fn checks(node: &Scheduler, token: Option<&str>) -> Result<Option<Value>, ClientError> {
    match node.get_any::<Value>("/checks", token).await {
        Ok(mut answer) => Ok(answer.get_mut("checks").map(Value::take)),
        Err(ClientError::Refused { status: 404, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Why the log takes no more messages, if it does not.
fn log_failure(status: &Value) -> Option<&str> {
    status.get("log_failure")?.as_str()
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
                element(table, &named, place, value.clone());
            }
        }
        scalar_value => table.row(prefix, scalar(scalar_value)),
    }
}

/// An element of a list goes by its name where it has one, else by its place.
fn element(table: &mut Table, named: &dyn Fn(&str) -> String, place: usize, mut value: Value) {
    let name = value.as_object_mut().and_then(|fields| fields.remove("name"));
    let name = name.as_ref().and_then(Value::as_str).map_or_else(|| place.to_string(), str::to_owned);
    rows(table, &named(&name), &value);
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
        Value::Number(number) => match (number.as_u64(), number.as_f64()) {
            (Some(whole), _) => thousands(whole),
            (None, Some(fraction)) => format!("{fraction:.1}"),
            (None, None) => number.to_string(),
        },
        nested => nested.to_string(),
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
            "uptime_seconds": 61.25,
            "tail": 12345,
            "log_failure": null,
            "height": {"number": 1500000, "age_seconds": 0.5},
            "projections": [{"name": "index", "lag_events": 0}, {"lag_events": 7}],
        });
        let shown = render(&status);
        for line in [
            "node\n",
            "  version           0.1.0\n",
            "  uptime seconds    61.2\n",
            "  tail              12,345\n",
            "  log failure       -\n",
            "height\n",
            "  number            1,500,000\n",
            "projections\n",
            "  index lag events  0\n",
            "  1 lag events      7\n",
        ] {
            assert!(shown.contains(line), "{line:?} is not in\n{shown}");
        }
        assert!(!shown.contains("name"), "{shown}");
        assert_eq!(render(&json!("fine")), "\"fine\"\n");
    }

    #[test]
    fn only_a_failed_log_is_a_failure() {
        for (status, reason) in [
            (json!({}), None),
            (json!({"log_failure": null}), None),
            (json!({"log_failure": "disk full"}), Some("disk full")),
        ] {
            assert_eq!(log_failure(&status), reason, "{status}");
        }
    }
}
