//! `quipu location check`: the record and the URL of a scheduler as its clients see them.

use std::io::Write;
use std::time::Duration;

use ans104::{Address, Id};
use clap::Args;
use gateway::{Http, HttpOptions, LocationKind, Locations, ToldLocations, Url, parse_url};
use location::{HYPERBEAM, HyperbeamRecords, LocationReading, readings};
use tokio::join;

use super::LocationCommandError;
use super::findings::{CheckFindings, LocationFinding};
use super::probes::Probes;
use crate::client::runtime;
use crate::failure::Failure;
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
        let mut findings = CheckFindings::new(out, self.json);
        runtime()?.block_on(self.look(&url, &locations, &mut findings))?;
        findings.end()
    }

    async fn look(
        &self,
        url: &Url,
        locations: &Locations,
        findings: &mut CheckFindings<'_>,
    ) -> Result<(), LocationCommandError> {
        let mut probes = Probes::new(url, findings).map_err(LocationCommandError::Setup)?;
        probes.form();
        let told = probes.root(self.wallet).await;
        probes.calls(self.process).await;
        let Some(wallet) = self.wallet.or(told) else {
            let reason = "the URL tells no address of a wallet; name it with --wallet to look up its records";
            findings.tell(&LocationFinding { what: "records".to_owned(), found: Err(reason.to_owned()) });
            return Ok(());
        };
        let told = async |kind| locations.told(wallet, kind, TOLD_MAX).await;
        let (records, lowercase, title_case) = join!(
            told(LocationKind::SchedulerLocation),
            told(LocationKind::Lowercase),
            told(LocationKind::TitleCase)
        );
        for (place, told) in records.into_iter().zip(lowercase).zip(title_case).enumerate() {
            let ((records, lowercase), title_case) = told;
            let found = of_gateway(place, records, lowercase, title_case, url);
            found.iter().for_each(|finding| findings.tell(finding));
        }
        Ok(())
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

    use std::cell::RefCell;
    use std::io;
    use std::rc::Rc;

    use clap::Parser;
    use tokio::net::TcpListener;

    use super::*;

    #[derive(Parser)]
    struct Parsed {
        #[command(flatten)]
        args: CheckArgs,
    }

    #[derive(Clone, Default)]
    struct Shared(Rc<RefCell<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Whoever is asked there hangs.
    #[tokio::test]
    async fn what_is_found_is_told_before_the_next_is_asked() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let Parsed { args } = Parsed::try_parse_from(["check", &url, "--graphql-url", &url]).unwrap();
        let locations =
            Locations::new(Http::new(HttpOptions::default()).unwrap(), &args.services.endpoints().unwrap());
        let url = Url::parse(&url).unwrap();
        let (mut out, written) = (Shared::default(), Shared::default());
        out.0 = written.0.clone();
        let mut findings = CheckFindings::new(&mut out, false);
        tokio::select! {
            looked = args.look(&url, &locations, &mut findings) => panic!("{looked:?}"),
            asked = listener.accept() => drop(asked.unwrap()),
        }
        let told = String::from_utf8(written.0.borrow().clone()).unwrap();
        assert!(told.starts_with("ok     URL: "), "{told:?}");
    }

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
