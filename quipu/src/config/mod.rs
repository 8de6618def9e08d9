//! `quipu config`: what a node would run with, and whether it would start with that. Everything is taken from the command
//! line's own description of its settings and from the table of the existing scheduler's variables.

mod effective;
mod findings;
mod variables;

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::environment::read_named_env_file;
use crate::failure::Failure;
use effective::Effective;
use variables::Variables;

const EXAMPLES: &str = "\
Examples:
  quipu config check                          would `quipu su` start here?
  quipu config check --env /etc/quipu/standby.env standby 9100
  quipu config check router 9000
  quipu config print --json su 9000 --enable-metrics true

The command whose settings are meant is `su` unless another one is named; it comes last, with its own flags. Secrets are \
not shown. Settings alone are looked at: whether ports are free and folders are a node's is seen when it starts.

Exit codes: 0 a node starts with these settings (or they were printed), 1 failed, 2 a setting is wrong, and which ones.";

/// Show the settings of a node, where each comes from and what it means, and check them
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ConfigArgs {
    #[command(subcommand)]
    task: ConfigTask,
}

#[derive(Debug, Subcommand)]
enum ConfigTask {
    /// Name everything that a node would not start with, and show what is set
    #[command(after_help = EXAMPLES)]
    Check(SettingsArgs),
    /// Show every setting, those that are not set included
    #[command(after_help = EXAMPLES)]
    Print(SettingsArgs),
}

/// Of which node, and with which file.
#[derive(Debug, Args)]
struct SettingsArgs {
    /// The file of settings, in the place of ./.env
    #[arg(long, value_name = "FILE")]
    env: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The command that runs the node, with its arguments
    #[arg(value_name = "COMMAND", default_value = "su", trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

impl ConfigArgs {
    /// Writes the settings to `out`.
    ///
    /// # Errors
    /// When the file cannot be read, or, where that is asked, when a setting is wrong.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let (args, checks) = match self.task {
            ConfigTask::Check(args) => (args, true),
            ConfigTask::Print(args) => (args, false),
        };
        if let Some(path) = &args.env {
            read_named_env_file(path)?;
        }
        let effective = Effective::of(&args.words, &Variables::read())?;
        if args.json {
            writeln!(out, "{}", effective.to_json(!checks))?;
        } else {
            effective.write(out, !checks)?;
        }
        if checks && !effective.problems().is_empty() { Err(Failure::WrongSettings) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
