//! `quipu location check`: the record and the URL of a scheduler as its clients see them.

use std::io::Write;
use std::time::Duration;

use ans104::{Address, Id};
use clap::Args;
use gateway::{Http, HttpOptions, LocationKind, Locations, ToldLocations, Url, parse_url};
use location::{HYPERBEAM, HyperbeamRecords, LocationReading, readings};
use serde_json::json;

use super::LocationCommandError;
use super::probes::Probes;
use super::shown::LINE_CHARS;
use crate::client::runtime;
use crate::failure::Failure;
use crate::output::excerpt;
use crate::settings::{ServiceArgs, SettingError};

/// For how long each gateway is waited for.
const TOLD_MAX: Duration = Duration::from_secs(40);

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
        let told = async |kind| locations.told(wallet, kind, TOLD_MAX).await;
        let records = told(LocationKind::SchedulerLocation).await;
        let lowercase = told(LocationKind::Lowercase).await;
        let title_case = told(LocationKind::TitleCase).await;
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
    let gateway = records.gateway;
    let known = match records.records {
        Ok(known) => known,
        Err(_) if records.is_none && place > 0 => {
            let found = Ok("has no GraphQL, so that nobody looks for records there".to_owned());
            return vec![LocationFinding { what: format!("gateway {gateway}"), found }];
        }
        Err(reason) => {
            return vec![LocationFinding { what: format!("gateway {gateway}"), found: Err(reason) }];
        }
    };
    // What it does not tell to HyperBEAM it may tell to all others.
    let read_by_hyperbeam = lowercase.records.and_then(|lowercase| Ok((lowercase, title_case.records?)));
    let (hyperbeam, untold) = match read_by_hyperbeam {
        Ok((lowercase, title_case)) => (HyperbeamRecords { lowercase, title_case }, None),
        Err(reason) => (HyperbeamRecords::default(), Some(reason)),
    };
    let finding = |LocationReading { reader, found }| LocationFinding {
        what: format!("{reader}, which asks {gateway}"),
        found: match &untold {
            Some(reason) if reader == HYPERBEAM => Err(reason.clone()),
            _ => found,
        },
    };
    readings(&known, &hyperbeam, url).into_iter().map(finding).collect()
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

    /// A tag without an index, say.
    #[test]
    fn what_a_gateway_tells_all_but_hyperbeam_is_said() {
        let url = Url::parse("https://su.example").unwrap();
        let told = |records: Result<_, &str>| ToldLocations {
            gateway: "one.example".to_owned(),
            records: records.map_err(str::to_owned),
            is_none: false,
        };
        for (lowercase, title_case) in
            [(Err("it hangs"), Ok(vec![])), (Ok(vec![]), Err("it hangs")), (Err("it hangs"), Err("it falls"))]
        {
            let found = of_gateway(0, told(Ok(vec![])), told(lowercase), told(title_case), &url);
            let lines: Vec<_> = found.iter().map(|finding| finding.line(false)).collect();
            let none = "there is no record of the type Scheduler-Location";
            assert_eq!(
                lines,
                [
                    format!("wrong  message unit, which asks one.example: {none}"),
                    format!("wrong  scheduler-utils, which asks one.example: {none}"),
                    "wrong  HyperBEAM, which asks one.example: it hangs".to_owned(),
                ]
            );
        }
    }
}
