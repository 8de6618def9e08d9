//! `quipu rejoin`: a node whose place was taken becomes a standby.

use std::io::Write;
use std::path::Path;

use clap::Args;
use node::{Rejoined, rejoin};

use crate::client::runtime;
use crate::failure::Failure;
use crate::output::counted;
use crate::settings::{DataArgs, LeaderArgs, SettingError};

const EXAMPLES: &str = "\
For a node that led, and whose place a standby has taken; or for a standby whose log is another one than its leader's. The \
node must be stopped. Its log and what was made of that get other names, with the time and the term in them, and stay where \
they are: nothing is deleted. `quipu divergence` shows before, and afterwards too, what that log has and the other has not. \
The folder then is that of a standby without a log, and `quipu standby` fetches one. If this is killed, run it again.

Examples:
  quipu rejoin --from http://10.0.0.6:9001 --replicate-token-file token
  quipu standby --from http://10.0.0.6:9001 --replicate-token-file token

Exit codes: 0 done; 1 not done (one line on standard error says why), 2 wrong usage or setting.";

/// Make a node whose place was taken a standby, and set its log aside
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct RejoinArgs {
    #[command(flatten)]
    leader: LeaderArgs,

    #[command(flatten, next_help_heading = "Data")]
    data: DataArgs,
}

impl RejoinArgs {
    /// Sets the log aside, and says under which name.
    ///
    /// # Errors
    /// When the other node has not taken the place of this one, or the log cannot be set aside.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let folder = self.data.folder().to_owned();
        let (paths, other) = (self.data.paths(), self.leader.node().map_err(SettingError::from)?);
        let rejoined = runtime()?.block_on(rejoin(&paths, &other))?;
        Ok(out.write_all(described(&rejoined, other.url.as_str(), &folder).as_bytes())?)
    }
}

fn described(rejoined: &Rejoined, from: &str, folder: &Path) -> String {
    let Rejoined { store, leader, term, events, aside } = rejoined;
    let mut text = match events {
        Some(events) => format!("set aside what was here of store {store}, {}:\n", counted(*events, "event")),
        None => format!("what was here of store {store} had been set aside before\n"),
    };
    for path in aside {
        text += &format!("  {}\n", path.display());
    }
    text += &format!(
        "the folder is that of a standby: `quipu standby --su-data-dir {} --from {from}`, with the token of that node, fetches \
         the log of node {leader}, which is in term {term}\n",
        folder.display()
    );
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use log::{NodeId, StoreId, Term};

    use super::*;

    #[test]
    fn it_is_said_where_the_log_is() {
        let (store, leader) = (StoreId(NodeId::UNKNOWN.0), NodeId::UNKNOWN);
        let aside = vec!["data/log.aside-20261126T195453Z-term-1".into()];
        let rejoined = Rejoined { store, leader, term: Term(2), events: Some(1), aside };
        let text = described(&rejoined, "http://there/", Path::new("./data"));
        for told in [
            "1 event:",
            "data/log.aside-20261126T195453Z-term-1",
            "quipu standby --su-data-dir ./data --from http://there/",
            "term 2",
        ] {
            assert!(text.contains(told), "{told}: {text}");
        }
        let text = described(
            &Rejoined { events: None, aside: Vec::new(), ..rejoined },
            "http://there/",
            Path::new("d"),
        );
        assert!(text.contains("before"), "{text}");
    }
}
