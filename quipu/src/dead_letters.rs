//! `quipu dead-letters`: what the upload node refused for good, shown or sent again.

use std::io::Write;

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::client::{AdminClient, ClientError, OperatorArgs, runtime};
use crate::failure::Failure;
use crate::output::{excerpt, thousands, time};

const EXAMPLES: &str = "\
An item or assignment that the upload node refuses for good (status 400, 413 or 422) becomes a dead letter, and uploads \
go on without it.

Examples:
  quipu dead-letters
  quipu dead-letters --json | jq -r .id
  quipu dead-letters --retry
  quipu dead-letters --admin http://10.0.0.5:9001 --token $TOKEN

Exit codes: 0 done, 1 failed, or --retry could not send all of them, 2 wrong usage or setting.";

/// How much of a refusal is shown in a line.
const REASON_CHARS: usize = 80;

/// List what the upload node refused for good, or send it again
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DeadLettersArgs {
    #[command(flatten)]
    node: OperatorArgs,
    /// Send all dead letters again, in the order of the log
    #[arg(long)]
    retry: bool,
    /// Print JSON: a line for each dead letter, or with --retry a summary
    #[arg(long)]
    json: bool,
}

/// A page as the node gives it.
#[derive(Debug, Deserialize)]
struct Page {
    dead_letters: Vec<Value>,
    next: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Letter {
    sequence: u64,
    process: String,
    nonce: Option<u64>,
    part: String,
    id: String,
    status: u16,
    reason: String,
    refused_ms: u64,
}

/// What became of those that were sent again.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Retried {
    sent: u64,
    refused: u64,
    ended: Option<String>,
    #[serde(skip_serializing)]
    next: Option<u64>,
}

/// After how many items in a row that the upload node said nothing about the rest is left.
const SILENCES_MAX: u32 = 3;

/// Why not all was taken.
#[derive(Debug, thiserror::Error)]
pub enum RetryError {
    /// The upload node said nothing about one.
    #[error("not all was sent: {0}")]
    Ended(String),
    /// The upload node refused some.
    #[error("{} refused again; `quipu dead-letters` shows why", thousands(*.0))]
    Refused(u64),
}

impl DeadLettersArgs {
    /// Writes them, or what became of them, to `out`.
    ///
    /// # Errors
    /// When the node is not reached or refuses, or not all was taken.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let node = self.node.connect()?;
        runtime()?.block_on(async {
            if self.retry { self.send_again(&node, out).await } else { self.show(&node, out).await }
        })
    }

    async fn show(&self, node: &AdminClient, out: &mut dyn Write) -> Result<(), Failure> {
        let (mut path, mut shown) = ("/uploads/dead-letters".to_owned(), 0);
        loop {
            let page: Page = node.get(&path).await?;
            for letter in page.dead_letters {
                if self.json {
                    writeln!(out, "{letter}")?;
                } else {
                    if shown == 0 {
                        writeln!(out, "{HEAD}")?;
                    }
                    let letter = serde_json::from_value(letter)
                        .map_err(|error| ClientError::Answer { url: node.url().to_owned(), error })?;
                    writeln!(out, "{}", line(&letter))?;
                }
                shown += 1;
            }
            match page.next {
                Some(next) => path = format!("/uploads/dead-letters?after={next}"),
                None => break,
            }
        }
        if shown == 0 && !self.json {
            writeln!(out, "no dead letters")?;
        }
        Ok(())
    }

    async fn send_again(&self, node: &AdminClient, out: &mut dyn Write) -> Result<(), Failure> {
        let (mut path, mut all) = ("/uploads/dead-letters/retry".to_owned(), Retried::default());
        let mut silences = 0;
        loop {
            let some: Retried = node.post(&path, None).await?;
            silences = if some.ended.is_some() { silences + 1 } else { 0 };
            all.sent += some.sent;
            all.refused += some.refused;
            all.ended = some.ended.or(all.ended);
            match some.next {
                // One item may be the matter; a few in a row are the upload node.
                Some(next) if silences < SILENCES_MAX => {
                    path = format!("/uploads/dead-letters/retry?after={next}");
                }
                _ => break,
            }
        }
        if self.json {
            writeln!(out, "{}", serde_json::json!(all))?;
        } else {
            writeln!(out, "{} taken, {} refused again", thousands(all.sent), thousands(all.refused))?;
        }
        match all {
            Retried { ended: Some(reason), .. } => Err(RetryError::Ended(reason).into()),
            Retried { refused, .. } if refused > 0 => Err(RetryError::Refused(refused).into()),
            _ => Ok(()),
        }
    }
}

const HEAD: &str = "  SEQUENCE       NONCE  PART        STATUS  REFUSED                   PROCESS                                      ID                                           REASON";

fn line(letter: &Letter) -> String {
    let nonce = letter.nonce.map_or_else(|| "-".to_owned(), |nonce| nonce.to_string());
    let Letter { sequence, process, part, id, status, reason, refused_ms, .. } = letter;
    let (refused, reason) = (time(*refused_ms), excerpt(reason, REASON_CHARS));
    format!("{sequence:>10}  {nonce:>10}  {part:<10}  {status:>6}  {refused:<24}  {process}  {id}  {reason}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn the_columns_stand_below_their_heads() {
        let (process, id) = ("P".repeat(43), "I".repeat(43));
        let letter = serde_json::json!({
            "sequence": 1234, "process": process, "nonce": null, "part": "assignment", "id": id, "status": 400,
            "reason": "bad\nitem", "refused_ms": 1_700_000_000_123_u64,
        });
        let line = line(&serde_json::from_value(letter).unwrap());
        let at = |text: &str| (HEAD.find(text).unwrap(), HEAD.find(text).unwrap() + text.len());
        assert_eq!(&line[..at("SEQUENCE").1], "      1234");
        assert_eq!(&line[at("PART").0..], &line[line.find("assignment").unwrap()..]);
        assert_eq!(&line[at("STATUS").1 - 3..at("STATUS").1], "400");
        for (head, text) in [
            ("REFUSED", "2023-11-14T22:13:20.123Z"),
            ("PROCESS", &process),
            ("ID ", &id),
            ("REASON", "bad\\nitem"),
        ] {
            assert!(line[at(head).0..].starts_with(text), "{head}\n{HEAD}\n{line}");
        }
    }
}
