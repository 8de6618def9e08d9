//! `quipu divergence`: what a log has that the log of another node has not.

use std::io::Write;

use clap::Args;
use log::{Kind, Seq};
use node::{Divergence, DivergenceError, EventBeyond, ItemThere};
use serde_json::{Value, json};

use crate::client::runtime;
use crate::failure::Failure;
use crate::output::{counted, thousands, time};
use crate::settings::{DataArgs, LeaderArgs, SettingError};

const EXAMPLES: &str = "\
For a node that led, and whose place a standby has taken: what it scheduled last may not have reached that standby. The logs \
are the same up to a place, which is found by their digests; what is here behind it is listed, each with whether the other \
node has scheduled the item too (as it has when a client sent it again). Nothing is changed, and the node may be running. \
What is to be done about the items is for their senders to say: to send one again schedules it there.

Examples:
  quipu divergence --from http://10.0.0.6:9001 --replicate-token-file token
  quipu divergence --from http://10.0.0.6:9001 --replicate-token-file token --json
  quipu divergence --from http://10.0.0.6:9001 --replicate-token-file token \\
    --su-file-db-dir ./data/log.aside-20261126T195453Z-term-1       a log that was set aside

Exit codes: 0 nothing is here that is not there; 3 something is; 1 not compared (one line on standard error says why), 2 wrong usage \
or setting.";

/// How many events are looked at together.
const PIECE: usize = 256;

/// List what a log has that the log of another node has not
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DivergenceArgs {
    #[command(flatten)]
    leader: LeaderArgs,

    /// Print JSON: a line for the comparison, and one for each event
    #[arg(long)]
    json: bool,

    #[command(flatten, next_help_heading = "Data")]
    data: DataArgs,
}

/// Why two logs are not compared, or that they differ.
#[derive(Debug, thiserror::Error)]
pub enum DivergenceCommandError {
    /// They cannot be compared.
    #[error(transparent)]
    Failed(#[from] DivergenceError),
    /// They differ.
    #[error("{} in this log {} not in that of {from}", counted(*events, "event"), if *events == 1 { "is" } else { "are" })]
    Beyond {
        /// How many events are here alone.
        events: u64,
        /// With what it was compared.
        from: String,
    },
}

impl DivergenceArgs {
    /// Compares the logs, and lists what is here alone.
    ///
    /// # Errors
    /// When they cannot be compared, or something is here alone.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let (paths, other) = (self.data.paths(), self.leader.node().map_err(SettingError::from)?);
        let from = other.url.to_string();
        runtime()?.block_on(async {
            let found = Divergence::find(&paths, &other).await.map_err(DivergenceCommandError::from)?;
            let head =
                if self.json { format!("{}\n", told(&found, &from)) } else { described(&found, &from) };
            out.write_all(head.as_bytes())?;
            if !found.is_beyond() {
                return Ok(());
            }
            if !self.json {
                writeln!(
                    out,
                    "{}",
                    row(["EVENT", "PROCESS", "NONCE", "TIME", "ITEM", "THERE"].map(String::from))
                )?;
            }
            let mut next = found.common;
            while next < found.events {
                let events =
                    found.beyond(Seq::new(next), PIECE).await.map_err(DivergenceCommandError::from)?;
                let Some(last) = events.last() else { break };
                next = last.seq.next().get();
                for event in &events {
                    let text = if self.json { event_told(event).to_string() } else { row(cells(event)) };
                    writeln!(out, "{text}")?;
                }
                out.flush()?;
            }
            let events = found.events.saturating_sub(found.common);
            Err(DivergenceCommandError::Beyond { events, from: from.clone() }.into())
        })
    }
}

fn described(found: &Divergence, from: &str) -> String {
    let Divergence { store, term, events, other_term, other_events, common, .. } = found;
    let (events, there, same) =
        (counted(*events, "event"), counted(*other_events, "event"), counted(*common, "event"));
    let mut text = format!(
        "store {store}: {events} up to term {term} here, {there} up to term {other_term} at {from}\n\
         the first {same} are the same in both\n"
    );
    if !found.is_beyond() {
        text += "nothing is here that is not there\n";
    }
    text
}

fn told(found: &Divergence, from: &str) -> Value {
    json!({
        "store": found.store.to_string(),
        "common": found.common,
        "here": { "term": found.term.0, "events": found.events },
        "there": {
            "url": from, "node": found.other.to_string(), "term": found.other_term.0, "events": found.other_events,
        },
    })
}

fn event_told(event: &EventBeyond) -> Value {
    let (there, reason) = there(event);
    json!({
        "event": event.seq.get(),
        "kind": kind(event.kind),
        "process": event.item.map(|_| event.process.to_string()),
        "nonce": event.nonce.map(|nonce| nonce.get()),
        "timestamp": event.timestamp.map(|at| at.get()),
        "item": event.item.map(|item| item.to_string()),
        "there": there,
        "reason": reason,
    })
}

/// Whether the item is there; why that is not known.
fn there(event: &EventBeyond) -> (Option<bool>, Option<&str>) {
    match &event.there {
        ItemThere::Yes => (Some(true), None),
        ItemThere::No => (Some(false), None),
        ItemThere::NotAsked => (None, None),
        ItemThere::Unknown(reason) => (None, Some(reason)),
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Spawned => "spawned",
        Kind::Scheduled => "scheduled",
        Kind::Assigned => "assigned",
        Kind::Fact => "fact",
    }
}

/// A line of the list.
fn row([event, process, nonce, at, item, there]: [String; 6]) -> String {
    format!("{event:>9}  {process:43}  {nonce:>7}  {at:24}  {item:43}  {there}")
}

fn cells(event: &EventBeyond) -> [String; 6] {
    let none = || "-".to_owned();
    let there = match &event.there {
        ItemThere::Yes => "yes".to_owned(),
        ItemThere::No => "no".to_owned(),
        ItemThere::NotAsked => "a note of the node itself".to_owned(),
        ItemThere::Unknown(reason) => format!("not known: {reason}"),
    };
    [
        thousands(event.seq.get()),
        event.item.map_or_else(none, |_| event.process.to_string()),
        event.nonce.filter(|_| event.item.is_some()).map_or_else(none, |nonce| nonce.to_string()),
        event.timestamp.map_or_else(none, |at| time(at.get())),
        event.item.map_or_else(none, |item| item.to_string()),
        there,
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use ans104::Id;
    use protocol::{Nonce, ProcessId, Timestamp};

    use super::*;

    #[test]
    fn each_event_is_a_line() {
        let (process, item) = (Id::from_bytes([1; 32]), Id::from_bytes([2; 32]));
        let mut event = EventBeyond {
            seq: Seq::new(1_234),
            kind: Kind::Scheduled,
            process: ProcessId::from(process),
            nonce: Some(Nonce::new(7)),
            item: Some(item),
            timestamp: Some(Timestamp::new(0)),
            there: ItemThere::No,
        };
        let line = row(cells(&event));
        for told in ["1,234 ", &process.to_string(), " 7 ", "1970-01-01T00:00:00.000Z", &item.to_string()] {
            assert!(line.contains(told), "{told}: {line}");
        }
        assert!(line.ends_with("  no"), "{line}");
        let shown = event_told(&event);
        assert_eq!(
            (&shown["there"], &shown["kind"], &shown["nonce"]),
            (&json!(false), &json!("scheduled"), &json!(7))
        );
        event.there = ItemThere::Unknown("refused".to_owned());
        assert_eq!(event_told(&event)["reason"], "refused");
        assert!(row(cells(&event)).ends_with("not known: refused"));
        let fact = EventBeyond { item: None, there: ItemThere::NotAsked, timestamp: None, ..event };
        assert!(row(cells(&fact)).ends_with("  a note of the node itself"), "{}", row(cells(&fact)));
        assert!(event_told(&fact)["process"].is_null());
    }
}
