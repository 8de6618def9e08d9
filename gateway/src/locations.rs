//! Where gateways say that the scheduler of a wallet is: its records, by whichever gateway tells them.

use std::time::Duration;

use ans104::{Address, Id};
use futures_util::future::join_all;
use reqwest::{Method, StatusCode, Url};

use crate::endpoints::join;
use crate::error::shown;
use crate::http::Question;
use crate::remote::locations_of;
use crate::{AnswerError, Call, Endpoints, GatewayError, Http};

/// How many records are asked for: one of a wallet counts, and there may be as many as were published.
pub(crate) const RECORDS_MAX: usize = 100;
/// What a node of Arweave answers with 400 where it has no such call.
const ARWEAVE_UNKNOWN: &str = "Request type not found";
/// A record has a few tags.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// A record of where a scheduler is, as a gateway tells it: nothing of it is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocationRecord {
    /// Its id.
    pub id: Id,
    /// Where the scheduler is.
    pub url: Option<String>,
    /// Which variant of the protocol it speaks.
    pub variant: Option<String>,
    /// For how long it counts.
    pub time_to_live: Option<Duration>,
    /// Which of several records counts for HyperBEAM: the highest.
    pub nonce: Option<u64>,
    /// The block that it is in; none while it waits for one.
    pub block: Option<LocationBlock>,
}

/// The block that a record is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocationBlock {
    /// Its height.
    pub height: u64,
    /// When it was made, in milliseconds since 1970.
    pub time: u64,
}

/// Which records of a wallet are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocationKind {
    /// Those of the type `Scheduler-Location`, which everybody reads.
    SchedulerLocation,
    /// Those of the type `location`, which newer nodes of HyperBEAM prefer, and nobody else reads.
    Lowercase,
    /// Those whose `Type` is `Location` or `Scheduler-Location`, of whatever protocol: what HyperBEAM reads where there is none
    /// that it prefers, the names of their other tags in any case.
    TitleCase,
}

impl LocationKind {
    /// The tags that they have, as GraphQL takes them.
    fn tags(self) -> &'static str {
        match self {
            Self::SchedulerLocation => {
                r#"{ name: "Data-Protocol", values: ["ao"] }, { name: "Type", values: ["Scheduler-Location"] }"#
            }
            Self::Lowercase => r#"{ name: "type", values: ["location"] }"#,
            Self::TitleCase => r#"{ name: "Type", values: ["Location", "Scheduler-Location"] }"#,
        }
    }
}

/// What one gateway tells.
#[derive(Clone, Debug)]
pub struct ToldLocations {
    /// Which one.
    pub gateway: String,
    /// The records of the wallet, or why it tells none.
    pub records: Result<Vec<LocationRecord>, String>,
    /// Whether it says that there is no such service at it, so that nobody finds records there.
    pub is_none: bool,
}

/// The gateways that are asked for records.
#[derive(Clone, Debug)]
pub struct Locations {
    http: Http,
    graphql: Vec<Url>,
}

impl Locations {
    /// Those that the endpoints name: that for GraphQL first, then each gateway of the list.
    #[must_use]
    pub fn new(http: Http, endpoints: &Endpoints) -> Self {
        let mut graphql = vec![endpoints.graphql_url()];
        for head in &endpoints.heads {
            let url = join(head, &["graphql"]);
            if !graphql.contains(&url) {
                graphql.push(url);
            }
        }
        Self { http, graphql }
    }

    /// What each of them tells of this wallet.
    pub async fn told(&self, wallet: Address, kind: LocationKind) -> Vec<ToldLocations> {
        let asked = self.graphql.iter().map(|url| async move {
            let asked = self.ask(url, wallet, kind).await;
            let is_none = matches!(&asked, Err(GatewayError::Body { cause: AnswerError::NoService(_), .. }));
            // An error names the whole address.
            let said = |error: GatewayError| error.to_string().replace(&shown(url), &place(url));
            ToldLocations { gateway: place(url), records: asked.map_err(said), is_none }
        });
        join_all(asked).await
    }

    async fn ask(
        &self,
        url: &Url,
        wallet: Address,
        kind: LocationKind,
    ) -> Result<Vec<LocationRecord>, GatewayError> {
        let tags = kind.tags();
        // An address is plain text by its alphabet, so that it needs no variable; some gateways know none.
        let query = format!(
            r#"query {{ transactions(owners: ["{wallet}"], tags: [{tags}], sort: HEIGHT_DESC, first: {RECORDS_MAX}) {{ edges {{ node {{ id owner {{ address }} tags {{ name value }} block {{ height timestamp }} }} }} }} }}"#
        );
        let body = serde_json::json!({ "query": query }).to_string();
        let question = Question {
            call: Call::Location,
            method: Method::POST,
            url: url.clone(),
            body: Some(("application/json", body.into())),
            timeout: self.http.options().request_timeout,
            bytes_max: ANSWER_BYTES_MAX,
        };
        let no_service = || question.unexpected(AnswerError::NoService("GraphQL"));
        let answer = match self.http.patiently(|| self.http.once(&question)).await {
            Err(GatewayError::Status { status, excerpt, .. }) if is_without_service(status, &excerpt) => {
                return Err(no_service());
            }
            answered => answered?,
        };
        if answer.is_absent() {
            return Err(no_service());
        }
        locations_of(&answer.body, wallet, kind).map_err(|cause| question.unexpected(cause))
    }
}

/// Whether an answer says that there is no such call: 405 and 501 of web servers, and what a node of Arweave says of all that
/// it does not know.
fn is_without_service(status: StatusCode, excerpt: &str) -> bool {
    matches!(status, StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED)
        || (status == StatusCode::BAD_REQUEST && excerpt.contains(ARWEAVE_UNKNOWN))
}

/// Host and port: the rest of an address may hold a secret.
fn place(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;
    use crate::testing::{Act, Stub, endpoints, http};

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
        let told =
            Locations::new(http(), &endpoints(&stub.url)).told(WALLET, LocationKind::SchedulerLocation).await;
        assert_eq!(told.len(), 1);
        assert!(
            stub.calls()[0].contains("Scheduler-Location") && stub.calls()[0].contains(&WALLET.to_string())
        );
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
            let told = locations.told(WALLET, kind).await.remove(0).records.unwrap();
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
        let told = locations.told(WALLET, LocationKind::SchedulerLocation).await.remove(0);
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
            let told = locations.told(WALLET, LocationKind::SchedulerLocation).await.remove(0);
            assert_eq!((told.records.is_err(), told.is_none), (true, is_none), "{told:?}");
        }
    }
}
