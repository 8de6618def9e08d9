//! Looking at schedules: what an id is, short rows, and exact bytes.

use ans104::{Item, base64url};
use serde_json::{Value, json};

use crate::node::TestNode;
use crate::samples::{SampleHistory, item, user};

fn nonces(page: &Value) -> Vec<Option<u64>> {
    page["entries"].as_array().unwrap().iter().map(|row| row["nonce"].as_u64()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_is_told_in_every_role() {
    let node = TestNode::start().await;
    let nobody = "A".repeat(43);
    let (status, told) = node.get(&format!("/explore/v1/ids/{nobody}")).await;
    assert_eq!((status, &told["places"], &told["position"]), (200, &json!([]), &Value::Null));
    let mut history = SampleHistory::spawn(1, Some(1_000));
    let message = history.message(1, 1_001, b"one", false);
    let mut other = SampleHistory::spawn(2, None);
    let again = item(&user(1), Some(history.process), b"one", 1);
    other.scheduled(0, 1_002, &again);
    let (process, elsewhere) = (history.process, other.process);
    node.append([history.appends, other.appends].concat()).await;

    let (_, told) = node.get(&format!("/explore/v1/ids/{message}")).await;
    assert_eq!(
        (&told["has_more"], &told["is_scheduler"], &told["position"]),
        (&json!(false), &json!(false), &json!(3))
    );
    let places = told["places"].as_array().unwrap();
    let found: Vec<_> = places
        .iter()
        .map(|place| (place["role"].as_str().unwrap(), place["process"].as_str().unwrap()))
        .collect();
    assert_eq!(found, [("message", &*elsewhere.to_string()), ("message", &*process.to_string())]);
    let row = &places[1]["entry"];
    assert_eq!((&row["nonce"], &row["action"], &row["size"]), (&json!(1), &json!("Eval"), &json!(3)));
    assert_eq!((&row["timestamp"], &row["upload"]), (&json!(1_001), &Value::Null));
    let assignment = row["assignment"].as_str().unwrap();
    for (id, role, place) in [
        (assignment, "assignment", process),
        (&*process.to_string(), "process", process),
        (&*elsewhere.to_string(), "process", elsewhere),
    ] {
        let (_, told) = node.get(&format!("/explore/v1/ids/{id}")).await;
        assert_eq!(told["places"][0]["role"], role, "{told}");
        assert_eq!(told["places"][0]["process"], place.to_string());
        assert_eq!(told["places"].as_array().unwrap().len(), 1);
    }
    let address = node.node.parts.address.to_string();
    assert_eq!(node.get(&format!("/explore/v1/ids/{address}")).await.1["is_scheduler"], true);
    let (status, refusal) = node.get("/explore/v1/ids/abc").await;
    assert_eq!((status, &refusal["code"]), (400, &json!("invalid_parameter")));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_come_newest_first_and_no_row_twice() {
    let node = TestNode::start().await;
    let mut history = SampleHistory::spawn(1, Some(1_000));
    for nonce in 1..=57 {
        history.message(nonce, 1_000 + nonce, b"data", false);
    }
    // What was taken over can have gaps, a large one among them.
    let mut gaps = SampleHistory::spawn(2, None);
    let places = [0, 1, 2, 40, 41, 1 << 40, (1 << 40) + 1];
    for nonce in places {
        gaps.message(nonce, 2_000 + nonce, b"data", true);
    }
    let (process, gappy) = (history.process, gaps.process);
    node.append([history.appends, gaps.appends].concat()).await;
    for limit in [1, 7, 10, 100] {
        for (process, expected) in [
            (process, (0..=57).rev().map(Some).collect::<Vec<_>>()),
            (gappy, places.iter().rev().copied().map(Some).chain([None]).collect()),
        ] {
            let (mut found, mut before) = (Vec::new(), String::new());
            loop {
                let path = format!("/explore/v1/processes/{process}?limit={limit}{before}");
                let (status, page) = node.get(&path).await;
                assert_eq!((status, &page["newest"]), (200, &json!(expected[0])), "{path}");
                found.extend(nonces(&page));
                assert!(page["entries"].as_array().unwrap().len() <= limit);
                let Some(next) = page["next"].as_u64() else { break };
                before = format!("&before={next}");
            }
            assert_eq!(found, expected, "pages of {limit}");
        }
    }
    let (_, page) = node.get(&format!("/explore/v1/processes/{process}?before=1")).await;
    assert_eq!((nonces(&page), &page["next"]), (vec![Some(0)], &Value::Null));
    // Whoever wants the newest nonce alone asks for no row.
    let (_, page) = node.get(&format!("/explore/v1/processes/{process}?limit=0")).await;
    assert_eq!((nonces(&page), &page["newest"], &page["next"]), (Vec::new(), &json!(57), &json!(58)));
    for (path, code) in [
        (format!("/explore/v1/processes/{}?limit=0", "A".repeat(43)), 404),
        (format!("/explore/v1/processes/{}", "A".repeat(43)), 404),
        (format!("/explore/v1/processes/{process}?limit=501"), 400),
        (format!("/explore/v1/processes/{process}?before=-1"), 400),
    ] {
        assert_eq!(node.get(&path).await.0, code, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_are_those_that_were_signed() {
    let node = TestNode::start().await;
    let mut history = SampleHistory::spawn(1, Some(1_000));
    let long = vec![0xff; 3 << 20];
    let sent = item(&user(1), Some(history.process), &long, 1);
    history.scheduled(1, 1_001, &sent);
    let mut old = SampleHistory::spawn(2, None);
    let (process, unassigned) = (history.process, old.process);
    node.append([history.appends, std::mem::take(&mut old.appends)].concat()).await;
    let id = Item::parse(&sent).unwrap().id();
    let get = async |path: String| {
        node.http.get(format!("{}/explore/v1/items/{path}", node.public.url)).send().await.unwrap()
    };
    for path in [format!("{id}/bytes"), format!("{id}/bytes?part=item&process-id={process}")] {
        let answer = get(path).await;
        assert_eq!(answer.headers()["content-type"], "application/octet-stream");
        assert_eq!(answer.headers()["content-disposition"], format!("attachment; filename=\"{id}.bin\""));
        assert_eq!(answer.bytes().await.unwrap(), sent);
    }
    let assignment = get(format!("{id}/bytes?part=assignment")).await.bytes().await.unwrap();
    let own = Item::parse(&assignment).unwrap();
    assert_eq!(own.tag("Message"), Some(&*id.to_string()));
    let same = get(format!("{}/bytes", own.id())).await.bytes().await.unwrap();
    assert_eq!(same, assignment);
    // An old process has a record that is served nowhere.
    assert_eq!(get(format!("{unassigned}/bytes?part=assignment")).await.status(), 404);
    assert_eq!(get(format!("{unassigned}/bytes")).await.status(), 200);
    assert_eq!(get(format!("{}/bytes", "A".repeat(43))).await.status(), 404);
    assert_eq!(get(format!("{id}/bytes?part=tags")).await.status(), 400);
    assert_eq!(get(format!("{id}/bytes?process-id={unassigned}")).await.status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_is_all_assignments_in_order() {
    let node = TestNode::start().await;
    let mut history = SampleHistory::spawn(1, Some(1_000));
    for nonce in 1..=300 {
        history.message(nonce, 1_000 + nonce, b"data", false);
    }
    let process = history.process;
    node.append(history.appends).await;
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("/explore/v1/processes/{process}/chain?limit=500{after}");
        let (_, page) = node.get(&path).await;
        for link in page["links"].as_array().unwrap() {
            let bytes = base64url::decode(link["bytes"].as_str().unwrap()).unwrap();
            let item = Item::parse(&bytes).unwrap();
            assert_eq!(item.tag("Nonce"), Some(&*link["nonce"].to_string()));
            found.push(item.id());
        }
        let Some(next) = page["next"].as_u64() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(found.len(), 301);
    let (_, page) = node.get(&format!("/explore/v1/processes/{process}/chain?after=300")).await;
    assert_eq!((&page["links"], &page["next"]), (&json!([]), &Value::Null));
}

/// How much of items a page reads at most, and how long the longest item is.
const READ_MAX: usize = 64 << 20;
const LONG: usize = 9 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_long_items_ends_early() {
    let node = TestNode::start().await;
    let mut history = SampleHistory::spawn(1, Some(1_000));
    let data = vec![b'x'; LONG];
    for nonce in 1..=12 {
        history.message(nonce, 1_000 + nonce, &data, false);
    }
    let process = history.process;
    node.append(history.appends).await;
    let enough = READ_MAX.div_ceil(LONG) as u64;
    let (_, page) = node.get(&format!("/explore/v1/processes/{process}/chain?after=0")).await;
    let told: Vec<_> =
        page["links"].as_array().unwrap().iter().map(|link| link["nonce"].as_u64().unwrap()).collect();
    assert_eq!((told, &page["next"]), ((1..=enough).collect(), &json!(enough)));
    let (_, page) = node.get(&format!("/explore/v1/processes/{process}/chain?after={enough}")).await;
    assert_eq!((page["links"].as_array().unwrap().len() as u64, &page["next"]), (12 - enough, &Value::Null));
    // Rows are read ten at a time.
    let (_, page) = node.get(&format!("/explore/v1/processes/{process}?limit=500")).await;
    assert_eq!((nonces(&page).len(), &page["next"]), (10, &json!(3)));
}
