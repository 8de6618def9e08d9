//! What is set, and where.

use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};

use crate::environment::{env_file, has_outer_space};

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ValueOrigin {
    Flag,
    Environment,
    File,
    Default,
}

impl ValueOrigin {
    /// As it is shown; the file by its name.
    pub(super) fn shown(self) -> String {
        match (self, env_file()) {
            (Self::File, Some(file)) => file.path.display().to_string(),
            (Self::File, None) => ".env".to_owned(),
            (Self::Flag, _) => "flag".to_owned(),
            (Self::Environment, _) => "environment".to_owned(),
            (Self::Default, _) => "default".to_owned(),
        }
    }
}

/// The variables that are set to something.
#[derive(Clone, Debug, Default)]
pub(super) struct Variables(BTreeMap<String, (OsString, ValueOrigin)>);

impl Variables {
    /// Those of this program. Those of the file have become part of its environment, unless that had them before.
    pub(super) fn read() -> Self {
        let own = env::vars_os().filter(|(_, value)| !value.is_empty());
        let dated = own.filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            let is_of_file = env_file().is_some_and(|file| file.names.contains(&name));
            let origin = if is_of_file { ValueOrigin::File } else { ValueOrigin::Environment };
            Some((name, (value, origin)))
        });
        Self(dated.collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(name).map(|(value, _)| value.as_os_str())
    }

    pub(super) fn origin(&self, name: &str) -> Option<ValueOrigin> {
        self.0.get(name).map(|(_, origin)| *origin)
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// The names, in their order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether a value is from a line of the file that names another variable.
    pub(super) fn is_substituted(&self, name: &str) -> bool {
        self.origin(name) == Some(ValueOrigin::File)
            && env_file().is_some_and(|file| file.substituted.contains(name))
    }

    /// Whether a value begins or ends with white space, which is refused.
    pub(super) fn has_outer_space(&self, name: &str) -> bool {
        self.get(name).is_some_and(has_outer_space)
    }

    #[cfg(test)]
    pub(super) fn of(set: &[(&str, &str, ValueOrigin)]) -> Self {
        Self(set.iter().map(|(name, value, origin)| ((*name).into(), ((*value).into(), *origin))).collect())
    }
}
