//! Alerts and the dashboard: Prometheus takes them, and each metric that they name is told by a node.

use std::collections::BTreeSet;
use std::path::PathBuf;

use quipu_tests::{Gateway, Launch, User, workspace};
use serde_json::Value;

use crate::{folder, read, run};

/// Metrics that a node tells only once something has happened that the nodes here do not go through, and what.
const LATER: [(&str, &str); 3] = [
    ("quipu_gateway_heights_refused_total", "a gateway tells a height that the chain cannot have reached"),
    ("quipu_scheduler_abandoned_total", "a client hangs up before its turn"),
    ("quipu_upload_retries_total", "an upload fails"),
];

/// Makes and tries the rules as Prometheus would.
#[test]
fn prometheus_takes_the_rules_and_alerts_when_it_should() {
    let folder = observability();
    run(&folder, &["promtool", "check", "rules", "alerts.yml"]);
    run(&folder, &["promtool", "check", "config", "prometheus.yml"]);
    run(&folder, &["promtool", "test", "rules", "alerts.test.yml"]);
}

#[test]
fn the_dashboard_asks_what_prometheus_understands() {
    let (folder, expressions) = (folder(), expressions_of_the_dashboard());
    assert!(expressions.len() > 40, "hardly anything is asked: {expressions:?}");
    let rules = expressions.iter().enumerate().map(|(number, expression)| {
        let plain = expression.replace("$__rate_interval", "5m").replace('$', "");
        format!("      - {{record: \"panel:{number}\", expr: {}}}\n", Value::from(plain))
    });
    let text = format!("groups:\n  - name: panels\n    rules:\n{}", rules.collect::<String>());
    std::fs::write(folder.path().join("panels.yml"), text).unwrap();
    run(folder.path(), &["promtool", "check", "rules", "panels.yml"]);
}

#[tokio::test]
async fn every_metric_that_is_named_is_told_by_a_node() {
    let named = named();
    assert!(named.len() > 30, "hardly any metrics are named: {named:?}");
    let told = told_by_nodes().await;
    let described = described();
    let later = |name: &str| LATER.iter().any(|(later, _)| *later == name) && described.contains(name);
    let unknown: Vec<_> = named.iter().filter(|name| !told.contains(*name) && !later(name)).collect();
    assert!(unknown.is_empty(), "named in packaging/observability, and no node tells it: {unknown:?}");
    // Exceptions that are none would hide the next one.
    let idle: Vec<_> =
        LATER.iter().filter(|(name, _)| told.contains(*name) || !named.contains(*name)).collect();
    assert!(idle.is_empty(), "no exception is needed for {idle:?}");
}

/// The metrics of a leader that has scheduled, refused and uploaded something, of its standby, that a client follows, of one
/// of several, of one with a gate, and of a router.
async fn told_by_nodes() -> BTreeSet<String> {
    let (leads, stands, gateway) = (folder(), folder(), Gateway::start());
    let leader = Launch::su(leads.path()).gateway(gateway.url()).set("ENABLE_METRICS", "true");
    let leader = leader.set("LOCATION_URL", "https://su.example").start();
    let (client, user) = (leader.client(), User::new(1));
    let process = user.process();
    client.schedule(&process).await;
    assert_eq!(client.post(b"no item".as_slice().into()).await.refusal(400), "malformed_item");
    let standby = Launch::standby(stands.path(), &leader.admin_url())
        .set("REPLICATE_TOKEN_FILE", leads.path().join("data/admin-token"))
        .set("ENABLE_METRICS", "true")
        .serve();
    let joint = folder();
    let member = Launch::su(joint.path()).gateway(gateway.url());
    let member = member.set("ENABLE_METRICS", "true").set("REPLICATION_ACKS", "1").start();
    let (remembered, kept) = (folder(), folder());
    let gated = Launch::su(remembered.path()).gateway(gateway.url()).set("ENABLE_METRICS", "true");
    let gated = gated.set("GATE", format!("file://{}", kept.path().display()));
    let gated = gated.set("GATE_SINGLE_COPY", "accept").start();
    let routes = folder();
    let router = Launch::router(routes.path(), &[&leader.url()]).set("ENABLE_METRICS", "true").serve();
    let follows = format!("{}/{}/stream", leader.url(), process.id);
    let _follower = reqwest::get(&follows).await.unwrap();
    let mut told = BTreeSet::new();
    // Uploads are confirmed, tried again and refused when it suits them.
    quipu_tests::until("all metrics are there", async || {
        for client in [&client, &standby.client(), &member.client(), &gated.client(), &router.client()] {
            let text = client.get("/metrics").await.text();
            let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
            told.extend(types.map(str::to_owned));
        }
        let late = [
            "quipu_uploads_confirmed_total",
            "quipu_replication_following",
            "quipu_disk_free_bytes",
            "quipu_location_published_total",
        ];
        late.iter().all(|name| told.contains(*name)).then_some(())
    })
    .await;
    told
}

/// The metrics that alerts and dashboard name, without what Prometheus adds to those of histograms.
fn named() -> BTreeSet<String> {
    let alerts = read("packaging/observability/alerts.yml");
    let without_comments = alerts.lines().filter(|line| !line.trim_start().starts_with('#'));
    let texts: Vec<_> = without_comments.map(str::to_owned).chain(expressions_of_the_dashboard()).collect();
    let names = texts.iter().flat_map(|text| metrics(text));
    let histograms = described();
    let plain = |name: &str| {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        base.filter(|base| histograms.contains(*base)).unwrap_or(name).to_owned()
    };
    names.map(plain).collect()
}

/// The names of metrics in a text.
fn metrics(text: &str) -> impl Iterator<Item = &str> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    text.split(move |character| !is_part(character)).filter(|word| word.starts_with("quipu_"))
}

/// The names in the files in which each crate names its metrics.
fn described() -> BTreeSet<String> {
    let rooms = std::fs::read_dir(workspace()).unwrap();
    let files = rooms.map(|room| room.unwrap().path().join("src/metrics.rs")).filter(|path| path.exists());
    let texts: Vec<_> = files.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    assert!(texts.len() > 5, "hardly any crate names metrics");
    let quoted = texts.iter().flat_map(|text| text.split('"').skip(1).step_by(2));
    quoted.filter(|text| text.starts_with("quipu_")).map(str::to_owned).collect()
}

fn expressions_of_the_dashboard() -> Vec<String> {
    fn collect(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match value {
                        Value::String(text) if name == "expr" => found.push(text.clone()),
                        _ => collect(value, found),
                    }
                }
            }
            Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    let dashboard = serde_json::from_str(&read("packaging/observability/dashboard.json"));
    collect(&dashboard.expect("the dashboard is JSON"), &mut found);
    found
}

fn observability() -> PathBuf {
    workspace().join("packaging/observability")
}
