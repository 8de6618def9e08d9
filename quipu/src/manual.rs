//! `quipu manual`: the manual pages, which a package installs.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory};

use crate::cli::Cli;
use crate::failure::Failure;

const EXAMPLES: &str = "\
Examples:
  quipu manual ./man && man ./man/quipu.1

Exit codes: 0 done, 1 failed, 2 wrong usage or setting.";

/// Write the manual pages of all commands into a folder
#[derive(Debug, Args)]
#[command(hide = true, after_help = EXAMPLES)]
pub struct ManualArgs {
    /// The folder; it is made if it is not there
    folder: PathBuf,
}

impl ManualArgs {
    /// Writes a page for each command.
    ///
    /// # Errors
    /// When the folder cannot be made or written to.
    pub fn run(self, _out: &mut dyn Write) -> Result<(), Failure> {
        write(&self.folder).map_err(|error| Failure::Manual { path: self.folder, error })
    }
}

fn write(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    clap_mangen::generate_to(Cli::command(), folder)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;
    use crate::testing::quipu;

    #[test]
    fn there_is_a_page_for_each_command() {
        let folder = tempfile::tempdir().unwrap();
        let pages = folder.path().join("man");
        quipu(&["manual", pages.to_str().unwrap()]).unwrap();
        for name in ["quipu", "quipu-su", "quipu-standby", "quipu-backup-create", "quipu-config-check"] {
            let page = fs::read_to_string(pages.join(format!("{name}.1"))).unwrap();
            assert!(page.contains(".SH NAME") && page.contains(".SH SYNOPSIS"), "{name}: {page}");
        }
    }
}
