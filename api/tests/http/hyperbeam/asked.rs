//! Whatever is asked at these paths: it is answered with what readers of this form survive, and schedules nothing.

use bytes::Bytes;
use reqwest::{Method, RequestBuilder, header};
use testing::SampleUser;

use super::{get, spawn};
use crate::node::{ON_CHAIN, TestNode};

/// What names a process, or does not.
fn processes(process: &str) -> Vec<String> {
    let coded = process.bytes().map(|byte| format!("%{byte:02x}")).collect();
    ["", "~process@1.0", "~scheduler@1.0", "~relay@1.0", "/", "%2F", "%ff", "%00", "&"]
        .map(|more| format!("{process}{more}"))
        .into_iter()
        .chain([coded, process.to_uppercase(), "%7Escheduler%401.0".into(), "~scheduler@1.0".into()])
        .chain(["~SCHEDULER@1.0", "~process@1.0", "%2e%2e", "*", "x"].map(str::to_owned))
        .chain(["A".repeat(5_000)])
        .collect()
}

/// What is asked of it, or nothing that anybody answers.
fn calls(other: &str) -> Vec<String> {
    [
        "schedule",
        "slot",
        "slot/current",
        "~scheduler@1.0/schedule",
        "~scheduler@1.0/slot",
        "~scheduler%401.0/schedule",
        "SCHEDULE",
        "Slot/Current",
        "%73chedule",
        "slot%2Fcurrent",
        "/schedule//",
        "slot/current/x",
        "schedule;x",
        "schedule&&&",
        "schedule&accept=application%2Faos-2",
        "schedule%26accept=application/aos-2",
        "schedule?target=",
        "schedule?target=%FF&accept=application/aos-2",
        "slot?target=x&process-id=y",
        "push",
        "compute/results=0",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain([format!("schedule?target={other}&target=x&accept=application/json")])
    .collect()
}

/// Sends it, and holds the answer against what every reader of this form survives; its status.
async fn survived(request: RequestBuilder) -> u16 {
    let (client, request) = request.build_split();
    let request = request.unwrap();
    let asked = format!("{} {}", request.method(), request.url());
    let is_head = request.method() == Method::HEAD;
    let answer = client.execute(request).await.unwrap();
    let status = answer.status().as_u16();
    assert!(status != 201 && status < 500, "{status}: {asked}");
    let kind = answer.headers().get(header::CONTENT_TYPE).map(|kind| kind.to_str().unwrap().to_owned());
    assert!(kind.as_ref().is_none_or(|kind| !kind.contains("html")), "{status} {kind:?}: {asked}");
    if status >= 400 && !is_head {
        let told: serde_json::Value = answer.json().await.unwrap();
        assert!(told["error"].is_string() && told["code"].is_string(), "{status} {told}: {asked}");
    }
    status
}

#[tokio::test(flavor = "multi_thread")]
async fn no_path_and_no_method_is_answered_with_what_ends_a_reader() {
    let (node, user) = (TestNode::start().await, SampleUser::new(1));
    let process = spawn(&node, &user).await;
    let other = ON_CHAIN.to_string();
    let item = user.message(process, &[], "hi");
    for (place, at) in processes(&process.to_string()).into_iter().enumerate() {
        let methods = [Method::GET, Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE];
        // How else a path may be called has nothing to do with how the process is written.
        let methods = methods.into_iter().take(if place == 0 { usize::MAX } else { 1 });
        for call in calls(&other) {
            let url = format!("{}/{at}/{call}", node.public.url);
            for method in methods.clone() {
                survived(node.http.request(method, &url)).await;
            }
            // What is posted there is an item, which nobody calls one.
            let posted = node.http.post(&url).body(item.clone()).header("content-type", "application/json");
            survived(posted).await;
        }
    }
    assert_eq!(get(&node.public, &format!("/{process}/slot/current")).await.text, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_range_and_no_form_is_answered_with_what_ends_a_reader() {
    let (node, user) = (TestNode::start().await, SampleUser::new(1));
    let process = spawn(&node, &user).await;
    let slots = [
        "",
        "0",
        "1",
        "-1",
        "-0",
        "%2B1",
        "00001",
        "1.5",
        "1e3",
        "NaN",
        "%201",
        "1%00",
        "0x10",
        "null",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775809",
    ];
    let long = ["9".repeat(400), format!("-{}", "9".repeat(400))];
    for from in slots.iter().copied().chain(long.iter().map(String::as_str)) {
        for to in ["0", "-1", "18446744073709551616", "x", ""] {
            for kind in ["application%2Faos-2", "application/json"] {
                let range = format!("from={from}&to={to}&limit=99999999999999999999&accept={kind}");
                let status =
                    survived(node.http.get(format!("{}/{process}/schedule?{range}", node.public.url))).await;
                assert!([200, 400].contains(&status), "{status}: {range}");
            }
        }
    }
    for kind in
        ["*", "application/*", "text/html", "httpsig@1.0", "json@1.0", "aos-2", ",,,", "a/b;q=x", "\u{ff}"]
    {
        for name in ["accept", "require-codec"] {
            let asked = node.http.get(format!("{}/{process}/schedule", node.public.url));
            let status =
                survived(asked.header(name, header::HeaderValue::from_bytes(kind.as_bytes()).unwrap())).await;
            assert!([400, 406].contains(&status), "{status}: {name}: {kind}");
        }
    }
}

/// An item of which something is missing, or changed, or behind which there is more.
#[tokio::test(flavor = "multi_thread")]
async fn no_body_but_a_whole_item_is_scheduled() {
    let (node, user) = (TestNode::start().await, SampleUser::new(1));
    let process = spawn(&node, &user).await;
    let item = user.message(process, &[("X", "1"), ("X", "2")], "hi");
    let url = format!("{}/{process}/~scheduler@1.0/schedule", node.public.url);
    let cut = (0..item.len()).step_by(9).map(|length| item.slice(..length));
    let changed = (0..item.len()).step_by(9).map(|place| {
        let mut changed = item.to_vec();
        changed[place] ^= 0x55;
        Bytes::from(changed)
    });
    let longer = [&item[..], b"x"].concat().into();
    for body in cut.chain(changed).chain([longer]) {
        let posted = node.http.post(&url).header("content-type", "application/ans104").body(body);
        assert_eq!(survived(posted).await, 400);
    }
    assert_eq!(get(&node.public, &format!("/{process}/slot/current")).await.text, "0");
}
