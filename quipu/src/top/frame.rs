//! One look at a node, as lines.

use serde_json::Value;

use super::TopOrder;
use super::lagging;
use super::look::TopLook;
use crate::output::{Align, Columns, counted, duration, excerpt, thousands, time};
use crate::status::{findings, sentence};
use crate::told::{number, text};

/// How many checks that are not ok, processes, and how much of the history is shown.
const FINDINGS: usize = 6;
const PROCESSES: usize = 8;
const HAPPENED: usize = 8;
/// The role of one that passes calls on.
const ROUTER: &str = "router";
/// How much of a text is shown, in characters.
pub(super) const TEXT: usize = 100;

/// A table, how many rows there are, how many of these it has at most, and where the others are.
pub(super) struct ShownTable {
    pub(super) columns: Columns,
    pub(super) rows: usize,
    pub(super) most: usize,
    pub(super) more: &'static str,
}

/// The lines of a look, the verdict first, then what is not as it should be.
pub(super) fn lines(asked: &TopLook, url: &str, order: TopOrder) -> Vec<String> {
    let status = &asked.status;
    let mut lines = vec![sentence(status, TEXT), whose(status, url)];
    let bad = findings(status, TEXT);
    lines.extend(bad.iter().take(FINDINGS).cloned());
    lines.extend(left_out(bad.len(), FINDINGS, "quipu status"));
    lines.extend(asked.stuck.iter().flat_map(|stuck| table(self::stuck(stuck))));
    lines.push(String::new());
    lines.extend(asked.series.as_ref().map_or_else(|| vec!["this node counts nothing".to_owned()], speed));
    lines.extend(table(lagging::leader(status)));
    lines.extend(table(lagging::projections(status, order)));
    lines.extend(table(lagging::followers(status, order)));
    lines.extend(asked.busy.iter().flat_map(|busy| table(self::busy(busy, order))));
    lines.extend(asked.history.iter().flat_map(|history| table(happened(history))));
    lines
}

fn whose(status: &Value, url: &str) -> String {
    let role = text(status, "role");
    let up = status.get("uptime_seconds").and_then(Value::as_f64).map_or(String::new(), duration);
    // A router has no log of messages.
    if role == ROUTER {
        return format!(
            "{url}: {role}, running for {up}; how its schedulers are: quipu status, quipu router list"
        );
    }
    let events = number(status, "tail").map_or(0, |tail| tail.saturating_add(1));
    let term = number(status, "term").unwrap_or(0);
    format!("{url}: {role}, term {term}, {}, running for {up}", counted(events, "event"))
}

/// Rates and times of the last point.
fn speed(series: &Value) -> Vec<String> {
    let Some(seconds) = last(series, "seconds").filter(|seconds| *seconds > 0.0) else {
        return vec!["nothing is counted yet: the node counts every five seconds".to_owned()];
    };
    let rate = |name| last(series, name).map_or("-".to_owned(), |count| format!("{:.1}/s", count / seconds));
    let waiting = last(series, "waiting").map_or("-".to_owned(), |count| thousands(count as u64));
    let mut lines = vec![format!(
        "scheduled {}   refused {}{}   calls {}   waiting {waiting}",
        rate("scheduled"),
        rate("refused"),
        codes(series),
        rate("requests")
    )];
    let mut times = Columns::new([("TIME", Align::Left), ("P50", Align::Right), ("P99", Align::Right)]);
    for name in ["answer", "sign", "sync"] {
        let quantile = |which: &str| last(series, &format!("{name}_{which}")).map_or("-".to_owned(), short);
        times.row([name.to_owned(), quantile("p50"), quantile("p99")]);
    }
    lines.extend(times.lines());
    lines
}

/// What was refused in the last point, by code.
fn codes(series: &Value) -> String {
    let codes = list(series, "refused_by_code").iter().filter_map(|code| {
        let count = list(code, "counts").last().and_then(Value::as_u64).filter(|count| *count > 0)?;
        Some(format!("{} {}", text(code, "code"), thousands(count)))
    });
    let codes = codes.collect::<Vec<_>>().join(", ");
    if codes.is_empty() { codes } else { format!(" ({codes})") }
}

fn short(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.1} ms", seconds * 1000.0) } else { duration(seconds) }
}

fn busy(busy: &Value, order: TopOrder) -> ShownTable {
    let heading = format!("OF THE NEWEST {}", thousands(number(busy, "events").unwrap_or(0)));
    let mut columns = Columns::new([("BUSY PROCESS".to_owned(), Align::Left), (heading, Align::Right)]);
    let all = list(busy, "processes");
    // Those that are shown are the busiest, in whichever order.
    let busiest = sorted(all, "process", "events", TopOrder::Lag)
        .into_iter()
        .take(PROCESSES)
        .cloned()
        .collect::<Vec<_>>();
    for process in sorted(&busiest, "process", "events", order) {
        columns.row([text(process, "process").to_owned(), thousands(number(process, "events").unwrap_or(0))]);
    }
    ShownTable { columns, rows: all.len(), most: PROCESSES, more: "GET /processes/busy" }
}

fn stuck(stuck: &Value) -> ShownTable {
    let mut columns = Columns::new([("STUCK UPLOADS OF", Align::Left), ("FROM NONCE", Align::Right)]);
    let all = list(stuck, "processes");
    for process in all.iter().take(PROCESSES) {
        let nonce = number(process, "nonce").map_or("-".to_owned(), thousands);
        columns.row([text(process, "process").to_owned(), nonce]);
    }
    ShownTable { columns, rows: all.len(), most: PROCESSES, more: "GET /uploads/stuck" }
}

fn happened(history: &Value) -> ShownTable {
    let mut columns = Columns::new([("HAPPENED", Align::Left), ("WHAT", Align::Left), ("", Align::Left)]);
    let all = list(history, "events");
    for event in all.iter().take(HAPPENED) {
        let what = [text(event, "kind"), text(event, "about")].join(" ");
        let about = if event.get("is_about").is_some_and(|about| about == true) { "~" } else { "" };
        columns.row([
            number(event, "at_ms").map_or("-".to_owned(), |at| format!("{about}{}", time(at))),
            what.trim_end().to_owned(),
            excerpt(text(event, "text"), TEXT),
        ]);
    }
    ShownTable { columns, rows: all.len(), most: HAPPENED, more: "GET /history" }
}

/// The lines of a table after an empty one, with what is not in it; none of a table without rows.
fn table(shown: ShownTable) -> Vec<String> {
    let ShownTable { columns, rows, most, more } = shown;
    if rows == 0 {
        return Vec::new();
    }
    std::iter::once(String::new()).chain(columns.lines()).chain(left_out(rows, most, more)).collect()
}

/// Says how many of so many are not shown, and what shows them.
fn left_out(all: usize, shown: usize, more: &str) -> Option<String> {
    let left = all.checked_sub(shown).filter(|left| *left > 0)?;
    Some(format!("  +{} more: {more}", thousands(left as u64)))
}

pub(super) fn sorted<'a>(all: &'a [Value], name: &str, most: &str, order: TopOrder) -> Vec<&'a Value> {
    let mut all: Vec<_> = all.iter().collect();
    match order {
        TopOrder::Name => all.sort_by_key(|one| text(one, name)),
        TopOrder::Lag => all.sort_by_key(|one| (std::cmp::Reverse(number(one, most)), text(one, name))),
    }
    all
}

fn last(series: &Value, name: &str) -> Option<f64> {
    list(series, name).last().and_then(Value::as_f64)
}

pub(super) fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests;
