//! `quipu status`: how a node is doing, asked at its admin listener.

mod brief;
mod layout;
mod verdict;

use std::io::{IsTerminal, Write, stdout};
use std::pin::pin;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::client::{AdminArgs, AdminClient, ClientError, runtime};
use crate::failure::{Failure, chain};
use crate::output::{duration, time};
pub use brief::{findings, sentence};
pub use verdict::StatusVerdict;
use verdict::writes_refused;

/// How often a status that is watched is asked for.
const EVERY: Duration = Duration::from_secs(2);
/// After how long it is said that nothing comes.
const SILENCE: Duration = Duration::from_secs(3);
/// Clears a terminal.
const CLEAR: &str = "\x1b[H\x1b[2J";

const EXAMPLES: &str = "\
Examples:
  quipu status
  quipu status --all
  quipu status --admin http://10.0.0.5:9001 --token $TOKEN --json

Exit codes: 0 it is well, 1 look: something needs a look, 2 act: something has to be done, or it tells no checks (or wrong usage or setting), 3 no answer. \
With --serving: 0 the node takes messages or follows its leader, 1 it does not.";

/// Show how a node is doing
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct StatusArgs {
    #[command(flatten)]
    node: AdminArgs,
    /// Show all that the node tells
    #[arg(long, conflicts_with = "json")]
    all: bool,
    /// Print the status as JSON
    #[arg(long)]
    json: bool,
    /// Ask again every 2 seconds, until it is interrupted
    #[arg(long, conflicts_with = "serving")]
    watch: bool,
    /// Fail only if the node takes no messages and follows no leader: what starts nodes again should not do that because
    /// something needs a look
    #[arg(long)]
    serving: bool,
}

impl StatusArgs {
    /// Writes the status to `out`.
    ///
    /// # Errors
    /// When the node is not reached or refuses, or is not well.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let node = self.node.connect()?;
        let runtime = runtime()?;
        let ask = || runtime.block_on(ask(&node));
        if self.watch {
            return self.show_on(&runtime, &node, out);
        }
        let status =
            ask().map_err(|error| if self.serving { error.into() } else { Failure::NoAnswer(error) })?;
        self.show(&status, out)?;
        if self.serving {
            let refused = writes_refused(&status).map(str::to_owned);
            return refused.map_or(Ok(()), |reason| Err(Failure::WritesRefused(reason)));
        }
        match StatusVerdict::of(&status) {
            StatusVerdict::Well => Ok(()),
            verdict => Err(Failure::NotWell(verdict)),
        }
    }

    /// Shows it again and again, until nobody takes it any more. What does not answer may do so again.
    fn show_on(&self, runtime: &Runtime, node: &AdminClient, out: &mut dyn Write) -> Result<(), Failure> {
        loop {
            let mut asked = pin!(ask(node));
            let in_time = runtime.block_on(async { timeout(SILENCE, &mut asked).await });
            let answer = match in_time {
                Ok(answer) => answer,
                Err(_) => {
                    if !self.json {
                        let waited = duration(SILENCE.as_secs_f64());
                        writeln!(out, "no answer for {waited}: what is above was told before")?;
                        out.flush()?;
                    }
                    runtime.block_on(asked)
                }
            };
            if stdout().is_terminal() {
                // What goes to `out` is text for a terminal, and no order.
                stdout().write_all(CLEAR.as_bytes())?;
            }
            match answer {
                Ok(status) => {
                    self.show(&status, out)?;
                    if !self.json {
                        writeln!(out, "told at {}", time(now_ms()))?;
                    }
                }
                Err(error) if self.json => writeln!(out, "{}", json!({ "no_answer": chain(&error) }))?,
                Err(error) => writeln!(out, "no answer: {}", chain(&error))?,
            }
            out.flush()?;
            thread::sleep(EVERY);
        }
    }

    fn show(&self, status: &Value, out: &mut dyn Write) -> Result<(), Failure> {
        if self.json {
            writeln!(out, "{status}")?;
        } else if self.all {
            out.write_all(layout::render(status).as_bytes())?;
        } else {
            out.write_all(brief::render(status).as_bytes())?;
        }
        Ok(())
    }
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// The status with the checks in it.
async fn ask(node: &AdminClient) -> Result<Value, ClientError> {
    let mut status: Value = node.get("/status").await?;
    let checks = checks(node).await?;
    if let Some(fields) = status.as_object_mut() {
        fields.extend(checks.map(|checks| ("checks".to_owned(), checks)));
    }
    Ok(status)
}

/// What the node finds when it looks at itself; none from one that does not know how, or is too busy to look.
async fn checks(node: &AdminClient) -> Result<Option<Value>, ClientError> {
    match node.get_any::<Value>("/checks").await {
        Ok(mut answer) => Ok(answer.get_mut("checks").map(Value::take)),
        Err(ClientError::Refused { status: 404, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
