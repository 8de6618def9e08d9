//! The environment variables of the program: those of its own environment, and the lines of `.env` as existing
//! deployments keep them.
//!
//! A variable that is set to nothing counts as not set, whichever it is: compose files give such. One that begins or
//! ends with white space is refused, since nobody means that, and a token would be a token that nobody can guess.

use std::collections::BTreeSet;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, Error};

use crate::failure::Failure;

/// What a file of settings has added to the environment.
#[derive(Debug)]
pub struct EnvFile {
    /// The file.
    pub path: PathBuf,
    /// The variables that were not set before.
    pub names: BTreeSet<String>,
    /// Those of which the line names another variable.
    pub substituted: BTreeSet<String>,
}

static ENV_FILE: OnceLock<EnvFile> = OnceLock::new();

/// The file of settings that was read, if one was.
pub fn env_file() -> Option<&'static EnvFile> {
    ENV_FILE.get()
}

/// Makes environment variables of the lines of `.env`, in this folder or one above it; what is set already stays. Nothing
/// is read where the command line names another file.
///
/// # Errors
/// When there is such a file and it cannot be read or understood. Its text is not in the error: it may be secret.
pub fn read_env_file() -> Result<(), Failure> {
    if names_env_file(env::args_os().skip(1)) {
        return Ok(());
    }
    match remember(dotenvy::dotenv) {
        Err(error) if error.not_found() || is_hidden(&error) => Ok(()),
        read => read.map_err(|error| unreadable(Path::new(".env"), &error)),
    }
}

/// Whether a folder is where whoever runs this must not look, as `sudo -u quipu` in the home of another user, so that nobody knows
/// of a file there. One that is seen and must not be read is an error.
fn is_hidden(error: &dotenvy::Error) -> bool {
    let is_denied = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    let hides = |folder: &Path| folder.join(".env").metadata().is_err_and(|error| is_denied(&error));
    matches!(error, dotenvy::Error::Io(error) if is_denied(error))
        && env::current_dir().is_ok_and(|here| here.ancestors().any(hides))
}

/// Makes environment variables of the lines of this file; what is set already stays.
///
/// # Errors
/// When it cannot be read or understood.
pub fn read_named_env_file(path: &Path) -> Result<(), Failure> {
    let read = || dotenvy::from_path(path).map(|()| path.to_owned());
    remember(read).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &dotenvy::Error) -> Failure {
    let reason = match error {
        dotenvy::Error::LineParse(line, column) => {
            let number = fs::read_to_string(path).ok().and_then(|text| line_number(&text, line));
            let line = number.map_or("a line".to_owned(), |number| format!("line {number}"));
            format!("{line} breaks off at its character {column}")
        }
        error => error.to_string(),
    };
    Failure::EnvFile { path: path.to_owned(), reason }
}

/// Where the end of a line is in a text, counted from 1: of a value that cannot be read no more is told.
fn line_number(text: &str, end: &str) -> Option<usize> {
    let ends_one = |at: usize| {
        text.get(at + end.len()..).is_some_and(|rest| rest.is_empty() || rest.starts_with(['\r', '\n']))
    };
    let (at, _) = text.match_indices(end).find(|(at, _)| ends_one(*at))?;
    text.get(..at).map(|before| before.matches('\n').count() + 1)
}

/// Reads a file into the environment, and remembers which variables are from there.
fn remember(read: impl FnOnce() -> dotenvy::Result<PathBuf>) -> dotenvy::Result<()> {
    let names = || env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let before: BTreeSet<String> = names().collect();
    let path = read()?;
    let substituted = fs::read_to_string(&path).map(|text| substituted(&text)).unwrap_or_default();
    let path = env::current_dir()
        .ok()
        .and_then(|here| Some(path.strip_prefix(here).ok()?.to_owned()))
        .unwrap_or(path);
    let names = names().filter(|name| !before.contains(name)).collect();
    // One file is read by a program.
    let _ = ENV_FILE.set(EnvFile { path, names, substituted });
    Ok(())
}

/// The variables in the lines of a file that have a $ of which more is made than a $.
fn substituted(text: &str) -> BTreeSet<String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.strip_prefix("export ").unwrap_or(line).split_once('='));
    let has_name = |value: &str| !value.trim().starts_with('\'') && value.replace("\\$", "").contains('$');
    pairs.filter(|(_, value)| has_name(value)).map(|(name, _)| name.trim().to_owned()).collect()
}

/// Whether these arguments are those of `quipu config`, with a file of their own.
fn names_env_file(mut args: impl Iterator<Item = OsString>) -> bool {
    let names_one = |arg: OsString| arg == "--env" || arg.to_string_lossy().starts_with("--env=");
    args.next().is_some_and(|command| command == "config") && args.any(names_one)
}

/// The command line, with arguments that know nothing of variables that are set to nothing, and of which no help shows what a
/// variable is set to, for that may be secret.
pub fn without_empty(command: Command) -> Command {
    let command = command.mut_args(|arg| {
        let is_empty = arg.get_env().and_then(env::var_os).is_some_and(|value| value.is_empty());
        let arg = if is_empty { arg.env(None::<&'static str>) } else { arg };
        arg.hide_env_values(true)
    });
    command.mut_subcommands(without_empty)
}

/// Refuses a variable that was used and begins or ends with white space.
pub fn check(command: &Command, matches: &ArgMatches) -> Result<(), Failure> {
    for arg in command.get_arguments() {
        let Some(name) = arg.get_env() else { continue };
        if matches.value_source(arg.get_id().as_str()) == Some(ValueSource::EnvVariable)
            && env::var_os(name).is_some_and(|value| has_outer_space(&value))
        {
            return Err(Failure::OuterSpace(name.to_string_lossy().into_owned()));
        }
    }
    match matches.subcommand() {
        Some((name, matches)) => command.find_subcommand(name).map_or(Ok(()), |below| check(below, matches)),
        None => Ok(()),
    }
}

/// The error, which knows of flags alone, with the variables that set the same for the command that these words name.
pub fn with_variables(command: &Command, words: impl Iterator<Item = OsString>, mut error: Error) -> Error {
    let command = named(command, words);
    let flags = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(flag)) => vec![flag.clone()],
        Some(ContextValue::Strings(flags)) => flags.clone(),
        _ => return error,
    };
    let tips = flags.iter().filter_map(|flag| {
        let flag = flag.split_whitespace().next()?;
        let name = variable_of(command, flag)?;
        Some(StyledStr::from(format!("the variable {name} and {flag} are one setting")))
    });
    let tips: Vec<_> = tips.collect();
    if !tips.is_empty() {
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
    }
    error
}

/// The command that words name, which come first.
fn named(mut command: &Command, words: impl Iterator<Item = OsString>) -> &Command {
    for word in words {
        let Some(below) = command.find_subcommand(&word) else { break };
        command = below;
    }
    command
}

/// The variable of the argument with this flag.
fn variable_of(command: &Command, flag: &str) -> Option<String> {
    // What is no flag, such as <DIR>, is the same setting as nothing else.
    let long = flag.strip_prefix("--")?;
    let arg = command.get_arguments().find(|arg| arg.get_long() == Some(long))?;
    arg.get_env().map(|name| name.to_string_lossy().into_owned())
}

/// Whether a value begins or ends with white space.
pub fn has_outer_space(value: &OsStr) -> bool {
    let text = value.to_string_lossy();
    text.trim().len() < text.len()
}
