//! `quipu reupload`: looks for what has not arrived of some processes, and has the node send it.
//!
//! The node asks GraphQL and sends the bytes of its log, a step at a time; this command keeps the place, so that
//! ending it leaves nothing behind, and asking for the same once more sends only what is still missing.

mod since;

use std::io::Write;
use std::time::{Duration, Instant};

use clap::Args;
use protocol::ProcessId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::client::{AdminClient, ClientError, OperatorArgs, runtime};
use crate::failure::Failure;
use crate::output::thousands;
use crate::shown::Shown;

use since::Since;

const EXAMPLES: &str = "\
The node, which must run with UPLOAD_NODE_URL, asks its GRAPHQL_URL which items and assignments have arrived, and sends \
the missing ones to its upload node from its log, in order, each item before its assignment. Sending something twice does \
no harm; what was uploaded moments ago may not be indexed yet. Where something on chain was assigned, only the assignment \
is uploaded.

--since takes
  a nonce                        a whole number below 1000000000000; 0 is the process itself
  milliseconds since 1970        a whole number from 1000000000000 on
  a time in UTC                  2026-11-20, 2026-11-20T10:00:00Z or '2026-11-20 10:00:00'
  a time ago                     90s, 15m, 2h, 3days or '1day 12h'

Examples:
  quipu reupload --process $P --since 0 --dry-run     list what is missing of a process
  quipu reupload --process $P,$Q --since 2h           send what is missing of the last two hours
  quipu reupload --process $P --since 120000 --json   JSON lines: missing items, then the process

Exit codes: 0 done, 1 failed, or something was refused or could not be looked up or sent, 2 wrong usage or setting.";

/// Upload again what has not arrived of some processes
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ReuploadArgs {
    /// The processes, separated by commas
    #[arg(long, value_name = "P[,P...]", value_delimiter = ',', required = true, allow_hyphen_values = true)]
    process: Vec<ProcessId>,
    /// Where to begin: a nonce, or a time
    #[arg(long, value_name = "NONCE|TIME")]
    since: Since,
    /// Only list what is missing, without sending it
    #[arg(long)]
    dry_run: bool,
    /// Print JSON lines
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    node: OperatorArgs,
}

/// What a step of the node found and did.
#[derive(Debug, Deserialize)]
struct Step {
    events: u64,
    arrived: u64,
    missing: Vec<Missing>,
    next: Option<u64>,
    done: bool,
    ended: Option<String>,
    newest: Option<u64>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Missing {
    nonce: Option<u64>,
    part: String,
    id: String,
    outcome: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// What became of one process.
#[derive(Debug, Default, Serialize)]
struct Summary {
    /// Events that were looked at.
    events: u64,
    arrived: u64,
    /// Not there, and not sent.
    missing: u64,
    sent: u64,
    refused: u64,
    /// Why it was not looked through to its end.
    error: Option<String>,
}

/// Why not all is as it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ReuploadError {
    /// The node could not tell what of some processes has arrived.
    #[error("{processes} of the processes could not be looked through to the end")]
    Incomplete {
        /// How many processes.
        processes: usize,
    },
    /// The upload node refused some.
    #[error("{refused} refused; `quipu dead-letters` shows why")]
    Refused {
        /// How many items and assignments.
        refused: u64,
    },
    /// What was found cannot be shown as JSON.
    #[error("cannot be shown as JSON")]
    Json(#[from] serde_json::Error),
}

/// How often something is tried without getting on, and the waits between, doubled each time.
const ATTEMPTS: u32 = 6;
const FIRST_WAIT: Duration = Duration::from_millis(500);

impl ReuploadArgs {
    /// What `reupload_bundles` was asked for: it looks at what is later than a time, and at all of it where that is none.
    pub(crate) fn of_bundles(process: Vec<ProcessId>, since_ms: Option<u64>, node: OperatorArgs) -> Self {
        let since = since_ms.filter(|ms| *ms > 0).map_or(Since::Nonce(0), Since::Time);
        Self { process, since, dry_run: false, json: false, node }
    }

    /// Does it; what is missing and what became of it goes to `out`, progress to standard error.
    ///
    /// # Errors
    /// When the node is not reached or refuses, or not everything has arrived or was taken.
    pub fn run(mut self, out: &mut dyn Write) -> Result<(), Failure> {
        let node = self.node.connect()?;
        let mut seen = std::collections::HashSet::new();
        self.process.retain(|process| seen.insert(*process));
        let (mut refused, mut incomplete) = (0, 0);
        runtime()?.block_on(async {
            for process in &self.process {
                let summary = self.one(&node, *process, out).await?;
                self.tell(*process, &summary, out)?;
                refused += summary.refused;
                incomplete += usize::from(summary.error.is_some());
            }
            Ok::<_, Failure>(())
        })?;
        if incomplete > 0 {
            return Err(ReuploadError::Incomplete { processes: incomplete }.into());
        }
        if refused > 0 { Err(ReuploadError::Refused { refused }.into()) } else { Ok(()) }
    }

    /// One process, step by step.
    async fn one(
        &self,
        node: &AdminClient,
        process: ProcessId,
        out: &mut dyn Write,
    ) -> Result<Summary, Failure> {
        let (mut summary, mut shown, began) = (Summary::default(), Shown::new(), Instant::now());
        let (mut from, mut total, mut failures) = (None, None, 0);
        loop {
            let stuck = match node.post::<Step>("/uploads/reupload", Some(self.body(process, from))).await {
                Ok(step) => {
                    let first = step.next.unwrap_or(0).saturating_sub(step.events);
                    let end = step.newest.map_or(1, |newest| newest + 1);
                    let total = *total.get_or_insert(end.saturating_sub(first));
                    shown.beside(|| self.count(process, &step, &mut summary, out))?;
                    if step.done {
                        break;
                    }
                    shown.show("looking", summary.events, total, began.elapsed());
                    from = step.next.or(from);
                    failures = if step.events > 0 { 0 } else { failures };
                    step.ended
                }
                Err(error) if may_pass(&error) => Some(crate::failure::chain(&error)),
                Err(error) => return Err(error.into()),
            };
            let Some(reason) = stuck else { continue };
            failures += 1;
            if failures == ATTEMPTS {
                summary.error = Some(reason);
                break;
            }
            sleep(FIRST_WAIT * 2_u32.pow(failures - 1)).await;
        }
        shown.clear();
        Ok(summary)
    }

    /// What the node is asked for.
    fn body(&self, process: ProcessId, from: Option<u64>) -> Value {
        let (name, value) = match (from, self.since) {
            (Some(from), _) => ("from", Some(from)),
            // The first of all, also when it has no nonce.
            (None, Since::Nonce(0)) => ("from", None),
            (None, Since::Nonce(nonce)) => ("from", Some(nonce)),
            (None, Since::Time(ms)) => ("since_ms", Some(ms)),
        };
        let mut body = json!({ "process": process.to_string(), "dry_run": self.dry_run });
        if let (Some(fields), Some(value)) = (body.as_object_mut(), value) {
            fields.insert(name.to_owned(), value.into());
        }
        body
    }

    /// Counts what a step found, and writes what was missing.
    fn count(
        &self,
        process: ProcessId,
        step: &Step,
        summary: &mut Summary,
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        summary.events += step.events;
        summary.arrived += step.arrived;
        for missing in &step.missing {
            match missing.outcome.as_str() {
                "sent" => summary.sent += 1,
                "refused" => summary.refused += 1,
                _ => summary.missing += 1,
            }
            if self.json {
                writeln!(out, "{}", with_process(process, missing)?)?;
            } else {
                writeln!(out, "{}", line(missing))?;
            }
        }
        Ok(())
    }

    fn tell(&self, process: ProcessId, summary: &Summary, out: &mut dyn Write) -> Result<(), Failure> {
        if self.json {
            writeln!(out, "{}", with_process(process, summary)?)?;
            return Ok(());
        }
        let Summary { events, arrived, missing, sent, refused, error } = summary;
        let missing = if self.dry_run { format!("{} missing", thousands(*missing)) } else { String::new() };
        let sent = format!("{} sent, {} refused", thousands(*sent), thousands(*refused));
        let became = if self.dry_run { missing } else { sent };
        writeln!(out, "{process}: {} events, {} arrived, {became}", thousands(*events), thousands(*arrived))?;
        if let Some(error) = error {
            writeln!(out, "{process}: not looked through to the end: {error}")?;
        }
        Ok(())
    }
}

/// Whether it may go better the next time.
fn may_pass(error: &ClientError) -> bool {
    match error {
        ClientError::Refused { status, .. } => *status >= 500,
        error => error.is_connection(),
    }
}

fn line(missing: &Missing) -> String {
    let nonce = missing.nonce.map_or_else(|| "-".to_owned(), |nonce| nonce.to_string());
    let refusal = match (missing.status, &missing.reason) {
        (Some(status), Some(reason)) => format!(" with {status}: {}", crate::output::excerpt(reason, 80)),
        _ => String::new(),
    };
    format!("{nonce:>10}  {:<10}  {}  {}{refusal}", missing.part, missing.id, missing.outcome)
}

/// As JSON, with the process first.
fn with_process(process: ProcessId, value: &impl Serialize) -> Result<Value, Failure> {
    let mut object = json!({ "process": process.to_string() });
    let value = serde_json::to_value(value).map_err(ReuploadError::from)?;
    if let (Some(fields), Value::Object(more)) = (object.as_object_mut(), value) {
        fields.extend(more);
    }
    Ok(object)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: ReuploadArgs,
    }

    fn args(since: &str) -> ReuploadArgs {
        let process = "A".repeat(43);
        Line::parse_from(["quipu", "--process", &format!("{process},{process}"), "--since", since]).args
    }

    #[test]
    fn the_node_is_asked_from_where_it_was_said() {
        for (since, from, expected) in [
            ("0", None, json!({"dry_run": false})),
            ("7", None, json!({"dry_run": false, "from": 7})),
            ("1700000000000", None, json!({"dry_run": false, "since_ms": 1_700_000_000_000_u64})),
            ("1700000000000", Some(9), json!({"dry_run": false, "from": 9})),
            ("0", Some(100), json!({"dry_run": false, "from": 100})),
        ] {
            let args = args(since);
            assert_eq!(args.process.len(), 2);
            let mut body = args.body(args.process[0], from);
            assert_eq!(body.as_object_mut().unwrap().remove("process").unwrap(), "A".repeat(43));
            assert_eq!(body, expected, "{since}");
        }
    }

    #[test]
    fn what_is_missing_is_a_line() {
        let missing = |outcome: &str, status, reason| Missing {
            nonce: Some(5),
            part: "item".into(),
            id: "I".repeat(43),
            outcome: outcome.into(),
            status,
            reason,
        };
        let id = "I".repeat(43);
        assert_eq!(line(&missing("sent", None, None)), format!("         5  item        {id}  sent"));
        let refused = line(&missing("refused", Some(400), Some("bad\nitem".into())));
        assert!(refused.ends_with("refused with 400: bad\\nitem"), "{refused}");
    }
}
