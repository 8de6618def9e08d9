//! `quipu send`: posts a message to a process.

use std::io::Write;

use clap::Args;
use protocol::{Nonce, ProcessId, tags, values};

use crate::client::{NodeArgs, Pair, SchedulerClient, runtime};
use crate::compose::{DataArg, TagArg, signed};
use crate::failure::Failure;
use crate::output::time;
use crate::stderr::say;
use crate::wallet::SignArgs;

const EXAMPLES: &str = "\
Examples:
  quipu send $P --action Eval --data '1 + 1'
  quipu send $P --action Transfer --tag Recipient=R --tag Quantity=5
  M=$(quipu send $P --data @picture.png) && quipu read $P/$M

Exit codes: 0 scheduled, 1 failed (one line on standard error says why), 2 wrong usage or setting.";

/// Send a message to a process and print the message's id; its nonce and time go to standard error
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct SendArgs {
    /// The process to send to
    #[arg(value_name = "PROCESS", allow_hyphen_values = true)]
    process: ProcessId,
    #[command(flatten)]
    node: NodeArgs,
    #[command(flatten)]
    sign: SignArgs,
    /// The value of the `Action` tag
    #[arg(long)]
    action: Option<String>,
    /// A tag; can be given several times. A tag of the protocol replaces the usual one
    #[arg(long, value_name = "NAME=VALUE")]
    tag: Vec<TagArg>,
    /// The data: text, @FILE for the content of a file, or - for standard input
    #[arg(long, value_name = "TEXT|@FILE|-", default_value = "", allow_hyphen_values = true)]
    data: DataArg,
    /// Print id, nonce and timestamp as JSON instead of the id alone
    #[arg(long)]
    json: bool,
}

impl SendArgs {
    /// Posts the message; its id, or more as JSON, goes to `out`.
    ///
    /// # Errors
    /// When there is no wallet, or the node is not reached or refuses.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let wallet = self.sign.load()?;
        let data = self.data.read()?;
        let scheduler = SchedulerClient::new(&self.node.url)?;
        let mut own = vec![(tags::TYPE, values::MESSAGE)];
        own.extend(self.action.as_deref().map(|action| ("Action", action)));
        let item = signed(&wallet, Some(self.process.id()), &own, &self.tag, &data)?;

        let runtime = runtime()?;
        let accepted = runtime.block_on(scheduler.post(item.into()))?;
        // The message is scheduled: that its nonce cannot be told is no failure.
        let told =
            accepted.id.parse().ok().and_then(|id| {
                runtime.block_on(scheduler.message::<Pair>(self.process, id)).ok()?.assignment
            });
        let nonce = told.and_then(|assignment| assignment.assignment_tags().nonce()).map(Nonce::get);
        if self.json {
            let (id, timestamp) = (&accepted.id, accepted.timestamp);
            return Ok(writeln!(
                out,
                "{}",
                serde_json::json!({"id": id, "nonce": nonce, "timestamp": timestamp})
            )?);
        }
        let nonce = nonce.map_or_else(|| "unknown".to_owned(), |nonce| nonce.to_string());
        say(format_args!("nonce {nonce} at {}", time(accepted.timestamp)));
        Ok(writeln!(out, "{}", accepted.id)?)
    }
}
