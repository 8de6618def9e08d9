//! `quipu move`: a process goes from one node to another.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use node::{MoveJobForm, MoveOrderForm, MovedProcessForm};
use protocol::ProcessId;
use thiserror::Error;
use tokio::time::{Instant, sleep};
use uuid::Uuid;
use web::{Nullable, read_origin};

use crate::client::{AdminArgs, AdminClient, ClientError, OperatorArgs, runtime};
use crate::failure::Failure;
use crate::node::{operator, query};
use crate::output::thousands;
use crate::settings::DATA_DIR;

const EXAMPLES: &str = "\
Examples:
  quipu move $P --to http://su2.example --to-admin http://10.0.0.6:9001 --admin http://10.0.0.5:9001
  quipu move $P --to http://127.0.0.1:9010     both nodes are on this machine
  quipu move $P --back $STORE                  it was on its way to a store that is lost
  quipu move $P --to http://127.0.0.1:9010 --stay http://127.0.0.1:9000   it stays after all

The node that it goes to copies and verifies its history while the other one serves it. That one ends it then, and leads whoever \
asks for it to --to for ever; the other goes on with the next nonce. Nothing of the history comes through this machine.

Whatever is killed meanwhile, the same command again goes on from there: the process is either where it was, or on its way to \
--to and nowhere else. Should the store of that node be lost on the way, --back with its id has the node that had the process go on \
with it. That the other store never had all of it is your word, which the log keeps: it would be in two places otherwise.

A move that is not gone on with is told by the check moves of the node that the process goes to, and of the one that had it once that has ended it (quipu status, GET /moves). As long as the process was not ended where it is, --stay with the URL at which clients find it there ends such a move: the node at --to leads there then. Of two moves at once the one that comes too late ends by itself. Both nodes have to have the same wallet. Routers in front of them learn it by themselves.

Exit codes: 0 it has moved; 1 it has not (one line on standard error says why), 2 wrong usage or setting.";

/// How often it is asked how far that is, and for how long a node may be away meanwhile.
const ASK_EVERY: Duration = Duration::from_millis(200);
const AWAY_MAX: Duration = Duration::from_secs(30);

/// Move a process to another node
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct MoveArgs {
    /// The process
    #[arg(allow_hyphen_values = true)]
    process: ProcessId,
    /// Where clients, and the node that has it, find the node that it goes to
    #[arg(long, value_name = "URL", value_parser = origin, required_unless_present = "back")]
    to: Option<String>,
    /// Take it back instead from this store, which is lost and never had all of it
    #[arg(long, value_name = "STORE", conflicts_with_all = ["to", "to_admin", "to_token", "from", "stay"])]
    back: Option<Uuid>,
    /// Have it stay where it is instead, which clients find at this URL: what has come to the node at --to is left, and it leads there
    #[arg(long, value_name = "URL", value_parser = origin, requires = "to")]
    stay: Option<String>,
    /// The admin listener of that node; without it at the port after that of --to
    #[arg(long, value_name = "URL", value_parser = origin)]
    to_admin: Option<String>,
    /// Its token, if it is another one than --token
    #[arg(long, value_name = "TOKEN", allow_hyphen_values = true)]
    to_token: Option<String>,
    /// Its data folder, for the token that a node on this machine without an ADMIN_TOKEN has made
    #[arg(long, value_name = "DIR", default_value = DATA_DIR)]
    to_data_dir: PathBuf,
    /// The admin listener of the node that has it, as the other one reaches it; without it as this machine does, with --admin
    #[arg(long, value_name = "URL", value_parser = origin)]
    from: Option<String>,
    #[command(flatten)]
    node: OperatorArgs,
}

/// A process did not move.
#[derive(Debug, Error)]
pub enum MoveError {
    /// The other node says why.
    #[error("it has not moved: {0}. The same command again goes on from there")]
    Failed(String),
    /// It says that it does not do this.
    #[error("it does not move: {0}")]
    Refused(String),
    /// There is no port after it.
    #[error("--to-admin is missing: {0} has no port that another one comes after")]
    NoAdmin(String),
}

impl MoveArgs {
    /// Has it move, and says when it has.
    ///
    /// # Errors
    /// When a node is not reached, or it has not moved.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let source = self.node.connect()?;
        let Some(to) = self.to.clone() else { return self.take_back(&source, out) };
        let admin = match &self.to_admin {
            Some(admin) => admin.clone(),
            None => next_port(&to).ok_or_else(|| MoveError::NoAdmin(to.clone()))?,
        };
        let token = self.to_token.clone().or_else(|| self.node.token());
        let target = AdminArgs::at(&admin, token, self.node.tls()).connect_to_change(&self.to_data_dir)?;
        let (moved, leads) = runtime()?.block_on(async {
            let moved = self.bring(&source, &target, &to).await?;
            Ok::<_, Failure>((moved, self.leads(&source).await))
        })?;
        if self.stay.is_some() {
            let at = moved.url.0.unwrap_or_default();
            writeln!(out, "process {} does not move: it is at {at}, and {to} leads there", self.process)?;
            return Ok(());
        }
        let (events, version) = (thousands(moved.next), moved.version);
        writeln!(out, "process {} has moved to {to}: {events} nonces, move {version}", self.process)?;
        let Some((url, unsent)) = leads else { return Ok(()) };
        let had = source.url();
        if unsent > 0 {
            let count = thousands(unsent);
            writeln!(
                out,
                "at least {count} of its events are not uploaded yet: that is left to {had}, where `quipu status` says when \
                 uploads have caught up. Do not switch it off before"
            )?;
        }
        // It was ended by an order before this one, which is for ever.
        if url != to {
            writeln!(
                out,
                "who comes to {had} is led to {url} for ever, as the order said by which it was ended there: have a node of \
                 the new store answer at that address. A router leads to whoever leads the store"
            )?;
        }
        Ok(())
    }

    /// Has the node that had it go on with it.
    fn take_back(&self, source: &AdminClient, out: &mut dyn Write) -> Result<(), Failure> {
        let lost = self.back.map(|store| store.to_string()).unwrap_or_default();
        let path = format!("/moves/{}/back{}", self.process, query(&[("lost", &lost), ("by", &operator())]));
        let back: MovedProcessForm = runtime()?.block_on(source.post(&path, None))?;
        let (events, version) = (thousands(back.next), back.version);
        writeln!(
            out,
            "process {} goes on at {}: {events} nonces, move {version}",
            self.process,
            source.url()
        )?;
        Ok(())
    }

    /// Where the node that had it leads clients, and how much of it that has still to upload, if it can be asked.
    async fn leads(&self, source: &AdminClient) -> Option<(String, u64)> {
        let told = source.fetch_told::<MovedProcessForm>(&format!("/moves/{}", self.process)).await;
        let (now, _) = told.ok().filter(|(now, _)| now.state == "moved")?;
        Some((now.url.0?, now.unsent.0.unwrap_or(0)))
    }

    async fn bring(
        &self,
        source: &AdminClient,
        target: &AdminClient,
        to: &str,
    ) -> Result<MovedProcessForm, Failure> {
        let path = format!("/moves/{}", self.process);
        let (there, _) = target.fetch_told::<MovedProcessForm>(&path).await?;
        let token = match source.fetch_told::<MovedProcessForm>(&path).await {
            Ok((_, token)) => token,
            // It has come, and nobody is needed any more where it came from.
            Err(ClientError::Unreachable { .. }) if self.is_done(&there) => return Ok(there),
            Err(error) => return Err(error.into()),
        };
        let order = MoveOrderForm {
            process: self.process.to_string(),
            from: self.from.clone().unwrap_or_else(|| source.url().to_owned()),
            token,
            url: self.stay.as_deref().unwrap_or(to).to_owned(),
            off: self.stay.is_some(),
        };
        let order = serde_json::to_value(order).map_err(|error| MoveError::Failed(error.to_string()))?;
        target.post::<MovedProcessForm>("/moves", Some(order)).await?;
        let mut heard = Instant::now();
        loop {
            sleep(ASK_EVERY).await;
            let now = match target.fetch_told::<MovedProcessForm>(&path).await {
                Ok((now, _)) => now,
                Err(ClientError::Unreachable { .. }) if heard.elapsed() < AWAY_MAX => continue,
                Err(error) => return Err(error.into()),
            };
            heard = Instant::now();
            let reason = match &now.job.0 {
                Some(MoveJobForm { state, .. }) if state == "running" => continue,
                Some(MoveJobForm { state, reason: Nullable(Some(reason)), .. }) if state == "refused" => {
                    return Err(MoveError::Refused(reason.clone()).into());
                }
                Some(MoveJobForm { reason: Nullable(Some(reason)), .. }) => reason.clone(),
                _ if self.is_done(&now) => return Ok(now),
                Some(_) => "nobody knows why".to_owned(),
                None => "the node that it goes to was started again meanwhile".to_owned(),
            };
            return Err(MoveError::Failed(reason).into());
        }
    }

    /// Whether the process is at the node that says so, and came there; or came there no more, where that was asked for.
    fn is_done(&self, now: &MovedProcessForm) -> bool {
        match &self.stay {
            Some(_) => now.state == "off",
            None => now.state == "here" && now.version > 0,
        }
    }
}

fn origin(text: &str) -> Result<String, String> {
    read_origin(text).ok_or_else(|| "expected http://host:port or https://host".to_owned())
}

/// The same origin at the port after that which it names.
fn next_port(origin: &str) -> Option<String> {
    let (host, port) = origin.rsplit_once(':')?;
    let port: u16 = port.parse().ok()?;
    Some(format!("{host}:{}", port.checked_add(1)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_admin_listener_is_at_the_next_port() {
        assert_eq!(next_port("http://127.0.0.1:9000").as_deref(), Some("http://127.0.0.1:9001"));
        assert_eq!(next_port("http://[::1]:9000").as_deref(), Some("http://[::1]:9001"));
        for none in ["https://su2.example", "http://[::1]", "http://su2.example:65535"] {
            assert_eq!(next_port(none), None, "{none}");
        }
    }
}
