//! Variables of the existing scheduler that mean nothing here. A deployment keeps its environment, so one that would
//! restrict who may write, or send messages elsewhere, refuses the start: a node that ignored it would be open. The
//! others are told once.

use std::env;
use std::ffi::{OsStr, OsString};

use thiserror::Error;
use tracing::info;

use Meaning::{Aside, NoEffect, RestrictsUnless, TakenOver};

/// What a variable means to the existing scheduler.
enum Meaning {
    /// It names where the data is, which a node here has in its log once it was imported. One that has no log yet, and gets
    /// it from nobody else, would serve nothing of it.
    TakenOver(&'static str),
    /// It does so unless it has this value.
    RestrictsUnless(&'static str, &'static str),
    /// Nothing that would be missed here; why.
    NoEffect(&'static str),
    /// The same, of one that every machine sets: it is not told at the start.
    Aside(&'static str),
}

const TENANTS: &str = "serve tenants out of several databases, and no log is here yet that has them: `quipu import --from tenants --to \
    FOLDER` takes them over first";

/// All variables of the existing scheduler that are no settings of a node here.
const VARIABLES: [(&str, Meaning); 15] = [
    ("MODE", RestrictsUnless("su", "make this a router, as `quipu router` does")),
    ("MULTI_TENANT_BASE_CONN", TakenOver(TENANTS)),
    ("MULTI_TENANT_BASE_READ_CONN", TakenOver(TENANTS)),
    ("MULTI_TENANT_BASE_DATA_DIR", TakenOver(TENANTS)),
    ("SCHEDULER_LIST_PATH", NoEffect("it only matters to a router")),
    ("USE_DISK", NoEffect("the log is always on disk")),
    ("USE_LOCAL_STORE", NoEffect("the log is always on the local disk")),
    ("MIGRATION_BATCH_SIZE", NoEffect("`quipu import` takes stores over, in batches of its own")),
    ("SU_FILE_SYNC_DB_DIR", NoEffect("it is for `quipu sync`, which copies beside a node")),
    ("SU_INDEX_SYNC_DB_DIR", NoEffect("an index is made from the log, and not copied")),
    ("CURRENT_DEEPHASH_VERSION", NoEffect("content hashes have one version")),
    ("DEEPHASH_RECALC_LIMIT", NoEffect("content hashes have one version")),
    ("WARMUP_DELAY", NoEffect("a node is ready as soon as it serves")),
    ("TIMESTAMP_SORT_PROCESSES", NoEffect("pages by time are right for every process")),
    ("HOME", Aside("no folder is looked for there: without SU_DATA_DIR it is ./data")),
];

/// A variable that restricts or redirects in the existing scheduler. Its value is not shown: it may be secret.
#[derive(Debug, Error)]
#[error(
    "{name} is set: it would {effect}, which this command does not do; it does not start, since it would do other than you \
     intend. Unset {name} if you do not need it"
)]
pub struct RestrictingVariableError {
    name: &'static str,
    effect: &'static str,
}

/// A variable that has no effect, and why that does not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnusedVariable {
    /// Its name.
    pub name: &'static str,
    /// Why it is not missed.
    pub reason: &'static str,
}

/// Says once of each variable of the existing scheduler that is set that it has no effect here; `has_log` where there is a log, or
/// it comes from elsewhere.
///
/// # Errors
/// When one is set that would restrict or redirect.
pub fn tell_unused(has_log: bool) -> Result<(), RestrictingVariableError> {
    for UnusedVariable { name, reason } in unused(|name| env::var_os(name), has_log)? {
        info!("{name} has no effect here: {reason}");
    }
    Ok(())
}

/// The command that runs a router.
const ROUTER: &str = "router";

/// Refuses a variable that would restrict what is sent to schedulers, which a router does not.
///
/// # Errors
/// When one is set.
pub fn check_router_restrictions() -> Result<(), RestrictingVariableError> {
    // What makes it a router is what it is.
    unused(|name| env::var_os(name).filter(|_| name != "MODE"), true).map(drop)
}

/// The variables that are set and have no effect here.
fn unused(
    value_of: impl Fn(&str) -> Option<OsString>,
    has_log: bool,
) -> Result<Vec<UnusedVariable>, RestrictingVariableError> {
    let mut unused = Vec::new();
    for (name, meaning) in &VARIABLES {
        // As everywhere: one that is set to nothing is not set.
        let Some(value) = value_of(name).filter(|value| !value.is_empty()) else { continue };
        let quiet = matches!(meaning, Aside(_)) || says_what_is_so(meaning, &value);
        let reason = heed(name, meaning, &value, has_log)?;
        if !quiet {
            unused.push(UnusedVariable { name, reason });
        }
    }
    Ok(unused)
}

/// Why a variable of the existing scheduler that is set to this is not missed by this command; none of another variable.
///
/// # Errors
/// The inner one, when it would restrict or redirect.
pub fn heed_existing(
    command: &str,
    name: &str,
    value: &OsStr,
    has_log: bool,
) -> Option<Result<&'static str, RestrictingVariableError>> {
    if command == ROUTER && name == "MODE" {
        return Some(Ok("what makes it a router is the command"));
    }
    let (name, meaning) = VARIABLES.iter().find(|(known, _)| *known == name)?;
    Some(heed(name, meaning, value, has_log))
}

/// Whether every machine sets this variable, so that it says nothing of what somebody wants.
pub fn is_everywhere(name: &str) -> bool {
    VARIABLES.iter().any(|(known, meaning)| *known == name && matches!(meaning, Aside(_)))
}

fn heed(
    name: &'static str,
    meaning: &Meaning,
    value: &OsStr,
    has_log: bool,
) -> Result<&'static str, RestrictingVariableError> {
    match meaning {
        NoEffect(reason) | Aside(reason) => Ok(reason),
        TakenOver(_) if has_log => Ok("what `quipu import` has taken over is served out of a node's log"),
        _ if says_what_is_so(meaning, value) => Ok("it says what is so anyway"),
        TakenOver(effect) | RestrictsUnless(_, effect) => Err(RestrictingVariableError { name, effect }),
    }
}

/// Whether a variable that could restrict or redirect does not with this value.
fn says_what_is_so(meaning: &Meaning, value: &OsStr) -> bool {
    match meaning {
        RestrictsUnless(harmless, _) => value == *harmless,
        TakenOver(_) | NoEffect(_) | Aside(_) => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    /// What comes of an environment with this variable alone.
    #[derive(Debug, PartialEq, Eq)]
    enum Outcome {
        Refused,
        Told,
        Quiet,
    }

    fn outcome(name: &str, value: &str) -> Outcome {
        outcome_where(name, value, false)
    }

    fn outcome_where(name: &str, value: &str, has_log: bool) -> Outcome {
        match unused(|asked| (asked == name).then(|| value.into()), has_log) {
            Err(error) => {
                assert!(error.to_string().contains(name), "{error}");
                assert!(!error.to_string().contains("secret"), "{error} shows the value");
                Outcome::Refused
            }
            Ok(told) if told.is_empty() => Outcome::Quiet,
            Ok(told) => {
                assert_eq!(told.iter().map(|unused| unused.name).collect::<Vec<_>>(), [name]);
                Outcome::Told
            }
        }
    }

    #[test]
    fn every_variable_of_the_existing_scheduler_is_heeded() {
        let usual = [
            ("MODE", "router", Outcome::Refused),
            ("MODE", "su", Outcome::Quiet),
            ("MULTI_TENANT_BASE_CONN", "postgres://user:secret@host", Outcome::Refused),
            ("MULTI_TENANT_BASE_READ_CONN", "postgres://user:secret@host", Outcome::Refused),
            ("MULTI_TENANT_BASE_DATA_DIR", "/tenants", Outcome::Refused),
            ("SCHEDULER_LIST_PATH", "schedulers.json", Outcome::Told),
            ("USE_DISK", "true", Outcome::Told),
            ("USE_LOCAL_STORE", "true", Outcome::Told),
            ("MIGRATION_BATCH_SIZE", "1000", Outcome::Told),
            ("SU_FILE_SYNC_DB_DIR", "sync", Outcome::Told),
            ("SU_INDEX_SYNC_DB_DIR", "sync", Outcome::Told),
            ("CURRENT_DEEPHASH_VERSION", "1.0", Outcome::Told),
            ("DEEPHASH_RECALC_LIMIT", "400", Outcome::Told),
            ("WARMUP_DELAY", "30", Outcome::Told),
            ("TIMESTAMP_SORT_PROCESSES", "a", Outcome::Told),
            ("HOME", "somewhere", Outcome::Quiet),
            ("SOMETHING_ELSE", "true", Outcome::Quiet),
        ];
        for (name, value, expected) in &usual {
            assert_eq!(outcome(name, value), *expected, "{name}={value}");
            assert_eq!(outcome(name, ""), Outcome::Quiet, "{name} is set to nothing");
        }
        let base = "postgres://user:secret@host";
        assert_eq!(outcome_where("MULTI_TENANT_BASE_CONN", base, true), Outcome::Told);
        assert_eq!(outcome_where("MODE", "router", true), Outcome::Refused);
        for (name, _) in VARIABLES {
            assert!(usual.iter().any(|(tried, ..)| *tried == name), "{name} is not tried");
        }
    }
}
