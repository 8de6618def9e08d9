//! `quipu completions`: scripts that complete the command line in a shell.

use std::io::Write;

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use crate::cli::Cli;
use crate::failure::Failure;

const EXAMPLES: &str = "\
Examples:
  source <(quipu completions bash)
  quipu completions zsh > ~/.zfunc/_quipu
  quipu completions fish > ~/.config/fish/completions/quipu.fish

Exit codes: 0 done, 2 wrong usage or setting.";

/// Print a script that completes quipu's commands in your shell
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

impl CompletionsArgs {
    /// Writes the script to `out`.
    ///
    /// # Errors
    /// When nobody takes the output.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        // The generator takes write errors for bugs, so it writes to memory.
        let mut script = Vec::new();
        generate(self.shell, &mut Cli::command(), "quipu", &mut script);
        Ok(out.write_all(&script)?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use crate::testing::quipu;

    #[test]
    fn scripts_know_the_commands() {
        for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
            let script = quipu(&["completions", shell]).unwrap();
            for command in ["spawn", "bench", "completions"] {
                assert!(script.contains(command), "{shell} does not know {command}");
            }
        }
    }
}
