//! The command line as a whole; each command's arguments are beside its code.

use std::io::Write;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::backups::BackupArgs;
use crate::bench::BenchArgs;
use crate::compare::CompareArgs;
use crate::completions::CompletionsArgs;
use crate::config::ConfigArgs;
use crate::dead_letters::DeadLettersArgs;
use crate::environment::{check, with_variables, without_empty};
use crate::export::ExportArgs;
use crate::failure::Failure;
use crate::import::{ImportArgs, MigrateToDiskArgs, MigrateToLocalArgs, ReuploadBundlesArgs};
use crate::location::LocationCommandArgs;
use crate::manual::ManualArgs;
use crate::moving::MoveArgs;
use crate::node::{
    DevArgs, DivergenceArgs, GateCommandArgs, HandoverArgs, MembersArgs, PromoteArgs, RejoinArgs, RepairArgs,
    StandbyArgs, SuArgs, VerifyArgs,
};
use crate::projections::ProjectionsArgs;
use crate::read::ReadArgs;
use crate::replay::ReplayArgs;
use crate::reupload::ReuploadArgs;
use crate::router::RouterCommandArgs;
use crate::send::SendArgs;
use crate::settings::SettingError;
use crate::spawn::SpawnArgs;
use crate::status::StatusArgs;
use crate::sync::SyncArgs;
use crate::top::TopArgs;
use crate::ui::UiArgs;
use crate::verify_item::VerifyItemArgs;
use crate::wallet::WalletArgs;

const EXAMPLES: &str = "\
Examples:
  quipu dev                                    run a node to develop against, in ./quipu-dev
  quipu wallet new                             make a wallet to sign with
  P=$(quipu spawn --tag Name=first)            spawn a process
  quipu send $P --action Eval --data '1 + 1'   send it a message
  quipu read $P --follow                       print its messages, and new ones as they come
  quipu bench                                  measure a node, and check what it does

Exit codes: 0 done, 1 failed (one line on standard error says why), 2 wrong usage or setting, 3 done, and not all is as it should be, \
or no answer, 130 a node stopped by a second signal. `quipu status --help` tells those of quipu status.";

/// An ao scheduler unit: it orders the messages of processes, signs that order, and serves it.
#[derive(Debug, Parser)]
#[command(name = "quipu", version, about, after_help = EXAMPLES, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Su(Box<SuArgs>),
    Standby(Box<StandbyArgs>),
    Router(Box<RouterCommandArgs>),
    Dev(DevArgs),
    Verify(VerifyArgs),
    VerifyItem(VerifyItemArgs),
    Repair(RepairArgs),
    Backup(Box<BackupArgs>),
    Sync(SyncArgs),
    Import(Box<ImportArgs>),
    Compare(CompareArgs),
    Export(ExportArgs),
    #[command(name = "migrate_to_disk")]
    MigrateToDisk(MigrateToDiskArgs),
    #[command(name = "migrate_to_local")]
    MigrateToLocal(MigrateToLocalArgs),
    #[command(name = "reupload_bundles")]
    ReuploadBundles(ReuploadBundlesArgs),
    Promote(PromoteArgs),
    Divergence(DivergenceArgs),
    Rejoin(RejoinArgs),
    Members(MembersArgs),
    Handover(HandoverArgs),
    Gate(GateCommandArgs),
    Move(Box<MoveArgs>),
    Status(StatusArgs),
    Top(TopArgs),
    Projections(ProjectionsArgs),
    Replay(Box<ReplayArgs>),
    DeadLetters(DeadLettersArgs),
    Reupload(ReuploadArgs),
    Location(Box<LocationCommandArgs>),
    Wallet(WalletArgs),
    Spawn(SpawnArgs),
    Send(SendArgs),
    Read(ReadArgs),
    Ui(UiArgs),
    Bench(Box<BenchArgs>),
    Config(ConfigArgs),
    Completions(CompletionsArgs),
    Manual(ManualArgs),
}

impl Cli {
    /// What this program was started with. Wrong usage, and asking for help, end it here.
    ///
    /// # Errors
    /// When a variable begins or ends with white space.
    pub fn read() -> Result<Self, Failure> {
        let command = without_empty(Self::command());
        let matches = command.clone().try_get_matches();
        let words = || std::env::args_os().skip(1);
        let matches = matches.unwrap_or_else(|error| with_variables(&Self::command(), words(), error).exit());
        check(&command, &matches)?;
        Ok(Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit()))
    }

    /// Runs the command; what it was asked for goes to `out`.
    ///
    /// # Errors
    /// When the command failed; [`Failure::report`] tells the user.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        match self.command {
            Command::Su(args) => args.run(out),
            Command::Standby(args) => args.run(out),
            Command::Router(args) => args.run(out),
            Command::Dev(args) => args.run(out),
            Command::Verify(args) => args.run(out),
            Command::VerifyItem(args) => args.run(out),
            Command::Repair(args) => args.run(out),
            Command::Backup(args) => args.run(out),
            Command::Sync(args) => args.run(out),
            Command::Import(args) => args.run(out),
            Command::Compare(args) => args.run(out),
            Command::Export(args) => args.run(out),
            Command::MigrateToDisk(args) => args.run(),
            Command::MigrateToLocal(args) => args.run(),
            Command::ReuploadBundles(args) => args.run(out),
            Command::Promote(args) => args.run(out),
            Command::Divergence(args) => args.run(out),
            Command::Rejoin(args) => args.run(out),
            Command::Members(args) => args.run(out),
            Command::Handover(args) => args.run(out),
            Command::Gate(args) => args.run(out),
            Command::Move(args) => args.run(out),
            Command::Status(args) => args.run(out),
            Command::Top(args) => args.run(out),
            Command::Projections(args) => args.run(out),
            Command::Replay(args) => args.run(out),
            Command::DeadLetters(args) => args.run(out),
            Command::Reupload(args) => args.run(out),
            Command::Location(args) => args.run(out),
            Command::Wallet(args) => args.run(out),
            Command::Spawn(args) => args.run(out),
            Command::Send(args) => args.run(out),
            Command::Read(args) => args.run(out),
            Command::Ui(args) => args.run(out),
            Command::Bench(args) => args.run(out),
            Command::Config(args) => args.run(out),
            Command::Completions(args) => args.run(out),
            Command::Manual(args) => args.run(out),
        }
    }

    /// What is wrong with the settings of a command that runs a node, at most one for each subject.
    pub(crate) fn problems(&self) -> Vec<SettingError> {
        match &self.command {
            Command::Su(args) => args.problems(),
            Command::Standby(args) => args.problems(),
            Command::Router(args) => args.problems(),
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use clap::Command;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_a_help_text_with_examples() {
        for command in Cli::command().get_subcommands_mut() {
            has_help(command);
            command.get_subcommands_mut().filter(|part| part.get_name() != "help").for_each(has_help);
        }
    }

    fn has_help(command: &mut Command) {
        let help = command.render_long_help().to_string();
        let name = command.get_name();
        assert!(command.get_about().is_some(), "{name} says nothing of itself");
        assert!(help.contains("Example"), "{name} has no examples");
        assert!(help.contains("Exit code"), "{name} says nothing of exit codes");
    }

    /// Paragraphs are lines, which clap wraps; nothing else is wider than a page.
    #[test]
    fn help_texts_fit_a_page() {
        for command in Cli::command().get_subcommands_mut() {
            let (name, help) = (command.get_name().to_owned(), command.render_long_help().to_string());
            let longest = help.lines().max_by_key(|line| line.chars().count()).unwrap_or_default();
            assert!(longest.chars().count() <= 100, "{name}: {longest}");
            let more = [command.get_after_help(), command.get_after_long_help()];
            for text in more.into_iter().flatten().map(ToString::to_string) {
                for (line, next) in text.lines().zip(text.lines().skip(1)) {
                    let is_broken =
                        [line, next].iter().all(|line| !line.is_empty() && !line.starts_with("  "));
                    assert!(!is_broken, "{name} breaks its lines: {line}");
                    assert!(!line.starts_with("  ") || line.chars().count() <= 100, "{name}: {line}");
                }
            }
        }
    }

    fn refused(line: &str) -> String {
        let error =
            Cli::command().try_get_matches_from(std::iter::once("quipu").chain(line.split_whitespace()));
        let words = line.split_whitespace().map(Into::into);
        with_variables(&Cli::command(), words, error.unwrap_err()).to_string()
    }

    #[test]
    fn a_wrong_value_is_told_with_its_variable() {
        for (line, told) in [
            (
                "su --su-wallet-path w --max-client-memory 256MiB",
                "the variable MAX_CLIENT_MEMORY and --max-client-memory",
            ),
            ("su", "the variable SU_WALLET_PATH and --su-wallet-path"),
            ("dev --log-format xml", "the variable LOG_FORMAT and --log-format"),
        ] {
            let text = refused(line);
            assert!(text.contains(told), "{line}: {text}");
        }
    }

    /// Nor is one that has a variable with another command alone.
    #[test]
    fn an_argument_without_a_flag_is_told_without_a_variable() {
        for line in ["verify", "repair", "backup verify", "send", "import", "export ./data --to postgres"] {
            let text = refused(line);
            assert!(!text.contains("the variable"), "{line}: {text}");
        }
    }

    /// One id in 64 begins like a flag, and one token that a node makes.
    #[test]
    fn an_id_or_a_token_may_begin_with_a_hyphen() {
        let id = format!("-7{}", "A".repeat(41));
        for line in [
            format!("send {id} --action Eval --data 1"),
            format!("send --action Eval {id}"),
            format!("read --json {id}"),
            format!("move {id} --to http://su2.example:9000 --token {id} --to-token {id}"),
            format!("status --token {id}"),
            format!("read {id}/{id} --raw"),
            format!("replay index --process {id}"),
            format!("reupload --process {id},{id} --since 0"),
            format!("import --from postgres --plan --process {id}"),
            format!("reupload_bundles {id},{id} 1760000000000 10"),
        ] {
            let words = std::iter::once("quipu").chain(line.split_whitespace());
            assert!(Cli::try_parse_from(words).is_ok(), "refused: quipu {line}");
        }
    }

    #[test]
    fn wrong_usage_is_refused() {
        for line in [
            "",
            "nonsense",
            "spawn --tag NoEquals",
            "spawn --tag =value",
            "spawn --module short",
            "send",
            "send not-an-id",
            "read not-an-id",
            "read --json --raw AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "bench --check-only",
            "bench --signer none",
            "bench --processes 0",
            "bench --connections 0",
            "completions tcsh",
            "replay",
            "replay index --from x",
            "replay index --cancel --resume",
            "replay index --offline --cancel",
            "reupload --since 0",
            "reupload --process short --since 0",
            "reupload --process AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "reupload --process AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA --since yesterday",
            "wallet",
            "location",
            "location check",
            "location check https://su.example --wallet short",
            "repair",
            "backup",
            "backup create",
            "backup prune d",
            "backup prune d --keep 0",
            "backup restore d 1",
            "backup restore d x --to r",
            "backup verify d x",
            "sync",
            "sync 5",
            "sync 0 --to d",
            "import",
            "import --from postgres",
            "import --from files --to d",
            "import --from postgres --plan --to d",
            "import --from postgres --plan --range 9-8",
            "compare",
            "compare http://a",
            "compare http://a http://b --at-once 0",
            "export",
            "export d",
            "export d --to postgres",
            "export d --to bundles",
            "divergence",
            "rejoin",
            "gate",
            "gate compact",
            "top -n 0",
            "top --sort size",
            "move AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "move AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA --to su2.example",
            "config",
            "manual",
            "config check --env",
        ] {
            let words = std::iter::once("quipu").chain(line.split_whitespace());
            assert!(Cli::try_parse_from(words).is_err(), "accepted: quipu {line}");
        }
    }
}
