//! The forms of what operators are told of a router, and tell it.

use std::time::Instant;

use ans104::Address;
use log::{StoreId, Term};
use poem_openapi::{Enum, Object};
use protocol::Code;
use serde::Deserialize;
use uuid::Uuid;
use web::{HttpError, JsonForm, Nullable};

use crate::fleet::Fleet;
use crate::list::{ListedScheduler, SchedulerFlags, read_wallets};
use crate::member::{FleetMember, Registered};
use crate::registration::Registration;
use crate::scheduler_url::SchedulerUrl;
use crate::told::ToldLog;

/// How much is kept of a role or a version.
const WORD_MAX: usize = 40;
/// How many names of checks are kept.
const FAILING_MAX: usize = 50;
/// And how many of members.
const MEMBERS_MAX: usize = 50;

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
    /// Whether a leader that is gone is replaced.
    pub(super) failover: bool,
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
    /// How many processes it has; none where another scheduler leads its store, which has them then.
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
    /// The store that its log is in; null while it has not told. Nodes that keep one log have one store.
    store: Nullable<String>,
    /// What it says that it does, such as `leader` or `standby`; null while it has not told.
    role: Nullable<String>,
    /// The highest term in which it was seen to lead its store; 0 while it never was.
    term: u64,
    /// The most events that were seen of its store since its leader leads; 0 while none were. One that comes back with fewer was
    /// set back to an older copy, and gets no calls.
    seen_events: u64,
    /// The URL of the scheduler that leads its store, to which calls go: its own, or that of its successor.
    leader: String,
    /// Where its admin listener is; null while it has not told.
    admin: Nullable<String>,
    /// How long ago it registered itself last, in seconds; null where it did not since the router was started.
    registered_age_seconds: Nullable<f64>,
    /// The version of its software; null where it has not registered itself.
    version: Nullable<String>,
    /// How many processes it has by its own count, as it said when it registered itself; null where it did not.
    own_processes: Nullable<u64>,
    /// The nodes that keep its log together, by their ids, as it said when it registered itself; none where it alone does.
    members: Vec<String>,
    /// How many events its leader has that are not there, as it said when it registered itself; null where it follows none.
    lag_events: Nullable<u64>,
    /// Its checks that fail, as it said when it registered itself.
    failing: Vec<String>,
}

impl MemberForm {
    /// The scheduler as it is told, with whoever leads its store.
    pub(super) fn of(fleet: &Fleet, member: &FleetMember, listed: bool) -> Self {
        let lead = fleet.lead(member.number);
        let leader = lead.map_or_else(|| member.url.to_string(), |lead| lead.url.to_string());
        let standing = &member.standing;
        let registered = standing.registered();
        let said = registered.as_ref();
        Self {
            url: member.url.to_string(),
            number: member.number.0.into(),
            processes: fleet.processes(member),
            reached: standing.is_reached(),
            open: standing.is_open(),
            trouble: standing.trouble().into(),
            address: standing.address().map(|address| address.to_string()).into(),
            no_route: member.flags.no_route,
            wallets_to_route: member.flags.wallets.iter().map(Address::to_string).collect(),
            wallets_only: member.flags.wallets_only,
            retired: member.is_retired,
            listed,
            store: member.store.map(|store| store.to_string()).into(),
            role: standing.told().map(|told| told.role).into(),
            term: member.term.0,
            seen_events: member.mark.events_in(member.lead.term).unwrap_or(0),
            leader,
            admin: member.admin.as_ref().map(SchedulerUrl::to_string).into(),
            registered_age_seconds: said.map(|said| said.at.elapsed().as_secs_f64()).into(),
            version: said.map(|said| said.version.clone()).into(),
            own_processes: said.and_then(|said| said.processes).into(),
            members: said.map(|said| said.members.clone()).unwrap_or_default(),
            lag_events: said.and_then(|said| said.lag_events).into(),
            failing: said.map(|said| said.failing.clone()).unwrap_or_default(),
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

/// A scheduler of which an operator says something.
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

/// A scheduler that registers itself.
#[derive(Debug, Deserialize, Object)]
#[oai(rename = "RegisteredScheduler")]
pub(super) struct RegisteredForm {
    /// Where clients find it. Clients keep it, so it is for life.
    url: String,
    /// Where its admin listener is.
    #[serde(default)]
    admin: Option<String>,
    /// The store that its log is in.
    store: String,
    /// The term of its log.
    term: u64,
    /// What it does, such as `leader` or `standby`.
    role: String,
    /// Which node it is: as it tells at both of its listeners, in the header `Quipu-Node`.
    #[serde(default)]
    node: Option<String>,
    /// The version of its software.
    version: String,
    /// How many processes it has, by its own count.
    #[serde(default)]
    processes: Option<u64>,
    /// The nodes that keep its log together, by their ids.
    #[serde(default)]
    #[oai(default)]
    members: Vec<String>,
    /// How many events its leader has that are not there, if it follows one.
    #[serde(default)]
    lag_events: Option<u64>,
    /// Its checks that fail.
    #[serde(default)]
    #[oai(default)]
    failing: Vec<String>,
}

impl JsonForm for RegisteredForm {
    const EXAMPLE: &'static str = r#"{"url": "https://su1.example", "store": "1b4e28ba-2fa1-11d2-883f-0016d3cca427", "term": 1, "role": "leader", "version": "1.0.0"}"#;
}

impl RegisteredForm {
    pub(super) fn read(self) -> Result<Registration, HttpError> {
        let url = read_url(&self.url)?;
        let admin = self.admin.map(|admin| read_field_url("admin", &admin)).transpose()?;
        let store = StoreId(read_uuid("store", &self.store)?);
        let node = self.node.map(|node| read_uuid("node", &node)).transpose()?;
        let term = Term(self.term);
        let word = |text: &String| text.chars().take(WORD_MAX).collect();
        let said = Registered {
            at: Instant::now(),
            version: word(&self.version),
            processes: self.processes,
            members: self.members.iter().take(MEMBERS_MAX).map(word).collect(),
            lag_events: self.lag_events,
            failing: self.failing.iter().take(FAILING_MAX).map(word).collect(),
        };
        let told = ToldLog { store, term, role: word(&self.role), node, moves: 0, events: None };
        Ok(Registration { url, admin, told, said })
    }
}

fn read_uuid(field: &str, text: &str) -> Result<Uuid, HttpError> {
    let wrong =
        || HttpError::new(Code::InvalidParameter, format!("the field {field} is wrong: expected a UUID"));
    text.parse().map_err(|_| wrong())
}

fn read_url(text: &str) -> Result<SchedulerUrl, HttpError> {
    read_field_url("url", text)
}

fn read_field_url(field: &str, text: &str) -> Result<SchedulerUrl, HttpError> {
    let wrong = |error: &dyn std::fmt::Display| {
        HttpError::new(Code::InvalidParameter, format!("the field {field} is wrong: {error}"))
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
    /// The store that it is in; null while the scheduler has not told.
    pub(super) store: Nullable<String>,
    /// The term in which that is led.
    pub(super) term: u64,
    /// How often the process has moved.
    pub(super) version: u64,
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
    /// What is checked: `placing`, `list`, `addresses` where there is a list of them, or a scheduler by its URL.
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
