//! Whether a URL answers as those need that are led there.

use std::time::Duration;

use ans104::{Address, Id};
use gateway::Url;
use reqwest::RequestBuilder;
use reqwest::header::{CONTENT_TYPE, HeaderMap, LOCATION};
use reqwest::redirect::Policy;
use serde_json::Value;

use super::findings::{CheckFindings, LocationFinding};

/// Clients wait no longer, either.
const ANSWERED: Duration = Duration::from_secs(20);
/// No answer that is asked for here is longer.
const BODY_MAX: usize = 16 << 20;
/// The id of no process.
const NOBODY: [u8; 32] = [0xa5; 32];

/// What is asked of a URL, and where it is told what was found.
pub(super) struct Probes<'a, 'o> {
    url: &'a Url,
    http: reqwest::Client,
    /// Those who post follow no redirect, or lose what they send on the way.
    posting: reqwest::Client,
    findings: &'a mut CheckFindings<'o>,
}

/// An answer.
struct Probed {
    status: u16,
    headers: HeaderMap,
    /// None where it is no JSON.
    json: Option<Value>,
}

impl Probed {
    /// Whether a scheduler says that something is not there: not everybody who has nothing does so as JSON with these.
    fn is_missing(&self) -> bool {
        let has =
            |name: &str| self.json.as_ref().and_then(|json| json.get(name)).is_some_and(Value::is_string);
        self.status == 404 && has("error") && has("code")
    }

    /// Where it leads, as no client of this follows.
    fn leads(&self) -> String {
        let to = self.headers.get(LOCATION).and_then(|to| to.to_str().ok());
        to.map_or(String::new(), |to| format!(", which leads to {to:?},"))
    }
}

impl<'a, 'o> Probes<'a, 'o> {
    pub(super) fn new(url: &'a Url, findings: &'a mut CheckFindings<'o>) -> Result<Self, String> {
        let client = |redirects| reqwest::Client::builder().timeout(ANSWERED).redirect(redirects).build();
        let http = client(Policy::default()).map_err(|error| error.to_string())?;
        let posting = client(Policy::none()).map_err(|error| error.to_string())?;
        Ok(Self { url, http, posting, findings })
    }

    fn found(&mut self, what: &str, found: Result<String, String>) {
        self.findings.tell(&LocationFinding { what: what.to_owned(), found });
    }

    /// The URL itself.
    pub(super) fn form(&mut self) {
        let found = match (self.url.path(), self.url.scheme(), self.url.port()) {
            ("/", "https", _) => Ok("a host, by https".to_owned()),
            ("/", _, Some(port)) => Ok(format!("a host with the port {port}")),
            ("/", ..) => Err("http without a port: HyperBEAM takes https at port 443 for granted".to_owned()),
            (path, ..) => Err(format!("it has the path {path}, and HyperBEAM asks at the root of the host")),
        };
        self.found("URL", found);
    }

    /// What the scheduler says of itself: the address of its wallet, if it does.
    pub(super) async fn root(&mut self, expected: Option<Address>) -> Option<Address> {
        let what = "GET /";
        let probed = match self.get("").await {
            Ok(probed) => probed,
            Err(reason) => {
                self.found(what, Err(reason));
                return None;
            }
        };
        let json = probed.json.as_ref();
        let address = json.and_then(|json| json.get("address")).and_then(Value::as_str);
        let address: Option<Address> = address.and_then(|address| address.parse().ok());
        self.found(
            what,
            match (probed.status, address, expected) {
                (200, Some(address), Some(expected)) if address != expected => {
                    Err(format!("it signs with the wallet {address}, and not with {expected}"))
                }
                (200, Some(address), _) => Ok(format!("a scheduler with the wallet {address}")),
                (status, ..) => Err(format!("status {status}{} and no address of a wallet", probed.leads())),
            },
        );
        let open = probed.headers.get("access-control-allow-origin").and_then(|value| value.to_str().ok());
        self.found(
            "clients in browsers",
            match open {
                Some("*") => Ok("pages of all origins may ask".to_owned()),
                _ => Err("there is no header Access-Control-Allow-Origin: *".to_owned()),
            },
        );
        address
    }

    /// The calls by which a process is read; with a process, that it is there.
    pub(super) async fn calls(&mut self, process: Option<Id>) {
        let nobody = Id::from_bytes(NOBODY);
        let aos2 =
            |id: Id| format!("~scheduler@1.0/schedule?target={id}&from=0&to=0&accept=application/aos-2");
        self.expect(
            "HyperBEAM's form, a process that is not there",
            &aos2(nobody),
            "404 as JSON with an error and its code",
            Probed::is_missing,
        )
        .await;
        self.expect(
            "the calls of message and compute units, a process that is not there",
            &format!("processes/{nobody}"),
            "404 as JSON with an error and its code",
            Probed::is_missing,
        )
        .await;
        self.writes().await;
        let Some(process) = process else { return };
        let field = |probed: &Probed, name: &str| probed.json.as_ref()?.get(name).cloned();
        for (what, path, name) in [
            // By which scheduler-utils finds the scheduler behind a router; where it is redirected, there.
            ("who has the process, for scheduler-utils", format!("?process-id={process}"), "address"),
            ("time, for message and compute units", format!("timestamp?process-id={process}"), "timestamp"),
            ("the process", format!("processes/{process}"), "process_id"),
            ("its messages", format!("{process}?process-id={process}&limit=1"), "edges"),
            ("HyperBEAM's form of its messages", aos2(process), "edges"),
            ("HyperBEAM's newest slot", format!("{process}/slot"), "current"),
        ] {
            let needed = format!("200 and JSON with {name}");
            self.expect(what, &path, &needed, |probed| probed.status == 200 && field(probed, name).is_some())
                .await;
        }
    }

    /// Whether what is posted gets there: nothing is posted, which is refused for what it is.
    async fn writes(&mut self) {
        for (what, path, needed) in [
            ("messages, as message units post them", "", "a refusal of what is no item"),
            (
                "messages in HyperBEAM's form",
                "~scheduler@1.0/schedule",
                "a refusal as JSON of what is no item",
            ),
        ] {
            let is_json = !path.is_empty();
            let found = match self.post(path).await {
                Ok(probed) if is_refusal(probed.status) && (probed.json.is_some() || !is_json) => {
                    Ok(needed.to_owned())
                }
                Ok(probed) => Err(format!("status {}{}, expected {needed}", probed.status, probed.leads())),
                Err(reason) => Err(reason),
            };
            self.found(&format!("{what} (POST /{path})"), found);
        }
    }

    async fn expect(&mut self, what: &str, path: &str, needed: &str, is_well: impl Fn(&Probed) -> bool) {
        let found = match self.get(path).await {
            Ok(probed) if is_well(&probed) => Ok(needed.to_owned()),
            Ok(probed) => {
                let kind = if probed.json.is_some() { "JSON" } else { "no JSON" };
                Err(format!("status {}{} and {kind}, expected {needed}", probed.status, probed.leads()))
            }
            Err(reason) => Err(reason),
        };
        self.found(&format!("{what} (GET /{path})"), found);
    }

    async fn get(&self, path: &str) -> Result<Probed, String> {
        self.answer(self.http.get(self.at(path)?)).await
    }

    async fn post(&self, path: &str) -> Result<Probed, String> {
        let empty = self.posting.post(self.at(path)?).body("");
        self.answer(empty.header(CONTENT_TYPE, "application/ans104")).await
    }

    fn at(&self, path: &str) -> Result<Url, String> {
        self.url.join(path).map_err(|error| error.to_string())
    }

    async fn answer(&self, request: RequestBuilder) -> Result<Probed, String> {
        let failed = |error: reqwest::Error| crate::failure::chain(&error.without_url());
        let mut answer = request.send().await.map_err(failed)?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > BODY_MAX {
                return Err(format!("the answer is longer than {BODY_MAX} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Probed { status, headers, json: serde_json::from_slice(&body).ok() })
    }
}

/// Whether a status refuses what was posted, and not that something is posted at all.
fn is_refusal(status: u16) -> bool {
    matches!(status, 400 | 415 | 422)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn whoever_has_nothing_is_no_scheduler() {
        let is_missing = |status, json| Probed { status, headers: HeaderMap::new(), json }.is_missing();
        let told = || Some(json!({ "error": "there is no such process", "code": "not_found" }));
        assert!(is_missing(404, told()));
        assert!(!is_missing(200, told()));
        for other in [None, Some(json!({})), Some(json!([])), Some(json!({ "error": "x" }))] {
            assert!(!is_missing(404, other));
        }
    }
}
