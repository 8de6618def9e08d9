//! `quipu members` and `quipu handover`: who keeps a log together, and who leads it.

use std::io::Write;

use clap::{Args, Subcommand};
use log::{NodeId, StoreId};
use serde_json::Value;

use super::promote::{PromoteError, operator, store};
use crate::client::{OperatorArgs, runtime};
use crate::failure::Failure;
use crate::output::{Align, Columns, duration, thousands};

const MEMBERS_EXAMPLES: &str = "\
Examples:
  quipu members list                          who keeps the log, and how far each is
  quipu members add 5e9a1f2c-0c4d-4d57-9d0c-6a3b1f0c2d11 --url http://10.0.0.6:9001
  quipu members remove 5e9a1f2c-0c4d-4d57-9d0c-6a3b1f0c2d11
  quipu members remove $NODE --accept-loss 5b8a4a3e-6d3f-4b0c-8a51-0c9b6f7d2e10

A standby with --voter is added by itself once it has all of the log; by hand is for one that was taken away before, and it has \
to run and to have nearly all of the log. Changes are asked of the leader, and done when they are confirmed by those before and \
after. Where too few are left for that, --accept-loss has the leader go on alone; where the leader is gone, see \
`quipu promote --accept-loss`.

Exit codes: 0 done; 1 not done (one line on standard error says why), 2 wrong usage or setting.";

const HANDOVER_EXAMPLES: &str = "\
Examples:
  quipu handover --to 5e9a1f2c-0c4d-4d57-9d0c-6a3b1f0c2d11 --admin http://10.0.0.5:9001

It is asked of the leader; `quipu members list` shows the ids. That takes nothing new, waits until the other node has all of its log, lets it lead, and follows it \
from then on. Clients that send meanwhile are told to come again in a moment.

Exit codes: 0 done; 1 not done (one line on standard error says why), 2 wrong usage or setting.";

/// Show and change which nodes keep a log together
#[derive(Debug, Args)]
#[command(after_help = MEMBERS_EXAMPLES)]
pub struct MembersArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List them
    #[command(after_help = MEMBERS_EXAMPLES)]
    List {
        #[command(flatten)]
        node: OperatorArgs,
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
    /// Add a node whose copy is to count
    #[command(after_help = MEMBERS_EXAMPLES)]
    Add {
        /// Its id
        #[arg(value_parser = node_id)]
        member: NodeId,
        /// Where its admin listener is
        #[arg(long)]
        url: Option<String>,
        #[command(flatten)]
        node: OperatorArgs,
    },
    /// Take a node away: its copy counts no more
    #[command(after_help = MEMBERS_EXAMPLES)]
    Remove {
        /// Its id
        #[arg(value_parser = node_id)]
        member: NodeId,
        /// It is gone for good, and too few are left to confirm that: the leader goes on alone, until others join it again; STORE is
        /// the id of the store
        #[arg(long, value_name = "STORE", value_parser = store)]
        accept_loss: Option<StoreId>,
        #[command(flatten)]
        node: OperatorArgs,
    },
}

/// Let another node lead
#[derive(Debug, Args)]
#[command(after_help = HANDOVER_EXAMPLES)]
pub struct HandoverArgs {
    /// The node that is to lead
    #[arg(long, value_name = "NODE", value_parser = node_id)]
    to: NodeId,
    #[command(flatten)]
    node: OperatorArgs,
}

impl MembersArgs {
    /// Does it, and shows who they are then.
    ///
    /// # Errors
    /// When the node is not reached, or refuses.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let (members, json) = match self.what {
            What::List { node, json } => (runtime()?.block_on(node.connect()?.get("/members"))?, json),
            What::Add { member, url, node } => {
                let url = url.map(|url| query(&[("url", &url)])).unwrap_or_default();
                let path = format!("/members?add={member}{}", url.replacen('?', "&", 1));
                (runtime()?.block_on(node.connect()?.post(&path, None))?, false)
            }
            What::Remove { member, accept_loss, node } => {
                let (by, store) = (operator(), accept_loss.map(|store| store.to_string()));
                let word = store.as_deref().map(|store| query(&[("accept_loss", store), ("by", &by)]));
                let word = word.unwrap_or_default().replacen('?', "&", 1);
                let path = format!("/members?remove={member}{word}");
                (runtime()?.block_on(node.connect()?.post(&path, None))?, false)
            }
        };
        let members: Value = members;
        if json {
            writeln!(out, "{members}")?;
        } else {
            out.write_all(render(&members).as_bytes())?;
        }
        Ok(())
    }
}

impl HandoverArgs {
    /// Has the other node lead.
    ///
    /// # Errors
    /// When the node is not reached, or refuses.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let path = format!("/handover?to={}", self.to);
        let done: Value = runtime()?.block_on(self.node.connect()?.post(&path, None))?;
        tell_promoted(&done, out)
    }
}

/// Says what was done; a node that does not schedule yet is not what was asked for.
pub(super) fn tell_promoted(done: &Value, out: &mut dyn Write) -> Result<(), Failure> {
    out.write_all(promoted(done).as_bytes())?;
    match done.get("waits_for") {
        None | Some(Value::Null) => Ok(()),
        Some(_) => Err(PromoteError::NotYet.into()),
    }
}

/// What was done, for a person.
fn promoted(done: &Value) -> String {
    let text = |name: &str| done.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
    let number = |name: &str| thousands(done.get(name).and_then(Value::as_u64).unwrap_or(0));
    let promises = done.get("promises").and_then(Value::as_array).map_or(0, Vec::len);
    let mut told = format!(
        "node {} has term {}, with {} of its own and other nodes; its log has {} events, {} of them from another member\n",
        text("node"),
        number("term").replace(',', ""),
        if promises == 1 { "1 promise".to_owned() } else { format!("{promises} promises") },
        number("events"),
        number("adopted"),
    );
    match done.get("waits_for").and_then(Value::as_str) {
        Some(waits) => told.push_str(&format!("It does not schedule yet: {waits}\n")),
        None => told.push_str("It schedules.\n"),
    }
    told
}

/// Parameters as they are in a URL.
pub(crate) fn query(parameters: &[(&str, &str)]) -> String {
    let Ok(url) = reqwest::Url::parse_with_params("http://node/", parameters) else { return String::new() };
    url.query().map(|query| format!("?{query}")).unwrap_or_default()
}

fn render(members: &Value) -> String {
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
    let number =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_u64).map_or("-".to_owned(), thousands);
    let seconds = |value: &Value, name: &str| value.get(name).and_then(Value::as_f64).map(duration);
    let names =
        [("NODE", Align::Left), ("ROLE", Align::Left), ("EVENTS", Align::Right), ("LAG", Align::Right)];
    let more = [("HEARD", Align::Right), ("URL", Align::Left)];
    let mut table = Columns::new(names.into_iter().chain(more).map(|(name, align)| (name.to_owned(), align)));
    let leader = members.get("leader").and_then(Value::as_str);
    for voter in members.get("voters").and_then(Value::as_array).into_iter().flatten() {
        // Who only follows knows of the leader that it leads, and when that was heard of.
        let is_followed = leader.is_some_and(|leader| text(voter, "node") == leader);
        let heard = seconds(voter, "heard_seconds");
        let heard = heard.or_else(|| seconds(members, "leader_heard_seconds").filter(|_| is_followed));
        let cells = [
            text(voter, "node"),
            if is_followed { "leader".to_owned() } else { text(voter, "role") },
            number(voter, "events"),
            number(voter, "lag_events"),
            heard.unwrap_or_else(|| "-".to_owned()),
        ];
        table.row(cells.into_iter().chain([text(voter, "url")]).collect::<Vec<_>>());
    }
    let acks = number(members, "acks");
    let others =
        members.get("voters").and_then(Value::as_array).map_or(0, |voters| voters.len().saturating_sub(1));
    let followed = leader.map(|leader| format!(" {leader}")).unwrap_or_default();
    let head = format!(
        "node {} is {}{followed} in term {}; {acks} of {others} other voters must confirm each message\n",
        text(members, "node"),
        text(members, "role"),
        number(members, "term").replace(',', ""),
    );
    std::iter::once(head).chain(table.lines().map(|line| format!("{line}\n"))).collect()
}

fn node_id(text: &str) -> Result<NodeId, String> {
    text.parse().map_err(|_| "expected the id of a node, as `quipu members list` shows it".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_listed_and_what_is_not_known_is_not_told_as_0() {
        let shown = render(&json!({
            "node": "a", "role": "leading", "term": 1002, "acks": 1,
            "voters": [
                {"node": "a", "role": "leader", "url": null, "events": 1234, "lag_events": 0, "heard_seconds": null},
                {"node": "b", "role": "voter", "url": "http://b", "events": null, "lag_events": null, "heard_seconds": 2.0},
            ],
        }));
        assert!(shown.starts_with("node a is leading in term 1002; 1 of 1 other voters"), "{shown}");
        let lines: Vec<Vec<_>> =
            shown.lines().skip(2).map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0], ["a", "leader", "1,234", "0", "-", "-"]);
        assert_eq!(lines[1], ["b", "voter", "-", "-", "2.0", "s", "http://b"]);
    }

    #[test]
    fn who_follows_shows_whom() {
        let shown = render(&json!({
            "node": "b", "role": "following", "term": 2, "acks": 1, "leader": "a", "leader_heard_seconds": 1.0,
            "voters": [
                {"node": "a", "role": "voter", "url": "http://a", "events": null, "lag_events": null, "heard_seconds": null},
                {"node": "b", "role": "voter", "url": null, "events": null, "lag_events": null, "heard_seconds": null},
            ],
        }));
        assert!(shown.starts_with("node b is following a in term 2"), "{shown}");
        let lines: Vec<Vec<_>> =
            shown.lines().skip(2).map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0], ["a", "leader", "-", "-", "1.0", "s", "http://a"]);
        assert_eq!(lines[1], ["b", "voter", "-", "-", "-", "-"]);
    }

    #[test]
    fn who_took_over_is_told_whether_it_schedules() {
        let done = json!({
            "node": "b", "term": 3, "promises": ["b", "c"], "events": 90, "adopted": 2, "leads": true, "waits_for": null,
        });
        let told = promoted(&done);
        assert!(
            told.contains("term 3") && told.contains("2 promises") && told.ends_with("It schedules.\n"),
            "{told}"
        );
        let done = json!({ "node": "b", "term": 3, "promises": ["b"], "waits_for": "others" });
        assert!(promoted(&done).ends_with("It does not schedule yet: others\n"));
        assert_eq!(query(&[("by", "a b"), ("x", "1")]), "?by=a+b&x=1");
    }
}
