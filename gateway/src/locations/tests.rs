//! What gateways tell, and what is taken of it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use super::*;
use crate::testing::{Act, Stub, endpoints, http};

const SOON: Duration = Duration::from_secs(60);
const WALLET: Address = Address::from_bytes([0; 32]);
const OWN: &str = r#"{"data": {"transactions": {"edges": [
    {"node": {"id": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "owner": {"address": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}, "block": {"height": 7, "timestamp": 1800000000},
        "tags": [{"name": "Data-Protocol", "value": "ao"}, {"name": "Type", "value": "Scheduler-Location"},
            {"name": "Url", "value": "https://su.example"}, {"name": "Variant", "value": "ao.TN.1"},
            {"name": "Time-To-Live", "value": "1000"}, {"name": "Nonce", "value": "3"}]}},
    {"node": {"id": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE",
        "owner": {"address": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}, "block": null,
        "tags": [{"name": "Data-Protocol", "value": "ao"}, {"name": "Type", "value": "Scheduler-Location"},
            {"name": "Time-To-Live", "value": "soon"}]}}]}}}"#;
/// Of another wallet.
const FOREIGN: &str = r#"{"data": {"transactions": {"edges": [
    {"node": {"id": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "owner": {"address": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"}, "block": null,
        "tags": [{"name": "Data-Protocol", "value": "ao"}, {"name": "Type", "value": "Scheduler-Location"}]}}]}}}"#;
/// Of the wallet, and no record: from whoever does not look at tags.
const UNASKED: &str = r#"{"data": {"transactions": {"edges": [
    {"node": {"id": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "owner": {"address": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}, "block": null,
        "tags": [{"name": "Data-Protocol", "value": "ao"}, {"name": "Type", "value": "Assignment"}]}}]}}}"#;
const LOWERCASE: &str = r#"{"data": {"transactions": {"edges": [
    {"node": {"id": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "owner": {"address": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}, "block": null,
        "tags": [{"name": "type", "value": "location"}, {"name": "url", "value": "https://hb.example"},
            {"name": "Nonce", "value": "9007199254740993"}, {"name": "Data-Protocol", "value": "ao"},
            {"name": "Type", "value": "Scheduler-Location"}]}}]}}}"#;
const NONE: &str = r#"{"data": {"transactions": {"edges": []}}}"#;
/// Left out, it would be missing.
const NO_ID: &str = r#"{"data": {"transactions": {"edges": [
    {"node": {"id": "no id",
        "owner": {"address": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}, "block": null,
        "tags": [{"name": "Data-Protocol", "value": "ao"}, {"name": "Type", "value": "Scheduler-Location"}]}}]}}}"#;
/// In a block that there is not.
const NO_HEIGHT: &str = r#"{"data": {"transactions": {"edges": [
    {"node": {"id": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "owner": {"address": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
        "block": {"height": 1000000000000, "timestamp": 1800000000},
        "tags": [{"name": "Data-Protocol", "value": "ao"}, {"name": "Type", "value": "Scheduler-Location"}]}}]}}}"#;

async fn told(acts: &'static [Act]) -> Result<Vec<LocationRecord>, String> {
    let stub = Stub::start(acts).await;
    let told = Locations::new(http(), &endpoints(&stub.url))
        .told(WALLET, LocationKind::SchedulerLocation, SOON)
        .await;
    assert_eq!(told.len(), 1);
    assert!(stub.calls()[0].contains("Scheduler-Location") && stub.calls()[0].contains(&WALLET.to_string()));
    told.into_iter().next().unwrap().records
}

#[tokio::test]
async fn records_of_the_wallet_are_read() {
    let found = told(&[Act::Answer(200, "", OWN)]).await.unwrap();
    let time = 1_800_000_000_000;
    assert_eq!(found[0].block, Some(LocationBlock { height: 7, time }));
    assert_eq!((found[0].nonce, found[0].time_to_live), (Some(3), Some(Duration::from_secs(1))));
    assert_eq!(
        (found[0].url.as_deref(), found[0].variant.as_deref()),
        (Some("https://su.example"), Some("ao.TN.1"))
    );
    let waiting = &found[1];
    assert_eq!((found.len(), waiting.block, waiting.nonce, waiting.time_to_live), (2, None, None, None));
    assert_eq!(told(&[Act::Answer(200, "", NONE)]).await, Ok(vec![]));
}

#[tokio::test]
async fn the_names_of_tags_are_those_of_the_kind() {
    let stub = Stub::start(&[Act::Answer(200, "", LOWERCASE)]).await;
    let locations = Locations::new(http(), &endpoints(&stub.url));
    for (kind, url) in [
        (LocationKind::SchedulerLocation, None),
        (LocationKind::Lowercase, Some("https://hb.example")),
        (LocationKind::TitleCase, Some("https://hb.example")),
    ] {
        let told = locations.told(WALLET, kind, SOON).await.remove(0).records.unwrap();
        assert_eq!((told[0].url.as_deref(), told[0].nonce), (url, Some((1 << 53) + 1)), "{kind:?}");
    }
    for (call, asked) in stub.calls().iter().zip([
        "values: [\\\"Scheduler-Location\\\"]",
        "values: [\\\"location\\\"]",
        "values: [\\\"Location\\\", \\\"Scheduler-Location\\\"]",
    ]) {
        assert!(call.contains(asked), "{call}");
    }
}

/// HyperBEAM asks for no protocol, and for two types.
#[test]
fn each_kind_has_its_types() {
    let read = |name: &str, value: &str, kind| {
        let tags = format!(
            r#"{{"name": "{name}", "value": "{value}"}}, {{"name": "URL", "value": "https://hb.example"}}"#
        );
        let body = format!(
            r#"{{"data": {{"transactions": {{"edges": [{{"node": {{"id": "{WALLET}",
                "owner": {{"address": "{WALLET}"}}, "block": null, "tags": [{tags}]}}}}]}}}}}}"#
        );
        let found = locations_of(body.as_bytes(), WALLET, kind).ok()?.remove(0);
        Some(found.url.is_some())
    };
    for (name, value, lowercase, title_case) in [
        ("Type", "Location", None, Some(true)),
        ("Type", "Scheduler-Location", None, Some(true)),
        ("Type", "location", None, None),
        ("type", "Location", None, None),
        ("type", "location", Some(true), None),
    ] {
        // None of them is of the protocol that all others ask for.
        assert_eq!(read(name, value, LocationKind::SchedulerLocation), None, "{name} {value}");
        assert_eq!(read(name, value, LocationKind::Lowercase), lowercase, "{name} {value}");
        assert_eq!(read(name, value, LocationKind::TitleCase), title_case, "{name} {value}");
    }
}

#[tokio::test]
async fn every_whole_number_is_a_nonce_and_one_beyond_all_is_the_highest() {
    const BEYOND: &str = r#"{"data": {"transactions": {"edges": [
        {"node": {"id": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "owner": {"address": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}, "block": null,
            "tags": [{"name": "Data-Protocol", "value": "ao"}, {"name": "Type", "value": "Scheduler-Location"},
                {"name": "Nonce", "value": "100000000000000000000"}]}},
        {"node": {"id": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE",
            "owner": {"address": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}, "block": null,
            "tags": [{"name": "Data-Protocol", "value": "ao"}, {"name": "Type", "value": "Scheduler-Location"},
                {"name": "Nonce", "value": "-100000000000000000000"}]}}]}}}"#;
    let found = told(&[Act::Answer(200, "", BEYOND)]).await.unwrap();
    assert_eq!([found[0].nonce, found[1].nonce], [Some(u64::MAX), None]);
}

/// Readers differ in which of two tags of one name they take.
#[tokio::test]
async fn what_a_record_says_twice_it_does_not_say() {
    const TWICE: &str = r#"{"data": {"transactions": {"edges": [
        {"node": {"id": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "owner": {"address": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}, "block": null,
            "tags": [{"name": "Data-Protocol", "value": "ao"}, {"name": "Type", "value": "Scheduler-Location"},
                {"name": "Url", "value": "https://su.example"}, {"name": "Url", "value": "https://other.example"},
                {"name": "Variant", "value": "ao.TN.1"}, {"name": "Variant", "value": "ao.TN.1"},
                {"name": "Nonce", "value": "3"}, {"name": "Nonce", "value": "9"}]}}]}}}"#;
    let found = told(&[Act::Answer(200, "", TWICE)]).await.unwrap().remove(0);
    assert_eq!((found.url, found.variant, found.nonce), (None, None, Some(9)));
}

/// So many that they are work, and one that says so much that it is no URL.
#[tokio::test]
async fn what_is_told_stays_within_bounds() {
    let node = |number: usize, url: &str| {
        let id = format!("{number:042}A");
        format!(
            r#"{{"node": {{"id": "{id}", "owner": {{"address": "{WALLET}"}}, "block": null, "tags": [
                {{"name": "Data-Protocol", "value": "ao"}}, {{"name": "Type", "value": "Scheduler-Location"}},
                {{"name": "Url", "value": "{url}"}}, {{"name": "Variant", "value": "{url}"}}]}}}}"#
        )
    };
    let read = |nodes: Vec<String>| {
        let edges = nodes.join(",");
        let body = format!(r#"{{"data": {{"transactions": {{"edges": [{edges}]}}}}}}"#);
        locations_of(body.as_bytes(), WALLET, LocationKind::SchedulerLocation)
    };
    let many = |count| (0..count).map(|number| node(number, "https://su.example")).collect();
    assert_eq!(read(many(RECORDS_MAX)).unwrap().len(), RECORDS_MAX);
    assert!(read(many(RECORDS_MAX + 1)).unwrap_err().to_string().contains("more than the 100 records"));
    for (length, is_said) in [(2_000, true), (2_001, false), (900_000, false)] {
        let found = read(vec![node(0, &"x".repeat(length))]).unwrap().remove(0);
        assert_eq!((found.url.is_some(), found.variant.is_some()), (is_said, is_said), "{length}");
    }
}

#[tokio::test]
async fn of_an_address_no_more_is_told_than_host_and_port() {
    let stub = Stub::start(&[Act::Answer(403, "", "")]).await;
    let graphql = Url::parse(&format!("{}/key-of-ours/graphql", stub.url)).unwrap();
    let locations = Locations { http: http(), graphql: vec![graphql.clone()] };
    let told = locations.told(WALLET, LocationKind::SchedulerLocation, SOON).await.remove(0);
    let reason = told.records.unwrap_err();
    assert!(reason.contains("403") && reason.contains(&told.gateway), "{reason}");
    assert!(!reason.contains("key-of-ours"), "{reason}");
}

#[tokio::test]
async fn nonsense_is_no_answer() {
    for act in [
        &[Act::Answer(200, "", "<html>")][..],
        &[Act::Answer(200, "", "{}")],
        &[Act::Answer(200, "", FOREIGN)],
        &[Act::Answer(200, "", UNASKED)],
        &[Act::Answer(200, "", NO_ID)],
        &[Act::Answer(200, "", NO_HEIGHT)],
        &[Act::Answer(200, "", r#"{"errors": [{"message": "no"}]}"#)],
        &[Act::Answer(404, "", "")],
        &[Act::Answer(403, "", "")],
    ] {
        told(act).await.unwrap_err();
    }
}

#[tokio::test]
async fn who_has_no_such_service_is_told_from_who_does_not_answer() {
    for (act, is_none) in [
        (&[Act::Answer(404, "", "")], true),
        (&[Act::Answer(405, "", "")], true),
        (&[Act::Answer(400, "", "Request type not found.")], true),
        (&[Act::Answer(400, "", "the query cannot be read")], false),
        (&[Act::Answer(403, "", "")], false),
        (&[Act::Answer(200, "", "")], false),
    ] {
        let stub = Stub::start(act).await;
        let locations = Locations::new(http(), &endpoints(&stub.url));
        let told = locations.told(WALLET, LocationKind::SchedulerLocation, SOON).await.remove(0);
        assert_eq!((told.records.is_err(), told.is_none), (true, is_none), "{told:?}");
    }
}

/// What the others tell is not lost by it.
#[tokio::test]
async fn who_takes_too_long_tells_nothing_and_all_others_do() {
    let (slow, quick) = (Stub::start(&[Act::Hang]).await, Stub::start(&[Act::Answer(200, "", OWN)]).await);
    let graphql = [&slow, &quick].map(|stub| Url::parse(&format!("{}/graphql", stub.url)).unwrap());
    let locations = Locations { http: http(), graphql: graphql.to_vec() };
    let asked = locations.told(WALLET, LocationKind::SchedulerLocation, Duration::from_secs(5)).await;
    assert_eq!(asked[0].records, Err("it has not answered within 5 seconds".to_owned()));
    assert!(!asked[0].is_none);
    assert_eq!(asked[1].records.as_ref().map(Vec::len), Ok(2));
}
