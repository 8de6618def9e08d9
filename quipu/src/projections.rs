//! `quipu projections`: what follows a node's log, and how each does.

use std::io::Write;

use clap::Args;
use serde::Deserialize;
use serde_json::Value;

use crate::client::{AdminArgs, ClientError, runtime};
use crate::failure::Failure;
use crate::output::{Align, Columns, thousands};

const EXAMPLES: &str = "\
Examples:
  quipu projections
  quipu projections --admin http://10.0.0.5:9001 --token $TOKEN --json

`quipu replay` rebuilds one of them. Exit codes: 0 done, 1 the node is not reached or refuses, 2 wrong usage or setting.";

/// List the projections of a node's log, and how far each is
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ProjectionsArgs {
    #[command(flatten)]
    node: AdminArgs,
    /// Print them as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Deserialize)]
struct Followed {
    name: String,
    position: Option<u64>,
    lag_events: u64,
    lag_seconds: Option<f64>,
    standing: String,
    error: Option<String>,
    can_replay: bool,
    job: Option<u64>,
}

impl ProjectionsArgs {
    /// Writes them to `out`.
    ///
    /// # Errors
    /// When the node is not reached or refuses.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let node = self.node.connect()?;
        let all: Value = runtime()?.block_on(node.get("/projections"))?;
        if self.json {
            writeln!(out, "{all}")?;
            return Ok(());
        }
        let followed: Vec<Followed> = serde_json::from_value(all)
            .map_err(|error| ClientError::Answer { url: node.url().to_owned(), error })?;
        out.write_all(render(&followed).as_bytes())?;
        Ok(())
    }
}

/// A line for each.
fn render(all: &[Followed]) -> String {
    let mut columns = Columns::new([
        ("NAME", Align::Left),
        ("STANDING", Align::Left),
        ("POSITION", Align::Right),
        ("LAG", Align::Right),
        ("SECONDS", Align::Right),
        ("REPLAY", Align::Left),
        ("ERROR", Align::Left),
    ]);
    all.iter().for_each(|one| columns.row(row(one)));
    columns.lines().map(|line| line + "\n").collect()
}

fn row(one: &Followed) -> [String; 7] {
    [
        one.name.clone(),
        one.standing.clone(),
        one.position.map_or_else(|| "-".to_owned(), thousands),
        thousands(one.lag_events),
        one.lag_seconds.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.1}")),
        match (one.job, one.can_replay) {
            (Some(job), _) => format!("job {job}"),
            (None, true) => "yes".to_owned(),
            (None, false) => "no".to_owned(),
        },
        one.error.clone().unwrap_or_else(|| "-".to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn projections_are_a_table() {
        let all = serde_json::json!([
            {"name": "index", "position": 12345, "lag_events": 0, "lag_seconds": 0.0, "standing": "following",
             "error": null, "can_replay": true, "job": 7},
            {"name": "uploads", "position": null, "lag_events": 12346, "lag_seconds": 61.25, "standing": "failing",
             "error": "no credit", "can_replay": false, "job": null},
        ]);
        let all: Vec<Followed> = serde_json::from_value(all).unwrap();
        assert_eq!(
            render(&all),
            "NAME     STANDING   POSITION     LAG  SECONDS  REPLAY  ERROR\n\
             index    following    12,345       0      0.0  job 7   -\n\
             uploads  failing           -  12,346     61.2  no      no credit\n"
        );
    }
}
