//! `quipu repair`: cuts off what a power cut left half written, so that the log opens again.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use log::{RepairError, Seq, TornStore, examine_store};

use super::log_folder::{NoLogError, log_folder};
use crate::failure::Failure;
use crate::output::thousands;

const EXAMPLES: &str = "\
What was being written when the power went may be there in part. The log does not open then, since damage of what was \
acknowledged looks the same. This command tells them apart: it cuts off the end of the last file, if the log is whole \
without it and has everything that is known to have been acknowledged; else it refuses and changes nothing. What is cut off \
is kept in a file beside.

Examples:
  quipu repair ./data          shows what would be cut off, and asks
  quipu repair ./data --yes    does not ask

Exit codes: 0 done, or there was nothing to do; 1 not done (one line on standard error says why), 2 wrong usage or setting.";

/// Cut off the torn end of a log that does not open since a power cut
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct RepairArgs {
    /// The data folder of a node that is stopped, or the folder of its log
    dir: PathBuf,

    /// Do it without asking
    #[arg(long)]
    yes: bool,
}

/// Why nothing was cut off.
#[derive(Debug, thiserror::Error)]
pub enum LogRepairError {
    /// There is no log.
    #[error(transparent)]
    NoLog(#[from] NoLogError),
    /// It must not be, or cannot be.
    #[error(transparent)]
    Refused(#[from] RepairError),
    /// Nobody can be asked.
    #[error("nothing was changed: there is no terminal to ask at; --yes does it without asking")]
    NobodyToAsk,
    /// The answer was no.
    #[error("nothing was changed")]
    Declined,
}

impl RepairArgs {
    /// Shows what is torn, asks, and cuts it off; what was done goes to `out`.
    ///
    /// # Errors
    /// When it must not be cut off, or nobody wants it.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let path = log_folder(&self.dir).map_err(LogRepairError::from)?;
        let Some(torn) = examine_store(&path).map_err(LogRepairError::from)? else {
            writeln!(out, "nothing is torn in {}, and nothing was changed", path.display())?;
            return Ok(());
        };
        out.write_all(described(&path, &torn).as_bytes())?;
        out.flush()?;
        if !self.yes {
            let stdin = io::stdin();
            if !stdin.is_terminal() {
                return Err(LogRepairError::NobodyToAsk.into());
            }
            if !is_agreed(&mut stdin.lock(), out)? {
                return Err(LogRepairError::Declined.into());
            }
        }
        for kept in torn.cut().map_err(LogRepairError::from)? {
            writeln!(out, "cut off, and kept in {}", kept.display())?;
        }
        writeln!(out, "the node can be started; `quipu verify` checks all of the log")?;
        Ok(())
    }
}

/// What would be cut off, and what may be lost by that.
fn described(path: &Path, torn: &TornStore) -> String {
    let mut text = format!("the last write to {} was interrupted:\n", path.display());
    for end in &torn.ends {
        text += &format!(
            "  {}: a record {}; its {} bytes from byte {} on would be cut off\n",
            end.file.file_name().unwrap_or_default().display(),
            end.reason,
            thousands(end.len),
            thousands(end.at),
        );
    }
    text += &format!(
        "the log would end with {}; {} is known to have been acknowledged\n",
        event(torn.last, "no event at all"),
        event(torn.acknowledged, "nothing"),
    );
    text += "What comes after that in these bytes is lost. After a power cut the note of what was acknowledged may be some \
             seconds old: then some of it was acknowledged. A standby or a backup that has more is to be preferred.\n";
    text
}

fn event(seq: Option<Seq>, none: &str) -> String {
    seq.map_or_else(|| none.to_owned(), |seq| format!("event {}", thousands(seq.get())))
}

/// Whether somebody agrees, in a word that means nothing else.
fn is_agreed(answers: &mut dyn BufRead, out: &mut dyn Write) -> io::Result<bool> {
    write!(out, "Cut it off? Type yes: ")?;
    out.flush()?;
    let mut answer = String::new();
    answers.read_line(&mut answer)?;
    Ok(answer.trim() == "yes")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn only_yes_is_yes() {
        for (answer, agreed) in
            [("yes\n", true), (" yes ", true), ("", false), ("\n", false), ("y\n", false), ("no\n", false)]
        {
            assert_eq!(is_agreed(&mut answer.as_bytes(), &mut Vec::new()).unwrap(), agreed, "{answer:?}");
        }
    }
}
