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
        for LocationFinding { what, found } in &findings {
            let (is_well, text) = match found {
                Ok(text) => (true, text),
                Err(text) => (false, text),
            };
            if self.json {
                writeln!(out, "{}", json!({ "what": what, "ok": is_well, "found": text }))?;
            } else {
                // Whoever answers may have written anything.
                let text = excerpt(text, LINE_CHARS);
                writeln!(out, "{}  {what}: {text}", if is_well { "ok   " } else { "wrong" })?;
            }
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
        for ((records, lowercase), title_case) in records.into_iter().zip(lowercase).zip(title_case) {
            findings.extend(of_gateway(records, lowercase, title_case, url));
        }
        Ok(findings)
    }
}

/// What each reader makes of what one gateway tells.
fn of_gateway(
    records: ToldLocations,
    lowercase: ToldLocations,
    title_case: ToldLocations,
    url: &Url,
) -> Vec<LocationFinding> {
    let gateway = records.gateway;
    let all: Result<(Vec<LocationRecord>, HyperbeamRecords), String> = records.records.and_then(|records| {
        let (lowercase, title_case) = (lowercase.records?, title_case.records?);
        Ok((records, HyperbeamRecords { lowercase, title_case }))
    });
    match all {
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
