//! One look at a node, as lines.

use serde_json::Value;

use super::TopOrder;
use super::look::TopLook;
use crate::output::{Align, Columns, counted, duration, excerpt, thousands, time};
use crate::status::sentence;
use crate::told::{number, text};

/// How many points back a lag is compared with: a minute.
const BACK: usize = 12;
/// How many processes and how much of the history is shown.
const PROCESSES: usize = 8;
const HAPPENED: usize = 8;
/// The role of one that passes calls on.
const ROUTER: &str = "router";
/// How much of a text is shown, in characters.
const TEXT: usize = 100;

/// The lines of a look, the verdict first.
pub(super) fn lines(asked: &TopLook, url: &str, order: TopOrder) -> Vec<String> {
    let status = &asked.status;
    let mut lines = vec![sentence(status), whose(status, url), String::new()];
    lines.extend(asked.series.as_ref().map_or_else(|| vec!["this node counts nothing".to_owned()], speed));
    lines.extend(table(projections(status, asked.series.as_ref(), order)));
    lines.extend(table(followers(status, order)));
    lines.extend(asked.busy.iter().flat_map(|busy| table(self::busy(busy, order))));
    lines.extend(asked.stuck.iter().flat_map(|stuck| table(self::stuck(stuck))));
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

fn projections(status: &Value, series: Option<&Value>, order: TopOrder) -> (Columns, usize) {
    let heads = [("PROJECTION", Align::Left), ("BEHIND", Align::Right), ("TIME", Align::Right)];
    let more = [("TREND", Align::Left), ("STANDING", Align::Left), ("ERROR", Align::Left)];
    let mut columns = Columns::new(heads.into_iter().chain(more));
    let all = sorted(list(status, "projections"), "name", "lag_events", order);
    for projection in &all {
        let name = text(projection, "name");
        let error = projection.get("error").and_then(Value::as_str).unwrap_or("-");
        columns.row([
            name.to_owned(),
            counted(number(projection, "lag_events").unwrap_or(0), "event"),
            projection.get("lag_seconds").and_then(Value::as_f64).map_or("-".to_owned(), duration),
            trend(series, name).to_owned(),
            text(projection, "standing").to_owned(),
            excerpt(error, TEXT),
        ]);
    }
    (columns, all.len())
}

/// How a lag is compared with what it was a minute ago.
fn trend(series: Option<&Value>, name: &str) -> &'static str {
    let all = series.map(|series| list(series, "projections")).unwrap_or_default();
    let Some(found) = all.iter().find(|projection| text(projection, "name") == name) else { return "-" };
    let lags: Vec<u64> = list(found, "lag_events").iter().filter_map(Value::as_u64).collect();
    let (Some(now), Some(before)) = (lags.last(), lags.iter().rev().nth(BACK).or(lags.first())) else {
        return "-";
    };
    match now.cmp(before) {
        std::cmp::Ordering::Less => "shrinking",
        std::cmp::Ordering::Equal => "steady",
        std::cmp::Ordering::Greater => "growing",
    }
}

fn followers(status: &Value, order: TopOrder) -> (Columns, usize) {
    let heads = [("FOLLOWER", Align::Left), ("BEHIND", Align::Right), ("CONNECTED", Align::Right)];
    let mut columns = Columns::new(heads);
    let all = sorted(list(status, "followers"), "node", "lag_events", order);
    for follower in &all {
        columns.row([
            text(follower, "node").to_owned(),
            counted(number(follower, "lag_events").unwrap_or(0), "event"),
            follower.get("connected_seconds").and_then(Value::as_f64).map_or("-".to_owned(), duration),
        ]);
    }
    (columns, all.len())
}

fn busy(busy: &Value, order: TopOrder) -> (Columns, usize) {
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
    (columns, all.len())
}

fn stuck(stuck: &Value) -> (Columns, usize) {
    let mut columns = Columns::new([("STUCK UPLOADS OF", Align::Left), ("FROM NONCE", Align::Right)]);
    let all = list(stuck, "processes");
    for process in all.iter().take(PROCESSES) {
        let nonce = number(process, "nonce").map_or("-".to_owned(), thousands);
        columns.row([text(process, "process").to_owned(), nonce]);
    }
    (columns, all.len())
}

fn happened(history: &Value) -> (Columns, usize) {
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
    (columns, all.len())
}

/// The lines of a table after an empty one; none of a table without rows.
fn table((columns, rows): (Columns, usize)) -> Vec<String> {
    if rows == 0 { Vec::new() } else { std::iter::once(String::new()).chain(columns.lines()).collect() }
}

fn sorted<'a>(all: &'a [Value], name: &str, most: &str, order: TopOrder) -> Vec<&'a Value> {
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

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use serde_json::json;

    use super::*;

    fn asked() -> TopLook {
        let projection = |name, lag| json!({"name": name, "lag_events": lag, "lag_seconds": 2.0, "standing": "following", "error": null});
        TopLook {
            status: json!({
                "role": "leader", "tail": 9, "term": 3, "uptime_seconds": 61.0, "followers": [],
                "checks": [{"name": "log", "status": "ok", "reason": "fine"}],
                "projections": [projection("index", 0), projection("uploads", 70)],
            }),
            series: Some(json!({
                "seconds": [5.0, 5.0], "scheduled": [0, 50], "refused": [0, 5], "requests": [0, 60], "waiting": [0, 2],
                "refused_by_code": [{"code": "too_large", "counts": [0, 5]}, {"code": "internal", "counts": [1, 0]}],
                "answer_p50": [null, 0.002], "answer_p99": [null, 1.5],
                "projections": [{"name": "uploads", "lag_events": [null, 50, 70]}],
            })),
            busy: Some(
                json!({"events": 1000, "processes": [{"process": "b", "events": 7}, {"process": "a", "events": 2}]}),
            ),
            stuck: None,
            history: Some(
                json!({"events": [{"at_ms": 0, "kind": "check", "about": "disk", "text": "warn: x\u{1b}[2J"}]}),
            ),
        }
    }

    #[test]
    fn a_look_begins_with_the_verdict_and_has_it_all() {
        let shown = lines(&asked(), "http://a:9001", TopOrder::Lag).join("\n");
        let expected = "\
well: every check is ok
http://a:9001: leader, term 3, 10 events, running for 1 min 1 s

scheduled 10.0/s   refused 1.0/s (too_large 5)   calls 12.0/s   waiting 2
TIME       P50    P99
answer  2.0 ms  1.5 s
sign         -      -
sync         -      -

PROJECTION     BEHIND   TIME  TREND    STANDING   ERROR
uploads     70 events  2.0 s  growing  following  -
index        0 events  2.0 s  -        following  -

BUSY PROCESS  OF THE NEWEST 1,000
b                               7
a                               2

HAPPENED                  WHAT
1970-01-01T00:00:00.000Z  check disk  warn: x\\u{1b}[2J";
        assert_eq!(shown, expected);
    }

    #[test]
    fn lists_are_sorted_by_name_when_asked_to() {
        let shown = lines(&asked(), "", TopOrder::Name).join("\n");
        let place = |text| shown.find(text).unwrap();
        assert!(place("\nindex") < place("\nuploads") && place("\na  ") < place("\nb  "), "{shown}");
    }

    #[test]
    fn the_busiest_are_shown_in_whichever_order() {
        let process = |number: usize| json!({ "process": format!("p{number}"), "events": number });
        let all: Vec<_> = (0..PROCESSES + 2).map(process).collect();
        let told = json!({ "events": 1000, "processes": all });
        let shown = |order| busy(&told, order).0.lines().collect::<Vec<_>>().join("\n");
        for order in [TopOrder::Lag, TopOrder::Name] {
            let shown = shown(order);
            assert!(shown.contains("p9") && shown.contains("p2") && !shown.contains("p1 "), "{shown}");
        }
    }

    #[test]
    fn a_node_that_tells_little_is_shown() {
        let bare = TopLook { status: json!({}), series: None, busy: None, stuck: None, history: None };
        assert_eq!(lines(&bare, "u", TopOrder::Lag).last().unwrap(), "this node counts nothing");
        let fresh = TopLook { series: Some(json!({"seconds": []})), ..bare };
        assert!(lines(&fresh, "u", TopOrder::Lag).last().unwrap().starts_with("nothing is counted yet"));
        let router = json!({"role": "router", "uptime_seconds": 1.0});
        assert!(whose(&router, "u").starts_with("u: router, running for 1.0 s"), "it has no events");
    }
}
