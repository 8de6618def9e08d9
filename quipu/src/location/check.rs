//! `quipu location check`: the record and the URL of a scheduler as its clients see them.

use std::io::Write;

use ans104::{Address, Id};
use clap::Args;
use gateway::{Http, HttpOptions, LocationKind, LocationRecord, Locations, ToldLocations, Url, parse_url};
use location::{HyperbeamRecords, LocationReading, readings};
use serde_json::json;

use super::LocationCommandError;
use super::probes::Probes;
use super::shown::LINE_CHARS;
use crate::client::runtime;
use crate::failure::Failure;
use crate::output::excerpt;
use crate::settings::{ServiceArgs, SettingError};

/// What to check, and whom to ask.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The URL that clients are to find
    #[arg(value_name = "URL")]
    url: String,
    /// The address of the scheduler's wallet [default: the one that the URL tells]
    #[arg(long, value_name = "ADDRESS", allow_hyphen_values = true)]
    wallet: Option<Address>,
    /// A process that the scheduler has; reading it is tried too, as HyperBEAM's and other clients do
    #[arg(long, value_name = "PROCESS", allow_hyphen_values = true)]
    process: Option<Id>,
    #[command(flatten)]
    services: ServiceArgs,
    /// Print a line of JSON for each finding
    #[arg(long)]
    json: bool,
}

/// What was found, and whether it is well.
pub(super) struct LocationFinding {
    pub(super) what: String,
    pub(super) found: Result<String, String>,
}

impl LocationFinding {
    fn line(&self, json: bool) -> String {
        let (is_well, text) = match &self.found {
            Ok(text) => (true, text),
            Err(text) => (false, text),
        };
        let what = &self.what;
        if json {
            return json!({ "what": what, "ok": is_well, "found": text }).to_string();
        }
        // Whoever answers may have written anything.
        let text = excerpt(text, LINE_CHARS);
        format!("{}  {what}: {text}", if is_well { "ok   " } else { "wrong" })
    }
}

impl CheckArgs {
    pub(super) fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let url = parse_url("URL", &self.url).map_err(SettingError::from)?;
        let endpoints = self.services.endpoints().map_err(SettingError::from)?;
        let options = HttpOptions {
            redirect_hosts: endpoints.redirect_hosts.clone(),
            attempts: 1,
            ..HttpOptions::default()
        };
        let http = Http::new(options).map_err(|error| LocationCommandError::Setup(error.to_string()))?;
        let locations = Locations::new(http, &endpoints);
        let findings = runtime()?.block_on(self.findings(&url, &locations))?;
        let wrong = findings.iter().filter(|finding| finding.found.is_err()).count();
        for finding in &findings {
            writeln!(out, "{}", finding.line(self.json))?;
        }
        match wrong {
            0 => Ok(()),
            wrong => Err(LocationCommandError::Wrong(wrong, findings.len()).into()),
        }
    }

    async fn findings(
        &self,
        url: &Url,
        locations: &Locations,
    ) -> Result<Vec<LocationFinding>, LocationCommandError> {
        let mut probes = Probes::new(url).map_err(LocationCommandError::Setup)?;
        probes.form();
        let told = probes.root(self.wallet).await;
        probes.calls(self.process).await;
        let mut findings = probes.findings;
        let Some(wallet) = self.wallet.or(told) else {
            let reason = "the URL tells no address of a wallet; name it with --wallet to look up its records";
            findings.push(LocationFinding { what: "records".to_owned(), found: Err(reason.to_owned()) });
            return Ok(findings);
        };
        let records = locations.told(wallet, LocationKind::SchedulerLocation).await;
        let lowercase = locations.told(wallet, LocationKind::Lowercase).await;
        let title_case = locations.told(wallet, LocationKind::TitleCase).await;
        for (place, told) in records.into_iter().zip(lowercase).zip(title_case).enumerate() {
            let ((records, lowercase), title_case) = told;
            findings.extend(of_gateway(place, records, lowercase, title_case, url));
        }
        Ok(findings)
    }
}

/// What each reader makes of what one gateway tells. A further one that has no such service misleads nobody: it is there for
/// transactions and heights.
fn of_gateway(
    place: usize,
    records: ToldLocations,
    lowercase: ToldLocations,
    title_case: ToldLocations,
    url: &Url,
) -> Vec<LocationFinding> {
    let (gateway, has_none) = (records.gateway, records.is_none);
    let all: Result<(Vec<LocationRecord>, HyperbeamRecords), String> = records.records.and_then(|records| {
        let (lowercase, title_case) = (lowercase.records?, title_case.records?);
        Ok((records, HyperbeamRecords { lowercase, title_case }))
    });
    match all {
        Err(_) if has_none && place > 0 => {
            let found = Ok("has no GraphQL, so that nobody looks for records there".to_owned());
            vec![LocationFinding { what: format!("gateway {gateway}"), found }]
        }
        Err(reason) => {
            vec![LocationFinding { what: format!("gateway {gateway}"), found: Err(reason) }]
        }
        Ok((records, hyperbeam)) => {
            let finding = |LocationReading { reader, found }| LocationFinding {
                what: format!("{reader}, which asks {gateway}"),
                found,
            };
            readings(&records, &hyperbeam, url).into_iter().map(finding).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    /// That a gateway says that it has no such service is an answer; that it says nothing is none.
    #[test]
    fn a_further_gateway_without_records_for_anybody_misleads_nobody() {
        let url = Url::parse("https://su.example").unwrap();
        let told = |is_none| ToldLocations {
            gateway: "one.example".to_owned(),
            records: Err("answered 404".to_owned()),
            is_none,
        };
        let found = |place, is_none| {
            let mut found = of_gateway(place, told(is_none), told(is_none), told(is_none), &url);
            assert_eq!(found.len(), 1);
            found.remove(0)
        };
        let further = found(1, true);
        assert_eq!(
            [further.line(false), further.line(true)],
            [
                "ok     gateway one.example: has no GraphQL, so that nobody looks for records there",
                r#"{"found":"has no GraphQL, so that nobody looks for records there","ok":true,"what":"gateway one.example"}"#,
            ]
        );
        // Whoever asks the first one finds nothing.
        for (place, is_none) in [(0, true), (0, false), (1, false)] {
            assert_eq!(found(place, is_none).line(false), "wrong  gateway one.example: answered 404");
        }
    }
}
