//! The recorder behind `/metrics`.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use api::RenderMetrics;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::time::interval;

use crate::error::NodeError;
use crate::part::NodeParts;
use crate::task_part::TaskPart;

/// Upper bounds of the histograms of seconds: from a quarter of a millisecond up.
const BUCKETS: &[f64] = &[
    0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 2.5, 5.0, 10.0,
    25.0, 50.0, 100.0, 250.0, 1000.0,
];

/// Upper bounds of the histograms of events, whose names end so.
const EVENTS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];
const EVENTS_NAME: &str = "_events";

/// How often the exporter tidies what it has recorded.
const UPKEEP: Duration = Duration::from_secs(5);

/// The recorder, from when the first node of this program starts.
static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Installs the recorder for the whole program, once, and describes every metric. To be called before anything that counts
/// is made: what it counts with is taken when it is made.
pub(crate) fn start(parts: &mut NodeParts) -> Result<RenderMetrics, NodeError> {
    let handle = match RECORDER.get() {
        Some(installed) => installed.clone(),
        None => {
            let installed = install()?;
            RECORDER.get_or_init(|| installed).clone()
        }
    };
    let upkeep = handle.clone();
    // It tidies what was recorded. The recorder itself is the program's, and stays.
    let task = tokio::spawn(async move {
        let mut ticks = interval(UPKEEP);
        loop {
            ticks.tick().await;
            upkeep.run_upkeep();
        }
    });
    parts.push(TaskPart { name: "metrics", task });
    Ok(Arc::new(move || handle.render()))
}

fn install() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new()
        .set_buckets(BUCKETS)?
        .set_buckets_for_metric(Matcher::Suffix(EVENTS_NAME.to_owned()), EVENTS)?
        .install_recorder()?;
    api::describe();
    log::describe();
    gate::describe();
    gateway::metrics::describe();
    limits::describe();
    location::describe();
    projections::describe();
    replicator::describe();
    router::describe();
    scheduler::describe();
    web::describe();
    Ok(handle)
}
