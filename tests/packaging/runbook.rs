//! The runbook has each alert, each check, each error code and each exit code, of nodes and routers, and nothing that is not
//! there.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use protocol::Code;
use quipu_tests::{Gateway, Launch, PATIENCE, Postgres, workspace};
use serde_json::Value;
use tokio::time::sleep;

use crate::{folder, read};

const RUNBOOK: &str = "docs/runbook.md";

/// The parts of the runbook under a heading of the second level, by their headings of the third.
fn parts(of: &str) -> BTreeSet<String> {
    let text = read(RUNBOOK);
    let part = text.split("\n## ").find(|part| part.starts_with(of)).expect("the runbook has the part");
    part.lines().filter_map(|line| line.strip_prefix("### ")).map(str::to_owned).collect()
}

/// The first cells of the table under a heading, without their marks, and the second ones.
fn rows(of: &str) -> BTreeSet<(String, String)> {
    let text = read(RUNBOOK);
    let part =
        text.split("\n## ").find(|part| part.lines().next() == Some(of)).expect("the runbook has the part");
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| `")?.split('|');
        let first = cells.next()?.trim().trim_end_matches('`').to_owned();
        Some((first, cells.next()?.trim().to_owned()))
    };
    part.lines().filter_map(row).collect()
}

#[test]
fn each_alert_has_its_part() {
    let rules = read("packaging/observability/alerts.yml");
    let lines = |prefix: &'static str| rules.lines().filter_map(move |line| line.trim().strip_prefix(prefix));
    let alerts: BTreeSet<_> = lines("- alert: ").map(str::to_owned).collect();
    assert!(alerts.len() > 10, "{alerts:?}");
    assert_eq!(parts("Alerts"), alerts);
    // Each says where its part is, in the same order.
    let links: Vec<_> = lines("runbook: ").map(str::to_owned).collect();
    let parts = lines("- alert: ").map(|alert| format!("{RUNBOOK}#{}", alert.to_lowercase()));
    assert_eq!(links, parts.collect::<Vec<_>>());
}

#[test]
fn every_link_leads_to_a_part() {
    let text = read(RUNBOOK);
    let anchor = |line: &str| {
        let heading = line.trim_start_matches('#').strip_prefix(' ')?;
        line.starts_with('#').then(|| heading.to_lowercase().replace(' ', "-").replace(':', ""))
    };
    let anchors: BTreeSet<_> = text.lines().filter_map(anchor).collect();
    let links = text.split("](#").skip(1).filter_map(|rest| rest.split(')').next());
    let broken: Vec<_> = links.filter(|link| !anchors.contains(*link)).collect();
    assert!(broken.is_empty(), "no such part: {broken:?}");
}

#[test]
fn each_error_code_is_explained() {
    let codes: BTreeSet<_> =
        Code::ALL.iter().map(|code| (code.as_str().to_owned(), code.status().to_string())).collect();
    assert_eq!(rows("Error codes"), codes);
}

/// The descriptions of both listeners of a router name each code that it answers itself.
#[test]
fn each_error_code_of_a_router_is_explained() {
    let described = read("openapi/router.json") + &read("openapi/router-admin.json");
    let named: BTreeSet<_> = described.split('`').skip(1).step_by(2).collect();
    let codes = Code::ALL.iter().map(|code| code.as_str()).filter(|code| named.contains(code));
    let codes: BTreeSet<_> = codes.map(str::to_owned).collect();
    assert!(codes.len() > 8, "{codes:?}");
    let explained = rows("Error codes of a router").into_iter().map(|(code, _)| code);
    assert_eq!(explained.collect::<BTreeSet<_>>(), codes);
}

/// Exit codes stand in the help of each command, after the words "Exit codes:".
#[test]
fn each_exit_code_is_explained() {
    let mut codes = BTreeSet::new();
    for text in sources(&workspace().join("quipu/src")) {
        for line in text.lines().filter(|line| line.contains("Exit codes: ")) {
            let after = line.split("Exit codes: ").nth(1).unwrap_or_default();
            let numbers = after.split([',', ';']).filter_map(|part| part.trim().split(' ').next());
            codes.extend(numbers.filter(|word| word.parse::<u8>().is_ok()).map(str::to_owned));
        }
    }
    assert!(codes.len() > 3, "{codes:?}");
    assert_eq!(rows("Exit codes").into_iter().map(|(code, _)| code).collect::<BTreeSet<_>>(), codes);
}

fn sources(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let texts = entries.flat_map(|path| match path.is_dir() {
        true => sources(&path),
        false => vec![std::fs::read_to_string(&path).unwrap()],
    });
    texts.collect()
}

/// A leader with everything that is checked, one of several, one with a gate, a standby, and a router.
#[tokio::test]
async fn each_check_has_its_part() {
    let (leads, stands, gateway) = (folder(), folder(), Gateway::start());
    let leader = Launch::su(leads.path())
        .gateway(gateway.url())
        // Nobody is there, which is found out in the background.
        .set("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none")
        .set("IP_WHITELIST_URL", "http://127.0.0.1:1/addresses")
        .set("PROCESS_WHITELIST_URL", "http://127.0.0.1:1/processes")
        .set("LOCATION_URL", "https://su.example")
        .start();
    let joint = folder();
    let member = Launch::su(joint.path()).gateway(gateway.url()).set("REPLICATION_ACKS", "1").start();
    let (remembered, postgres) = (folder(), Postgres::start());
    let gated = Launch::su(remembered.path()).gateway(gateway.url()).set("GATE", "postgres");
    let gated = gated.set("GATE_URL", postgres.url()).set("GATE_SINGLE_COPY", "accept").start();
    let standby = Launch::standby(stands.path(), &leader.admin_url())
        .set("REPLICATE_TOKEN_FILE", leads.path().join("data/admin-token"))
        .serve();
    let routes = folder();
    let router = Launch::router(routes.path(), &[&leader.url()])
        .set("IP_WHITELIST_URL", "http://127.0.0.1:1/addresses")
        .serve();
    let (mut checks, known) = (BTreeSet::new(), parts("Checks"));
    // Some are looked at in the background first.
    let begun = Instant::now();
    while checks != known && begun.elapsed() < PATIENCE {
        sleep(Duration::from_millis(100)).await;
        for node in [&leader, &member, &gated, &standby, &router] {
            let answer: Value = serde_json::from_str(&node.admin().get("/checks").await.text()).unwrap();
            // Those of schedulers have the URL behind their name.
            let names =
                answer["checks"].as_array().unwrap().iter().filter_map(|check| check["name"].as_str());
            checks.extend(names.filter_map(|name| Some(format!("Check: {}", name.split(' ').next()?))));
        }
    }
    assert!(checks.len() > 7, "{checks:?}");
    assert_eq!(known, checks);
}
