//! Which processes have most of what came lately.

use std::collections::HashMap;
use std::ops::ControlFlow;

use log::{Log, ReadError, Seq};
use poem_openapi::Object;
use protocol::ProcessId;

/// How many events are looked at: the newest.
const EVENTS: u64 = 1_000;
/// How many processes are told.
const TOLD: usize = 20;

/// The processes with most of the newest events.
#[derive(Debug, Object)]
#[oai(rename = "Busy")]
pub(super) struct BusyForm {
    /// How many events were looked at.
    events: u64,
    /// The processes, that with most events first.
    processes: Vec<BusyProcessForm>,
}

/// How many of the newest events a process has.
#[derive(Debug, Object)]
#[oai(rename = "BusyProcess")]
struct BusyProcessForm {
    /// The process.
    process: String,
    /// How many of them it has.
    events: u64,
}

pub(super) fn count(log: &dyn Log) -> Result<BusyForm, ReadError> {
    let end = log.tail().last().map_or(0, |last| last.next().get());
    let mut counts: HashMap<ProcessId, u64> = HashMap::new();
    let mut events = 0;
    log.places(Seq::new(end.saturating_sub(EVENTS)), &mut |seq, place| {
        // What came meanwhile is not waited for.
        if seq.get() >= end {
            return ControlFlow::Break(());
        }
        if place.process != ProcessId::NODE {
            *counts.entry(place.process).or_default() += 1;
            events += 1;
        }
        ControlFlow::Continue(())
    })?;
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(process, count)| (std::cmp::Reverse(*count), *process));
    let processes = counts.into_iter().take(TOLD);
    let form = |(process, events): (ProcessId, u64)| BusyProcessForm { process: process.to_string(), events };
    Ok(BusyForm { events, processes: processes.map(form).collect() })
}
