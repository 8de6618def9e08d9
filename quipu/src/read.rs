//! `quipu read`: the messages of a process, as they were ordered.

use std::io::Write;
use std::str::FromStr;
use std::time::Duration;

use ans104::{Id, IdError};
use clap::Args;
use protocol::{Nonce, ProcessId, tags};
use serde::Deserialize;
use serde_json::Value;

use crate::client::{
    ClientEdge, ClientError, ClientItem, ClientPage, NodeArgs, Pair, Range, SchedulerClient, runtime,
};
use crate::failure::Failure;
use crate::output::{excerpt, time};

/// As many as compute units ask for.
const PAGE_LIMIT: u32 = 1000;
/// How long `--follow` waits before it asks again.
const FOLLOW_INTERVAL: Duration = Duration::from_secs(1);
const EXCERPT_CHARS: usize = 60;

const EXAMPLES: &str = "\
Each line shows nonce, time, id, owner, action (or else type), and the beginning of the data.

Examples:
  quipu read $P                             all messages
  quipu read $P --from-nonce 41 --limit 1   the message with nonce 42
  quipu read $P --follow --json | jq        one JSON object per line, and new messages as they come
  quipu read $P/$M --raw > data             exactly the data of one message

Exit codes: 0 done, 1 failed (one line on standard error says why), 2 wrong usage or setting.";

/// Print the messages of a process, or one of them
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ReadArgs {
    /// The process; with /ID, only the message or assignment with that id
    #[arg(value_name = "PROCESS[/ID]", allow_hyphen_values = true)]
    target: Target,
    #[command(flatten)]
    node: NodeArgs,
    /// Only messages after this nonce
    #[arg(long, value_name = "N")]
    from_nonce: Option<u64>,
    /// Only messages up to this nonce, that one included
    #[arg(long, value_name = "N")]
    to_nonce: Option<u64>,
    /// The most messages to print [default: all]
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Wait for new messages at the end
    #[arg(long)]
    follow: bool,
    /// Print one JSON object per line, as the node sent it
    #[arg(long, conflicts_with = "raw")]
    json: bool,
    /// Print only the data: each followed by a line feed, or exactly that of one message
    #[arg(long)]
    raw: bool,
}

/// A process, or one message of it.
#[derive(Clone, Debug)]
struct Target {
    process: ProcessId,
    message: Option<Id>,
}

impl FromStr for Target {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        match text.split_once('/') {
            None => Ok(Self { process: text.parse()?, message: None }),
            Some((process, message)) => {
                Ok(Self { process: process.parse()?, message: Some(message.parse()?) })
            }
        }
    }
}

impl ReadArgs {
    /// Writes the messages to `out`.
    ///
    /// # Errors
    /// When the node is not reached or refuses, or nobody takes the output.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let scheduler = SchedulerClient::new(&self.node.url)?;
        match self.target.message {
            Some(id) => runtime()?.block_on(self.one(&scheduler, id, out)),
            None => runtime()?.block_on(self.all(&scheduler, out)),
        }
    }

    async fn one(&self, scheduler: &SchedulerClient, id: Id, out: &mut dyn Write) -> Result<(), Failure> {
        let process = self.target.process;
        let answer: Value = if id == process.id() {
            // Asked for by its own id, a process gives its messages, of which it is the first.
            let page: ClientPage<ClientEdge> =
                scheduler.page(process, Range { limit: 1, ..Range::default() }).await?;
            serde_json::json!(page.edges.first().map(|edge| &edge.node))
        } else {
            scheduler.message(process, id).await?
        };
        if self.json {
            return Ok(writeln!(out, "{answer}")?);
        }
        let pair = understood::<Pair>(scheduler, &answer)?;
        if self.raw {
            return Ok(out.write_all(data(&pair).as_bytes())?);
        }
        Ok(writeln!(out, "{}", line(&pair))?)
    }

    async fn all(&self, scheduler: &SchedulerClient, out: &mut dyn Write) -> Result<(), Failure> {
        let mut left = self.limit.unwrap_or(u64::MAX);
        let mut after = self.from_nonce.map(Nonce::new);
        let to = self.to_nonce.map(Nonce::new);
        while left > 0 {
            let limit = u32::try_from(left).map_or(PAGE_LIMIT, |left| left.min(PAGE_LIMIT));
            let range = Range { after, to, limit, show_anchor: false };
            let page: ClientPage<Value> = scheduler.page(self.target.process, range).await?;
            for answer in &page.edges {
                let edge = understood::<ClientEdge>(scheduler, answer)?;
                self.show(answer, &edge.node, out)?;
                let next = edge.cursor_nonce();
                after = Some(next.ok_or(ClientError::Cursor(edge.cursor))?);
                left = left.saturating_sub(1);
            }
            match (page.page_info.has_next_page, page.edges.is_empty()) {
                (true, true) => return Err(ClientError::EmptyPage.into()),
                (true, false) => {}
                (false, _) if self.follow && after < to.or(Some(Nonce::MAX)) => {
                    tokio::time::sleep(FOLLOW_INTERVAL).await;
                }
                (false, _) => break,
            }
        }
        Ok(())
    }

    fn show(&self, answer: &Value, pair: &Pair, out: &mut dyn Write) -> Result<(), Failure> {
        if self.json {
            writeln!(out, "{answer}")?;
        } else if self.raw {
            writeln!(out, "{}", data(pair))?;
        } else {
            writeln!(out, "{}", line(pair))?;
        }
        Ok(())
    }
}

fn understood<'a, T: Deserialize<'a>>(
    scheduler: &SchedulerClient,
    answer: &'a Value,
) -> Result<T, ClientError> {
    T::deserialize(answer).map_err(|error| ClientError::Answer { url: scheduler.url().to_owned(), error })
}

fn data(pair: &Pair) -> &str {
    pair.message.as_ref().and_then(|message| message.data.as_deref()).unwrap_or_default()
}

/// The message in one line; `-` stands for what is absent.
fn line(pair: &Pair) -> String {
    let says = pair.assignment.as_ref().map(ClientItem::assignment_tags).unwrap_or_default();
    let nonce = says.nonce().map_or_else(|| "-".to_owned(), |nonce| nonce.to_string());
    let at = says.timestamp().map_or_else(|| "-".to_owned(), |at| time(at.get()));
    let Some(message) = &pair.message else {
        let id = excerpt(says.message_text().unwrap_or("-"), EXCERPT_CHARS);
        return format!("{nonce:>6}  {at:24}  {id:43}  {:43}  on chain", "-");
    };
    let action = message.tag("Action").or_else(|| message.tag(tags::TYPE)).unwrap_or("-");
    let action = excerpt(action, EXCERPT_CHARS);
    let start = excerpt(data(pair), EXCERPT_CHARS);
    let line =
        format!("{nonce:>6}  {at:24}  {}  {}  {action:12}  {start}", message.id, message.owner.address);
    line.trim_end().to_owned()
}
