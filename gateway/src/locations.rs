//! Where gateways say that the scheduler of a wallet is: its records, by whichever gateway tells them.

use std::time::Duration;

use ans104::{Address, Id};
use futures_util::future::join_all;
use reqwest::{Method, StatusCode, Url};
use tokio::time::timeout;

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

    /// What each of them tells of this wallet within this time; who takes longer tells nothing, and keeps nobody waiting.
    pub async fn told(&self, wallet: Address, kind: LocationKind, within: Duration) -> Vec<ToldLocations> {
        let asked = self.graphql.iter().map(|url| async move {
            let Ok(asked) = timeout(within, self.ask(url, wallet, kind)).await else {
                let records = Err(format!("it has not answered within {} seconds", within.as_secs()));
                return ToldLocations { gateway: place(url), records, is_none: false };
            };
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
mod tests;
