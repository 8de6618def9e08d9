//! `quipu router`: one door in front of many schedulers, and the commands that ask and change a running one.

mod fleet;
mod run;

use std::io::Write;

use clap::{Args, Subcommand};

use crate::failure::Failure;
use crate::settings::SettingError;
use fleet::{AcceptArgs, AddArgs, FleetListArgs, ForgetArgs, RetireArgs, WhereArgs};
use run::RunArgs;

const EXAMPLES: &str = "\
Examples:
  SCHEDULER_LIST_PATH=schedulers.json quipu router     on port 9000, admin listener on port 9001
  quipu router 9500 --router-mode forward
  quipu router list                                    the schedulers, and how they do
  quipu router add http://10.0.0.5:9000
  quipu router retire http://10.0.0.5:9000
  quipu router forget http://10.0.0.7:9000             it leads a store that it should not
  quipu router accept http://10.0.0.5:9000             go on without what it lost
  quipu router where $P

Every option can also be set as an environment variable, or on a line of ./.env. SIGHUP has the list of schedulers read again, \
SIGTERM and Ctrl-C stop the router; a second one stops it at once, which loses nothing that was answered.

Exit codes: 0 stopped as told, 1 failed (the last line on standard error says why), 2 wrong usage or setting, 130 stopped at once.";

/// Run a router in front of schedulers, or ask a running one
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct RouterCommandArgs {
    #[command(subcommand)]
    command: Option<RouterCommand>,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Debug, Subcommand)]
enum RouterCommand {
    #[command(after_help = EXAMPLES)]
    List(FleetListArgs),
    #[command(after_help = EXAMPLES)]
    Add(AddArgs),
    #[command(after_help = EXAMPLES)]
    Retire(RetireArgs),
    #[command(after_help = EXAMPLES)]
    Forget(ForgetArgs),
    #[command(after_help = EXAMPLES)]
    Accept(AcceptArgs),
    #[command(after_help = EXAMPLES)]
    Where(WhereArgs),
}

impl RouterCommandArgs {
    /// What is wrong with the settings of a router, at most one for each subject.
    pub(crate) fn problems(&self) -> Vec<SettingError> {
        self.run.problems()
    }

    /// Runs a router until it is told to stop, or asks one.
    ///
    /// # Errors
    /// When a setting is wrong, or what is needed cannot be had.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        match self.command {
            None => self.run.run(),
            Some(RouterCommand::List(args)) => args.run(out),
            Some(RouterCommand::Add(args)) => args.run(out),
            Some(RouterCommand::Retire(args)) => args.run(out),
            Some(RouterCommand::Forget(args)) => args.run(out),
            Some(RouterCommand::Accept(args)) => args.run(out),
            Some(RouterCommand::Where(args)) => args.run(out),
        }
    }
}
