//! `quipu router list`, `add`, `retire` and `where`: asking and changing the schedulers of a running router.

use std::io::Write;

use clap::Args;
use protocol::ProcessId;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::{AdminArgs, AdminClient, ClientError, runtime};
use crate::failure::Failure;
use crate::output::{Align, Columns, counted, thousands};
use crate::settings::RouterFolderArgs;
use crate::terminal::plain;

/// List the schedulers of a router, and how they do
#[derive(Debug, Args)]
pub struct FleetListArgs {
    #[command(flatten)]
    router: AdminArgs,
    /// Print them as JSON
    #[arg(long)]
    json: bool,
}

/// Add a scheduler to a router, or change what it gets
#[derive(Debug, Args)]
pub struct AddArgs {
    /// The URL of the scheduler, which clients keep: it is for life
    url: String,
    /// It gets no new processes but those of its wallets
    #[arg(long)]
    no_route: bool,
    /// The address of a wallet whose new processes it gets; any number of them
    #[arg(long = "wallet", value_name = "ADDRESS")]
    wallets: Vec<String>,
    /// It gets the new processes of these wallets alone
    #[arg(long)]
    wallets_only: bool,
    #[command(flatten)]
    router: ChangeArgs,
}

/// Give a scheduler no new processes any more, and wait no more for its word where new ones go; it keeps those that it has
#[derive(Debug, Args)]
pub struct RetireArgs {
    /// The URL of the scheduler
    url: String,
    #[command(flatten)]
    router: ChangeArgs,
}

/// Forget what a scheduler has told: it leads no store and gets no more processes, until it is added again
#[derive(Debug, Args)]
pub struct ForgetArgs {
    /// The URL of the scheduler
    url: String,
    #[command(flatten)]
    router: ChangeArgs,
}

/// Give up what is missing in the log of a scheduler that was set back to an older copy: what it has counts from then on
#[derive(Debug, Args)]
pub struct AcceptArgs {
    /// The URL of the scheduler
    url: String,
    #[command(flatten)]
    router: ChangeArgs,
}

/// Show which scheduler has a process
#[derive(Debug, Args)]
pub struct WhereArgs {
    /// The process
    #[arg(allow_hyphen_values = true)]
    process: ProcessId,
    #[command(flatten)]
    router: AdminArgs,
}

/// The router that is to be changed.
#[derive(Debug, Args)]
struct ChangeArgs {
    #[command(flatten)]
    listener: AdminArgs,
    #[command(flatten)]
    folder: RouterFolderArgs,
}

#[derive(Deserialize)]
struct Listed {
    url: String,
    processes: u64,
    reached: bool,
    open: bool,
    retired: bool,
    no_route: bool,
    wallets_to_route: Vec<String>,
    wallets_only: bool,
    trouble: Option<String>,
    role: Option<String>,
    leader: String,
    failing: Vec<String>,
}

impl FleetListArgs {
    /// Writes them to `out`.
    ///
    /// # Errors
    /// When the router is not reached or refuses.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let router = self.router.connect()?;
        let all: Value = runtime()?.block_on(router.get("/schedulers"))?;
        if self.json {
            writeln!(out, "{all}")?;
            return Ok(());
        }
        let listed: Vec<Listed> = serde_json::from_value(all)
            .map_err(|error| ClientError::Answer { url: router.url().to_owned(), error })?;
        out.write_all(render(&listed).as_bytes())?;
        Ok(())
    }
}

impl AddArgs {
    /// Adds it.
    ///
    /// # Errors
    /// When the router is not reached or refuses.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let form = json!({
            "url": self.url,
            "no_route": self.no_route,
            "wallets_to_route": self.wallets,
            "wallets_only": self.wallets_only,
        });
        let listed = self.router.change("/schedulers", form)?;
        writeln!(out, "{} has {} and may get more", listed.url, counted(listed.processes, "process"))?;
        Ok(())
    }
}

impl RetireArgs {
    /// Retires it.
    ///
    /// # Errors
    /// When the router is not reached or refuses.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let listed = self.router.change("/schedulers/retire", json!({ "url": self.url }))?;
        writeln!(out, "{} keeps its {} and gets no more", listed.url, counted(listed.processes, "process"))?;
        Ok(())
    }
}

impl ForgetArgs {
    /// Has the router forget it.
    ///
    /// # Errors
    /// When the router is not reached or refuses.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let listed = self.router.change("/schedulers/forget", json!({ "url": self.url }))?;
        writeln!(out, "{} leads no store, and what it tells counts no more", listed.url)?;
        Ok(())
    }
}

impl AcceptArgs {
    /// Has the router take what it has for all that there is.
    ///
    /// # Errors
    /// When the router is not reached or refuses.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let listed = self.router.change("/schedulers/accept", json!({ "url": self.url }))?;
        writeln!(out, "{} goes on with what it has: what is missing there is given up", listed.url)?;
        Ok(())
    }
}

impl WhereArgs {
    /// Writes the URL to `out`.
    ///
    /// # Errors
    /// When no scheduler has it, or the router is not reached.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        #[derive(Deserialize)]
        struct Home {
            scheduler: String,
        }
        let router = self.router.connect()?;
        let home: Home = runtime()?.block_on(router.get(&format!("/homes/{}", self.process)))?;
        writeln!(out, "{}", home.scheduler)?;
        Ok(())
    }
}

impl ChangeArgs {
    fn change(&self, path: &str, form: Value) -> Result<Listed, Failure> {
        let router: AdminClient = self.listener.connect_to_change_router(self.folder.path())?;
        Ok(runtime()?.block_on(router.post(path, Some(form)))?)
    }
}

/// A line for each.
fn render(all: &[Listed]) -> String {
    let mut columns = Columns::new([
        ("SCHEDULER", Align::Left),
        ("PROCESSES", Align::Right),
        ("STANDING", Align::Left),
        ("ROLE", Align::Left),
        ("NEW PROCESSES", Align::Left),
        ("TROUBLE", Align::Left),
    ]);
    for one in all {
        let leads = one.leader == one.url;
        let standing = match (one.reached, one.open) {
            (false, _) => "away",
            (true, false) if !leads => "read",
            (true, false) => "refusing",
            (true, true) => "open",
        };
        let wallets = one.wallets_to_route.len();
        let gets = match (one.retired, one.no_route || one.wallets_only, wallets) {
            (true, ..) => "retired".to_owned(),
            // Its store is led by its successor, or by whom it follows.
            _ if !leads => format!("to {}", one.leader),
            (false, true, 0) => "none".to_owned(),
            (false, true, wallets) => format!("of {wallets} wallets"),
            (false, false, 0) => "any".to_owned(),
            (false, false, wallets) => format!("any, {wallets} wallets first"),
        };
        let role = one.role.clone().unwrap_or_else(|| "-".to_owned());
        // One that does not lead takes no messages, as it should be.
        let failing = (!one.failing.is_empty()).then(|| format!("checks fail: {}", one.failing.join(", ")));
        let trouble = one.trouble.clone().filter(|_| leads || !one.reached).or(failing);
        let trouble = trouble.unwrap_or_else(|| "-".to_owned());
        let standing = standing.to_owned();
        let cells = [one.url.clone(), thousands(one.processes), standing, role, gets, trouble];
        // Schedulers say some of it.
        columns.row(cells.map(|cell| plain(&cell)));
    }
    columns.lines().map(|line| line + "\n").collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn schedulers_are_a_table() {
        let one =
            |url: &str, processes, reached, open, retired, only, wallets: &[&str], trouble: Option<&str>| {
                let form = json!({
                    "url": url, "processes": processes, "reached": reached, "open": open, "retired": retired,
                    "no_route": only, "wallets_to_route": wallets, "wallets_only": only, "trouble": trouble,
                    "role": "leader", "leader": if url == "http://su4:1" { "http://su1:1" } else { url },
                    "failing": if url == "http://su4:1" { &["members", "replication"][..] } else { &[] },
                });
                serde_json::from_value::<Listed>(form).unwrap()
            };
        let all = [
            one("http://su1:1", 12345, true, true, false, false, &[], None),
            one("http://su2:1", 0, true, false, false, true, &["a"], Some("disk\u{1b}[2J\nfull")),
            one("http://su3:1", 7, false, false, true, false, &[], Some("refused")),
            one("http://su4:1", 0, true, false, false, false, &[], Some("a standby")),
        ];
        assert_eq!(
            render(&all),
            "SCHEDULER     PROCESSES  STANDING  ROLE    NEW PROCESSES    TROUBLE\n\
             http://su1:1     12,345  open      leader  any              -\n\
             http://su2:1          0  refusing  leader  of 1 wallets     disk\\u{1b}[2J\\u{a}full\n\
             http://su3:1          7  away      leader  retired          refused\n\
             http://su4:1          0  read      leader  to http://su1:1  checks fail: members, replication\n"
        );
    }
}
