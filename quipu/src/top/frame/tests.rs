//! What a look shows, and in which order.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use serde_json::json;

use super::*;

fn asked() -> TopLook {
    let projection = |name, lag, bytes: Option<u64>, trend: Option<&str>| json!({"name": name, "lag_events": lag, "lag_bytes": bytes, "lag_seconds": 2.0, "trend": trend, "standing": "following", "error": null});
    TopLook {
        status: json!({
            "role": "leader", "tail": 9, "term": 3, "uptime_seconds": 61.0, "followers": [
                {"node": "n2", "lag_events": null},
                {"node": "n1", "lag_events": 5, "lag_bytes": 5 << 20, "lag_seconds": 2.0, "trend": "steady", "connected_seconds": 9.0},
            ],
            "checks": [{"name": "log", "status": "ok", "reason": "fine"}],
            "projections": [
                projection("index", 0, None, None), projection("uploads", 70, Some(2048), Some("growing")),
                {"name": "postgres", "lag_events": 3, "lag_seconds": null, "standing": "failing", "error": "no such host"},
            ],
        }),
        series: Some(json!({
            "seconds": [5.0, 5.0], "scheduled": [0, 50], "refused": [0, 5], "requests": [0, 60], "waiting": [0, 2],
            "refused_by_code": [{"code": "too_large", "counts": [0, 5]}, {"code": "internal", "counts": [1, 0]}],
            "answer_p50": [null, 0.002], "answer_p99": [null, 1.5],
            "projections": [],
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

PROJECTION     BEHIND    BYTES   TIME  TREND    STANDING   ERROR
postgres     3 events        -      -  -        failing    no such host
uploads     70 events  2.0 KiB  2.0 s  growing  following  -
index        0 events        -  2.0 s  -        following  -

FOLLOWER    BEHIND    BYTES   TIME  TREND   CONNECTED
n1        5 events  5.0 MiB  2.0 s  steady      9.0 s
n2               -        -      -  -               -

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
    let shown = |order| busy(&told, order).columns.lines().collect::<Vec<_>>().join("\n");
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

#[test]
fn what_is_wrong_comes_first_and_what_is_left_out_is_said() {
    let mut asked = asked();
    let check = |number: usize| json!({"name": format!("c{number}"), "status": if number == 7 { "fail" } else { "warn" }, "reason": "bad"});
    asked.status["checks"] = (0..FINDINGS + 3).map(check).collect();
    let process = |number: usize| json!({ "process": format!("p{number}"), "nonce": number });
    asked.stuck = Some(json!({ "processes": (0..PROCESSES + 2).map(process).collect::<Vec<_>>() }));
    let shown = lines(&asked, "u", TopOrder::Name);
    assert_eq!(shown[0], "act: c7: bad (and 8 more)");
    assert_eq!(shown[2], "  act  c7: bad; try: quipu status --all");
    assert_eq!(shown[2 + FINDINGS], "  +3 more: quipu status");
    assert!(shown[4 + FINDINGS].starts_with("STUCK UPLOADS OF"), "{shown:?}");
    assert_eq!(shown[5 + FINDINGS + PROCESSES], "  +2 more: GET /uploads/stuck");
    let projections: Vec<_> =
        shown.iter().filter(|line| line.contains("following") || line.contains("failing")).collect();
    assert!(projections[0].starts_with("postgres"), "what does not go on comes first: {projections:?}");
}

#[test]
fn a_standby_shows_how_far_it_is_behind_its_leader() {
    let leader = json!({"from": "http://a:9001", "state": "lost", "lag_events": null, "lag_bytes": null, "lag_seconds": 3.0, "trend": null, "reason": "refused"});
    let status = json!({ "leader": leader });
    let standby = TopLook { status, series: None, busy: None, stuck: None, history: None };
    let shown = lines(&standby, "u", TopOrder::Lag).join("\n");
    let expected = "\n\nLEADER         BEHIND  BYTES   TIME  TREND  STATE  REASON\nhttp://a:9001       -      -  3.0 s  -      lost   refused";
    assert!(shown.ends_with(expected), "{shown}");
}

#[test]
fn what_a_node_tells_takes_no_more_than_a_line() {
    let mut asked = asked();
    let long = "x".repeat(100_000);
    asked.status["checks"] = json!([{"name": long, "status": "fail", "reason": long}]);
    let shown = lines(&asked, "u", TopOrder::Name);
    assert!(shown.iter().all(|line| line.chars().count() < 4 * TEXT), "{:?}", shown[0].len());
    assert!(shown[2].ends_with("…; try: quipu status --all"), "{}", shown[2]);
}
