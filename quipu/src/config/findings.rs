//! Everything that a node would not start with, and not only the first of it.
//!
//! Each value is parsed by itself first. What is left then is turned into options, subject by subject; each error names its
//! variable, so that this one is left out and the others come to light the next time.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, Command, Error, FromArgMatches};

use super::variables::Variables;
use crate::cli::Cli;
use crate::failure::chain;
use crate::settings::{heed_existing, is_log_there};

/// What stands for something that must be given and is not, or is wrong.
const PLACEHOLDER: &str = "-";

/// Looks for what is wrong.
pub(super) struct FaultSearch<'a> {
    /// The whole command line, which reads no variables.
    whole: &'a Command,
    /// The command with its arguments, without those that a parser refuses.
    words: Vec<String>,
    variables: Variables,
    /// What has been found to be wrong already; whatever else is said of these follows from that.
    named: BTreeSet<String>,
    found: Vec<String>,
}

impl<'a> FaultSearch<'a> {
    pub(super) fn new(whole: &'a Command, words: &[String], variables: &Variables) -> Self {
        let (named, found) = (BTreeSet::new(), Vec::new());
        Self { whole, words: words.to_vec(), variables: variables.clone(), named, found }
    }

    /// All that is wrong with this command, a line for each.
    pub(super) fn all(mut self, command: &Command) -> Vec<String> {
        self.existing(command);
        for arg in command.get_arguments() {
            self.value(command, arg);
        }
        while self.subjects(command) {}
        self.found
    }

    /// Variables of the existing scheduler that must not be ignored.
    fn existing(&mut self, command: &Command) {
        let is_setting = |name: &str| command.get_arguments().any(|arg| name_of(arg) == Some(name));
        let names = self.variables.names().filter(|name| !is_setting(name));
        let has_log = has_log(command, &self.words, &self.variables);
        let refused = names.filter_map(|name| {
            heed_existing(command.get_name(), name, self.variables.get(name)?, has_log)?.err()
        });
        self.found.extend(refused.map(|error| error.to_string()));
    }

    /// One setting by itself.
    fn value(&mut self, command: &Command, arg: &Arg) {
        let Some(name) = name_of(arg) else { return };
        if is_given(arg, &self.words) {
            return;
        }
        if self.variables.has_outer_space(name) {
            self.wrong(name, format!("{name} begins or ends with white space; leave it out"));
        } else if let Some(flag) = self.flag(arg) {
            let alone = command.clone().mut_args(|arg| arg.required(false).env(None::<&'static str>));
            if let Err(error) = alone.no_binary_name(true).try_get_matches_from([flag]) {
                self.wrong(name, format!("{name}: {}", first_words(&error)));
            }
        } else if arg.is_required_set() {
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            self.wrong(name, format!("{name} is not set: {help}"));
        }
    }

    /// All settings together, by subject; whether something new has come to light by which the next look may find more.
    fn subjects(&mut self, command: &Command) -> bool {
        let required = |arg: &&Arg| arg.is_required_set() && !is_given(arg, &self.words);
        let missing = command.get_arguments().filter(required).filter(|arg| self.flag(arg).is_none());
        let placeholders =
            missing.filter_map(|arg| Some(format!("--{}={PLACEHOLDER}", arg.get_long()?).into()));
        let flags = command.get_arguments().filter(|arg| !is_given(arg, &self.words));
        let flags = flags.filter_map(|arg| self.flag(arg)).chain(placeholders);
        let line = ["quipu", command.get_name()].map(OsString::from).into_iter();
        let given = self.words.iter().skip(1).map(OsString::from);
        let line: Vec<_> = line.chain(flags).chain(given).collect();
        let matches = self.whole.clone().try_get_matches_from(line);
        let cli = matches.and_then(|matches| Cli::from_arg_matches(&matches));
        match cli {
            Ok(cli) => {
                let errors = cli.problems();
                errors.iter().map(|error| self.subject(&chain(error))).fold(false, |any, new| any | new)
            }
            Err(error) => {
                self.found.push(first_words(&error));
                self.leave_out(command, &error)
            }
        }
    }

    /// Leaves out the flag that a parser refuses, with its value; whether there is one.
    fn leave_out(&mut self, command: &Command, error: &Error) -> bool {
        let Some(ContextValue::String(told)) = error.get(ContextKind::InvalidArg) else { return false };
        let flag = told.split([' ', '=', '[']).next().unwrap_or_default();
        let is_it = |word: &String| word.split('=').next() == Some(flag);
        let Some(at) = self.words.iter().skip(1).position(is_it).map(|at| at + 1) else { return false };
        let arg = command.get_arguments().find(|arg| is_flag_of(arg, flag));
        let takes_next =
            arg.is_some_and(|arg| arg.get_action().takes_values() && !arg.is_require_equals_set());
        let is_alone = !self.words.get(at).is_some_and(|word| word.contains('='));
        if let Some(name) = arg.and_then(name_of) {
            self.variables.remove(name);
            self.named.insert(name.to_owned());
        }
        let words = if takes_next && is_alone { 2 } else { 1 };
        let end = at.saturating_add(words).min(self.words.len());
        self.words.drain(at..end);
        true
    }

    /// Takes in what is wrong with a subject, and leaves out the variables that it names.
    fn subject(&mut self, text: &str) -> bool {
        let words = variables_in(text);
        if words.iter().any(|word| self.named.contains(*word)) || self.found.iter().any(|found| found == text)
        {
            return false;
        }
        self.found.push(text.to_owned());
        let set: Vec<_> =
            self.variables.names().filter(|name| words.contains(name)).map(str::to_owned).collect();
        for name in &set {
            self.variables.remove(name);
            self.named.insert(name.clone());
        }
        !set.is_empty()
    }

    fn wrong(&mut self, name: &str, text: String) {
        self.variables.remove(name);
        self.named.insert(name.to_owned());
        self.found.push(text);
    }

    /// The variable of an argument as the flag that means the same.
    fn flag(&self, arg: &Arg) -> Option<OsString> {
        let (long, value) = (arg.get_long()?, self.variables.get(name_of(arg)?)?);
        let mut flag = OsString::from(format!("--{long}"));
        if matches!(arg.get_action(), ArgAction::Set | ArgAction::Append) {
            flag.push("=");
            flag.push(value);
        }
        Some(flag)
    }
}

/// What may be variables in the words of an error. One without an underscore is a word like others, as URL is, unless the text
/// begins with it.
fn variables_in(text: &str) -> BTreeSet<&str> {
    let is_part = |character: char| character.is_ascii_uppercase() || "_0123456789".contains(character);
    let words = text.split(|character| !is_part(character)).enumerate();
    words.filter(|(place, word)| *place == 0 || word.contains('_')).map(|(_, word)| word).collect()
}

/// The variable of an argument.
pub(super) fn name_of(arg: &Arg) -> Option<&str> {
    arg.get_env()?.to_str()
}

/// Whether a command with these settings has a log, or gets it from elsewhere.
pub(super) fn has_log(command: &Command, words: &[String], variables: &Variables) -> bool {
    let value = |name: &str| -> Option<OsString> {
        let arg = command.get_arguments().find(|arg| name_of(arg) == Some(name))?;
        let Some(at) = words.iter().position(|word| is_flag_of(arg, word)) else {
            return variables.get(name).map(OsStr::to_owned);
        };
        let behind = words.get(at)?.split_once('=').map(|(_, value)| value);
        behind.or(words.get(at.saturating_add(1)).map(String::as_str)).map(OsString::from)
    };
    let path = |name| value(name).map(PathBuf::from);
    command.get_name() != "su"
        || value("GATE").is_some()
        || is_log_there(path("SU_FILE_DB_DIR").as_deref(), path("SU_DATA_DIR").as_deref())
}

/// Whether an argument is among the words of a command line.
pub(super) fn is_given(arg: &Arg, words: &[String]) -> bool {
    words.iter().any(|word| is_flag_of(arg, word))
}

/// Whether a word is the flag of an argument, with or without its value.
pub(super) fn is_flag_of(arg: &Arg, word: &str) -> bool {
    let flag = word.strip_prefix("--").and_then(|word| word.split('=').next());
    flag.is_some() && flag == arg.get_long()
}

/// What a parser says, without what it says of usage.
fn first_words(error: &Error) -> String {
    let text = error.to_string();
    let lines = text.lines().take_while(|line| !line.is_empty()).map(str::trim);
    let text = lines.collect::<Vec<_>>().join(" ");
    text.strip_prefix("error: ").map_or(text.clone(), str::to_owned)
}
