//! The environment variables of the program: those of its own environment, and the lines of `.env` as existing
//! deployments keep them.
//!
//! A variable that is set to nothing counts as not set, whichever it is: compose files give such. One that begins or
//! ends with white space is refused, since nobody means that, and a token would be a token that nobody can guess.

use std::env;
use std::ffi::OsStr;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, Error};

use crate::failure::Failure;

/// Makes environment variables of the lines of `.env`, in this folder or one above it; what is set already stays.
///
/// # Errors
/// When there is such a file and it cannot be read or understood. Its text is not in the error: it may be secret.
pub fn read_env_file() -> Result<(), Failure> {
    let reason = match dotenvy::dotenv() {
        Ok(_) => return Ok(()),
        Err(error) if error.not_found() => return Ok(()),
        Err(dotenvy::Error::LineParse(_, column)) => format!("a line breaks off at its character {column}"),
        Err(error) => error.to_string(),
    };
    Err(Failure::EnvFile(reason))
}

/// The command line, with arguments that know nothing of variables that are set to nothing.
pub fn without_empty(command: Command) -> Command {
    let command = command.mut_args(|arg| {
        let is_empty = arg.get_env().and_then(env::var_os).is_some_and(|value| value.is_empty());
        if is_empty { arg.env(None::<&'static str>) } else { arg }
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

/// The error, which knows of flags alone, with the variables that set the same.
pub fn with_variables(command: &Command, mut error: Error) -> Error {
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

/// The variable of the argument with this flag.
fn variable_of(command: &Command, flag: &str) -> Option<String> {
    // What is no flag, such as <DIR>, is the same setting as nothing else.
    let long = flag.strip_prefix("--")?;
    let is_it = |arg: &&Arg| arg.get_env().is_some() && arg.get_long() == Some(long);
    let own = command.get_arguments().find(is_it);
    let name = own.and_then(Arg::get_env).map(|name| name.to_string_lossy().into_owned());
    name.or_else(|| command.get_subcommands().find_map(|below| variable_of(below, flag)))
}

fn has_outer_space(value: &OsStr) -> bool {
    let text = value.to_string_lossy();
    text.trim().len() < text.len()
}
