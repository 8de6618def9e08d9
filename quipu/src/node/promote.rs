//! `quipu promote`: a standby takes the place of its leader.

use std::env;
use std::io::Write;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use log::StoreId;
use node::{CopyStanding, PromotionError, StandbyCopy};
use serde_json::Value;

use super::members::{query, tell_promoted};
use crate::client::{AdminArgs, runtime};
use crate::failure::Failure;
use crate::output::{duration, thousands, time};
use crate::settings::{AskingTlsArgs, DataArgs};

const EXAMPLES: &str = "\
The standby must be stopped, and so must its leader: two nodes that schedule give the same nonces twice. A standby may \
lack what its leader acknowledged last, so this is only done when somebody accepts that by naming the store. Who did is \
recorded in the log. What `quipu sync` copied is promoted in the same way, and is no copy from then on; so is a node whose \
place was taken, should it be the one that goes on.

Where several nodes keep the log together (REPLICATION_ACKS, --voter), the standby runs: it is asked with --admin, has the promises of enough others, gets what it lacks from them, and schedules at once.

Examples:
  quipu promote --admin http://10.0.0.6:9001 --token $TOKEN      asks a running standby with --voter
  quipu promote --su-data-dir ./standby      says how far the copy is, and changes nothing
  quipu promote --su-data-dir ./standby --accept-loss 1b4e28ba-2fa1-11d2-883f-0016d3cca427

Exit codes: 0 done; 1 not done, or the node does not schedule yet (one line on standard error says why), 2 wrong usage or setting.";

/// Let a standby take the place of its leader
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct PromoteArgs {
    /// Take over although events may be lost; STORE is the id of the store that is copied, which is shown without this
    #[arg(long, value_name = "STORE", value_parser = store)]
    accept_loss: Option<StoreId>,

    /// The admin listener of the node that is to lead, where it runs as one of several. QUIPU_ADMIN_URL does not count here: it
    /// names a node to look at, and not which one is to lead
    #[arg(long, value_name = "URL")]
    admin: Option<String>,

    /// The token of that listener, if the node has an ADMIN_TOKEN or is on another machine
    #[arg(long, env = "ADMIN_TOKEN", hide_env_values = true)]
    token: Option<String>,

    #[command(flatten)]
    tls: AskingTlsArgs,

    #[command(flatten, next_help_heading = "Data")]
    data: DataArgs,
}

/// Why a standby did not take over.
#[derive(Debug, thiserror::Error)]
pub enum PromoteError {
    /// It must not, or cannot.
    #[error(transparent)]
    Refused(#[from] PromotionError),
    /// Nobody accepts what may be lost.
    #[error(
        "nothing was changed; to take over all the same: quipu promote --su-data-dir {} --accept-loss {store}", .folder.display()
    )]
    NotAccepted {
        /// Where the copy is.
        folder: PathBuf,
        /// The store that is copied.
        store: StoreId,
    },
    /// The node has its term, and cannot schedule; why is told already.
    #[error("the node does not schedule yet")]
    NotYet,
}

impl PromoteArgs {
    /// Says how far the copy is and what may be lost, and takes over if that is accepted.
    ///
    /// # Errors
    /// When it is not accepted, or cannot be done.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        if let Some(admin) = &self.admin {
            return self.ask(admin, out);
        }
        let (memory, folder) = (self.data.memory(), self.data.folder().to_owned());
        let paths = self.data.paths();
        let copy = StandbyCopy::open(&paths, &memory).map_err(PromoteError::from)?;
        let standing = copy.standing().map_err(PromoteError::from)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        out.write_all(described(&standing, now).as_bytes())?;
        out.flush()?;
        let not_accepted = || PromoteError::NotAccepted { folder: folder.clone(), store: standing.store };
        let accepted = self.accept_loss.ok_or_else(not_accepted)?;
        let by = operator();
        let term = copy.take_over(accepted, &by).map_err(PromoteError::from)?;
        writeln!(
            out,
            "term {term} has begun with event {}; start the node with SU_WALLET_PATH=WALLET SU_DATA_DIR={} quipu su, where WALLET \
             is the old leader's wallet",
            thousands(standing.events),
            folder.display()
        )?;
        writeln!(
            out,
            "The old leader must not schedule any more, or nonces are given twice: see REPLICATE_PEERS in `quipu su --help`."
        )?;
        Ok(())
    }
}

impl PromoteArgs {
    /// Has a node that runs take over.
    fn ask(&self, admin: &str, out: &mut dyn Write) -> Result<(), Failure> {
        let node = AdminArgs::at(admin, self.token.clone(), self.tls.clone());
        let node = node.connect_to_change(self.data.folder())?;
        let by = operator();
        let store = self.accept_loss.map(|store| store.to_string());
        let mut parameters = vec![("by", by.as_str())];
        parameters.extend(store.as_deref().map(|store| ("accept_loss", store)));
        let path = format!("/promote{}", query(&parameters));
        let done: Value = runtime()?.block_on(node.post(&path, None))?;
        tell_promoted(&done, out)
    }
}

/// Who asks for it.
pub(crate) fn operator() -> String {
    let by = env::var("USER").ok().filter(|user| !user.trim().is_empty());
    by.unwrap_or_else(|| "an operator".to_owned())
}

/// How far the copy is, and what may be lost.
fn described(standing: &CopyStanding, now_ms: u64) -> String {
    let CopyStanding { store, node, fenced, unverified, term, events, newest } = standing;
    let node = node.map_or_else(|| "this folder".to_owned(), |node| format!("node {node}"));
    let fenced = if *fenced {
        "Another node has taken the place of this one: what that scheduled since is lost as well.\n"
    } else {
        ""
    };
    let unverified = if *unverified {
        "It began with a checkpoint that is not verified yet: that is done before it takes over, and takes its time.\n"
    } else {
        ""
    };
    let newest = newest.map_or_else(
        || "there is no assignment in it".to_owned(),
        |at| {
            let seconds = now_ms.saturating_sub(at.get()) / 1000;
            format!("its newest assignment is {} old, of {}", duration(seconds as f64), time(at.get()))
        },
    );
    format!(
        "{node} has a copy of store {store}: {} events up to term {term}; {newest}\n\
         What the leader scheduled after that is lost if this node takes over: clients were told that it is scheduled, and \
         this node does not know of it. If the disk of the leader is still there, start that instead, and let this node \
         catch up.\n{fenced}{unverified}",
        thousands(*events)
    )
}

pub(super) fn store(text: &str) -> Result<StoreId, String> {
    text.parse()
        .map(StoreId)
        .map_err(|_| "expected the id of a store, as 1b4e28ba-2fa1-11d2-883f-0016d3cca427".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use log::{NodeId, Term};
    use protocol::Timestamp;

    use super::*;

    #[test]
    fn it_is_said_how_far_the_copy_is() {
        let id = store("1b4e28ba-2fa1-11d2-883f-0016d3cca427").unwrap();
        store("1b4e28ba").unwrap_err();
        let newest = Some(Timestamp::new(1_795_229_851_981));
        let standing = CopyStanding {
            store: id,
            node: None,
            fenced: true,
            unverified: true,
            term: Term(3),
            events: 1_234,
            newest,
        };
        let text = described(&standing, 1_795_229_851_981 + 90_000);
        for told in [
            &id.to_string(),
            "1,234 events up to term 3",
            "2026-11-21T02:57:31.981Z",
            "is lost",
            "is lost as well",
            "not verified yet",
        ] {
            assert!(text.contains(told), "{told}: {text}");
        }
        let text = described(
            &CopyStanding {
                newest: None,
                node: Some(NodeId::UNKNOWN),
                fenced: false,
                unverified: false,
                ..standing
            },
            0,
        );
        assert!(
            text.contains("no assignment") && !text.contains("as well") && !text.contains("verified"),
            "{text}"
        );
    }
}
