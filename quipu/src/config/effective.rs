//! What a node would run with: each setting with its value, where that comes from, and what it means.

use std::io::{self, Write};

use clap::{Arg, Command, CommandFactory};
use serde_json::{Value, json};

use super::findings::{FaultSearch, has_log, is_flag_of, is_given, name_of};
use super::variables::{ValueOrigin, Variables};
use crate::cli::Cli;
use crate::failure::Failure;
use crate::secret::{HIDDEN, without_secrets};
use crate::settings::{heed_existing, is_everywhere};

/// Commands that run a node, or what stands before nodes.
const ROLES: [&str; 3] = ["su", "standby", "router"];
/// How wide a line is.
const WIDTH: usize = 100;

/// One variable.
struct ShownSetting {
    name: String,
    /// None when nothing is set and there is no default.
    value: Option<String>,
    origin: ValueOrigin,
    meaning: String,
    /// Not worth a word where only what is set is shown.
    is_aside: bool,
}

/// All settings of a command.
pub(super) struct Effective {
    line: String,
    settings: Vec<ShownSetting>,
    /// Variables that are no settings of this command.
    others: Vec<ShownSetting>,
    problems: Vec<String>,
}

impl Effective {
    /// What these words of a command line would run with.
    ///
    /// # Errors
    /// When they name no command that has settings.
    pub(super) fn of(words: &[String], variables: &Variables) -> Result<Self, Failure> {
        let role = words.first().map(String::as_str).unwrap_or_default();
        let described = Cli::command();
        let command = ROLES.contains(&role).then(|| described.find_subcommand(role)).flatten();
        let command = command.ok_or_else(|| Failure::NoSettings(role.to_owned(), ROLES.join(", ")))?;
        let without = without_variables(described.clone());
        let problems = FaultSearch::new(&without, words, variables).all(command);
        let settings = command.get_arguments().filter_map(|arg| setting(arg, words, variables));
        Ok(Self {
            line: format!("quipu {}", shown_words(command, words).join(" ")),
            settings: settings.collect(),
            others: others(&described, command, words, variables),
            problems,
        })
    }

    /// What a node would not start with.
    pub(super) fn problems(&self) -> &[String] {
        &self.problems
    }

    /// The settings, with those that have their defaults or only without them, and whether it would start.
    pub(super) fn write(&self, out: &mut dyn Write, all: bool) -> io::Result<()> {
        writeln!(out, "{}", self.line)?;
        for setting in self.chosen(all) {
            setting.write(out)?;
        }
        match self.problems.is_empty() {
            true if all => {}
            true => writeln!(out, "\nIt would start with these settings.")?,
            false => writeln!(out, "\nIt would not start:")?,
        }
        self.problems.iter().try_for_each(|problem| writeln!(out, "  {problem}"))
    }

    /// The same as JSON.
    pub(super) fn to_json(&self, all: bool) -> Value {
        let settings: Vec<_> = self.chosen(all).map(ShownSetting::to_json).collect();
        json!({ "command": self.line, "settings": settings, "problems": self.problems })
    }

    fn chosen(&self, all: bool) -> impl Iterator<Item = &ShownSetting> {
        let settings =
            self.settings.iter().filter(move |setting| all || setting.origin != ValueOrigin::Default);
        settings.chain(self.others.iter().filter(move |other| all || !other.is_aside))
    }
}

impl ShownSetting {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let (name, value) = (&self.name, self.value.as_deref().unwrap_or("(not set)"));
        writeln!(out, "\n{name}={value}  [{}]", self.origin.shown())?;
        let mut line = String::new();
        for word in self.meaning.split_whitespace() {
            if !line.is_empty() && line.chars().count() + word.chars().count() > WIDTH {
                writeln!(out, "   {line}")?;
                line.clear();
            }
            line.push(' ');
            line.push_str(word);
        }
        writeln!(out, "   {line}")
    }

    fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "value": self.value,
            "origin": self.origin.shown(),
            "meaning": self.meaning,
        })
    }
}

/// The command line, without variables: what it is given is all that it has.
fn without_variables(command: Command) -> Command {
    command.mut_args(|arg| arg.env(None::<&'static str>)).mut_subcommands(without_variables)
}

fn setting(arg: &Arg, words: &[String], variables: &Variables) -> Option<ShownSetting> {
    let name = name_of(arg)?;
    let hides = arg.is_hide_env_values_set();
    let origin = if is_given(arg, words) { Some(ValueOrigin::Flag) } else { variables.origin(name) };
    let defaults = arg.get_default_values().iter().map(|value| value.to_string_lossy());
    let value = match origin {
        Some(_) if hides => Some(HIDDEN.to_owned()),
        Some(ValueOrigin::Flag) => given(arg, words),
        Some(_) => variables.get(name).map(|value| without_secrets(&value.to_string_lossy())),
        None => Some(defaults.collect::<Vec<_>>().join(",")).filter(|value| !value.is_empty()),
    };
    let mut meaning = arg.get_help().map(ToString::to_string).unwrap_or_default();
    if origin == Some(ValueOrigin::File) && variables.is_substituted(name) {
        meaning.push_str(
            ". The $ in its line begins the name of a variable, unless the value is in 'single quotes'",
        );
    }
    Some(ShownSetting {
        name: name.to_owned(),
        value,
        origin: origin.unwrap_or(ValueOrigin::Default),
        meaning,
        is_aside: false,
    })
}

/// The value that a command line gives an argument.
fn given(arg: &Arg, words: &[String]) -> Option<String> {
    let at = words.iter().position(|word| is_flag_of(arg, word))?;
    match (words.get(at)?.split_once('='), arg.is_require_equals_set()) {
        (Some((_, value)), _) => Some(without_secrets(value)),
        // What follows is not its value: it is a switch.
        (None, true) => Some("true".to_owned()),
        (None, false) => words.get(at + 1).map(|value| without_secrets(value)),
    }
}

/// The words of a command line without what is secret.
fn shown_words(command: &Command, words: &[String]) -> Vec<String> {
    let secret = |word: &str| {
        command.get_arguments().find(|arg| arg.is_hide_env_values_set() && is_flag_of(arg, word))
    };
    let mut is_next_secret = false;
    let shown = words.iter().map(|word| {
        let is_secret = std::mem::take(&mut is_next_secret);
        match (secret(word), word.split_once('=')) {
            _ if is_secret => HIDDEN.to_owned(),
            (Some(_), Some((flag, _))) => format!("{flag}={HIDDEN}"),
            (Some(_), None) => {
                is_next_secret = true;
                word.clone()
            }
            (None, Some((flag, value))) if flag.starts_with("--") => {
                format!("{flag}={}", without_secrets(value))
            }
            (None, _) => without_secrets(word),
        }
    });
    shown.collect()
}

/// Variables that this command does not read and that are known all the same, or stand in the file.
fn others(all: &Command, command: &Command, words: &[String], variables: &Variables) -> Vec<ShownSetting> {
    let is_setting = |name: &str| command.get_arguments().any(|arg| name_of(arg) == Some(name));
    let others = variables.names().filter(|name| !is_setting(name));
    let what = (command.get_name(), has_log(command, words, variables));
    others.filter_map(|name| other(all, what, name, variables)).collect()
}

fn other(
    all: &Command,
    (command, has_log): (&str, bool),
    name: &str,
    variables: &Variables,
) -> Option<ShownSetting> {
    let (value, origin) = (variables.get(name)?, variables.origin(name)?);
    let shown = without_secrets(&value.to_string_lossy());
    let (value, meaning) = match (heed_existing(command, name, value, has_log), reader(all, name)) {
        (Some(Ok(reason)), _) => (shown, format!("has no effect here: {reason}")),
        (Some(Err(_)), _) => (shown, "refused, see below".to_owned()),
        // Its value may be a secret there.
        (None, Some(reader)) => (HIDDEN.to_owned(), format!("is a setting of `quipu {reader}`")),
        (None, None) if origin == ValueOrigin::File => {
            (HIDDEN.to_owned(), "is no setting of quipu".to_owned())
        }
        (None, None) => return None,
    };
    let is_aside = origin == ValueOrigin::Environment && is_everywhere(name);
    Some(ShownSetting { name: name.to_owned(), value: Some(value), origin, meaning, is_aside })
}

/// The first command that reads a variable.
fn reader(command: &Command, name: &str) -> Option<String> {
    let reads = |command: &&Command| command.get_arguments().any(|arg| name_of(arg) == Some(name));
    command.get_subcommands().find_map(|below| {
        if reads(&below) {
            return Some(below.get_name().to_owned());
        }
        Some(format!("{} {}", below.get_name(), reader(below, name)?))
    })
}
