//! The forms of what operators are told of a router, and tell it.

use ans104::Address;
use poem_openapi::{Enum, Object};
use protocol::Code;
use serde::Deserialize;
use web::{HttpError, JsonForm, Nullable};

use crate::list::{ListedScheduler, SchedulerFlags, read_wallets};
use crate::member::FleetMember;
use crate::scheduler_url::SchedulerUrl;

/// The state of a router.
#[derive(Debug, Object)]
#[oai(rename = "RouterStatus")]
pub(super) struct RouterStatusForm {
    /// Always `router`.
    pub(super) role: String,
    /// The version of the software.
    pub(super) version: String,
    /// How long the router has been running, in seconds.
    pub(super) uptime_seconds: f64,
    /// How calls are sent on: `auto`, `redirect` or `forward`.
    pub(super) mode: String,
    /// Where it keeps what it knows: `folder` or `postgres`.
    pub(super) state: String,
    /// The id of what it knows; routers that share it have the same.
    pub(super) store: String,
    /// How many homes of processes it has in memory.
    pub(super) processes_remembered: u64,
    /// Why no process can be spawned; null while they can.
    pub(super) writes_refused: Nullable<String>,
    /// The schedulers.
    pub(super) schedulers: Vec<MemberForm>,
}

/// A scheduler of a router.
#[derive(Debug, Object)]
#[oai(rename = "RoutedScheduler")]
pub(super) struct MemberForm {
    /// Where it is.
    url: String,
    /// Its number among those of the router.
    number: u64,
    /// How many processes it has.
    processes: u64,
    /// Whether it is reached.
    reached: bool,
    /// Whether it takes messages.
    open: bool,
    /// What is wrong with it; null when nothing is.
    trouble: Nullable<String>,
    /// The address of its wallet; null while it has not told.
    address: Nullable<String>,
    /// Whether it gets no new processes but those of its wallets.
    no_route: bool,
    /// The wallets whose new processes it gets.
    wallets_to_route: Vec<String>,
    /// Whether it gets those alone.
    wallets_only: bool,
    /// Whether it gets no new processes any more.
    retired: bool,
    /// Whether it is in the list in the file, where there is one.
    listed: bool,
}

impl MemberForm {
    pub(super) fn of(member: &FleetMember, listed: bool) -> Self {
        let standing = &member.standing;
        Self {
            url: member.url.to_string(),
            number: member.number.0.into(),
            processes: standing.processes(),
            reached: standing.is_reached(),
            open: standing.is_open(),
            trouble: standing.trouble().into(),
            address: standing.address().map(|address| address.to_string()).into(),
            no_route: member.flags.no_route,
            wallets_to_route: member.flags.wallets.iter().map(Address::to_string).collect(),
            wallets_only: member.flags.wallets_only,
            retired: member.is_retired,
            listed,
        }
    }
}

/// A scheduler to add, or to change.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(rename = "AddedScheduler")]
pub(super) struct AddedForm {
    /// Where it is, such as `https://su1.example`. Clients keep it, so it is for life.
    url: String,
    /// Whether it gets no new processes but those of its wallets.
    #[serde(default)]
    #[oai(default)]
    no_route: bool,
    /// The addresses of the wallets whose new processes it gets.
    #[serde(default)]
    #[oai(default)]
    wallets_to_route: Vec<String>,
    /// Whether it gets those alone.
    #[serde(default)]
    #[oai(default)]
    wallets_only: bool,
}

impl JsonForm for AddedForm {
    const EXAMPLE: &'static str = r#"{"url": "https://su1.example"}"#;
}

impl AddedForm {
    pub(super) fn read(self) -> Result<ListedScheduler, HttpError> {
        let url = read_url(&self.url)?;
        let wallets = read_wallets(&url, self.wallets_to_route.iter().map(String::as_str));
        let wallets = wallets.map_err(|error| HttpError::new(Code::InvalidParameter, error.to_string()))?;
        let (no_route, wallets_only) = (self.no_route, self.wallets_only);
        Ok(ListedScheduler { url, flags: SchedulerFlags { no_route, wallets, wallets_only } })
    }
}

/// A scheduler that is to get no new processes any more.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(rename = "RetiredScheduler")]
pub(super) struct RetiredForm {
    /// Where it is.
    url: String,
}

impl JsonForm for RetiredForm {
    const EXAMPLE: &'static str = r#"{"url": "https://su1.example"}"#;
}

impl RetiredForm {
    pub(super) fn read(self) -> Result<SchedulerUrl, HttpError> {
        read_url(&self.url)
    }
}

fn read_url(text: &str) -> Result<SchedulerUrl, HttpError> {
    let wrong = |error: &dyn std::fmt::Display| {
        HttpError::new(Code::InvalidParameter, format!("the field url is wrong: {error}"))
    };
    text.parse().map_err(|error| wrong(&error))
}

/// Where a process is.
#[derive(Debug, Object)]
#[oai(rename = "Home")]
pub(super) struct HomeForm {
    /// The process.
    pub(super) process: String,
    /// The URL of the scheduler that has it.
    pub(super) scheduler: String,
    /// Whether that is reached.
    pub(super) reached: bool,
}

/// All checks of a router.
#[derive(Debug, Object)]
#[oai(rename = "RouterChecks")]
pub(super) struct RouterChecksForm {
    /// The worst status among them.
    pub(super) status: RouterLevelForm,
    /// The checks.
    pub(super) checks: Vec<RouterCheckForm>,
}

/// One check of a router.
#[derive(Debug, Object)]
#[oai(rename = "RouterCheck")]
pub(super) struct RouterCheckForm {
    /// What is checked: `placing`, `list`, or a scheduler by its URL.
    pub(super) name: String,
    /// The result.
    pub(super) status: RouterLevelForm,
    /// The reason, for a person to read.
    pub(super) reason: String,
}

/// The result of a check of a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Enum)]
#[oai(rename = "RouterCheckStatus", rename_all = "snake_case")]
pub(super) enum RouterLevelForm {
    /// All is well.
    Ok,
    /// It goes on, but somebody should have a look.
    Warn,
    /// Somebody has to act.
    Fail,
}
