//! Where clients find a scheduler, and who says so.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;
use gateway::{EndpointError, Endpoints, Url, is_public, parse_url};
use node::{LocationOptions, RouterLocation};
use thiserror::Error;

use super::services::ServiceArgs;
use super::wallet::{WalletSettingError, read_wallet};

/// Where clients find a scheduler.
#[derive(Clone, Debug, Args)]
pub struct LocationArgs {
    /// Where clients find this scheduler, https://host or http://host:port: a record on Arweave that says so is kept true.
    /// It is looked up at the start and every quarter of an hour, and published (to UPLOAD_NODE_URL) when it is missing, other
    /// than it should be, or half of its 14 days are over [default: no record is published]
    #[arg(long, env, value_name = "URL")]
    location_url: Option<String>,
}

/// Where clients find a router.
#[derive(Clone, Debug, Args)]
pub struct RouterLocationArgs {
    #[command(flatten)]
    location: LocationArgs,

    /// The wallet of the schedulers behind the router, for the record of LOCATION_URL
    #[arg(long, env, value_name = "FILE")]
    su_wallet_path: Option<PathBuf>,

    #[command(flatten)]
    services: ServiceArgs,
}

/// A setting of where a scheduler is that cannot be used.
#[derive(Debug, Error)]
pub enum LocationSettingError {
    /// A URL is none.
    #[error(transparent)]
    Url(#[from] EndpointError),
    /// Clients put paths of their own behind it.
    #[error(
        "LOCATION_URL leads to a path, a query or a user; expected https://host or http://host:port and nothing behind it"
    )]
    NotRoot,
    /// HyperBEAM takes https at port 443 for granted where a record says no port.
    #[error(
        "LOCATION_URL has http at port 80, or at none: records leave port 80 out, and HyperBEAM asks by https at port 443 then; \
         expected https://host, or http://host:port with another port than 80"
    )]
    NoPort,
    /// Nobody gets there.
    #[error(
        "LOCATION_URL leads to {0}, which is of this machine or network alone, and UPLOAD_NODE_URL to elsewhere: the record would \
         be published to everybody; expected a host that everybody can ask"
    )]
    OfOneNetwork(String),
    /// A record has to be sent somewhere.
    #[error(
        "LOCATION_URL is set, and UPLOAD_NODE_URL is not: it takes the URL of the upload node that the record is sent to"
    )]
    NoUploadNode,
    /// A router signs its record.
    #[error(
        "LOCATION_URL is set, and SU_WALLET_PATH is not: it takes the wallet of the schedulers behind this router"
    )]
    NoWallet,
    /// The wallet cannot be read.
    #[error(transparent)]
    Wallet(#[from] WalletSettingError),
}

impl LocationArgs {
    /// Where a scheduler is with these services, behind this router if there is one: the router publishes the record then.
    ///
    /// # Errors
    /// When it is no URL that clients can use, or nothing can be published.
    pub fn options(
        &self,
        endpoints: &Endpoints,
        router: Option<Url>,
    ) -> Result<Option<LocationOptions>, LocationSettingError> {
        let url = self.url()?;
        if let Some(router) = router {
            // Where nodes ask the router may be another place than where clients find it.
            let is_found = |router: &Url| {
                is_root(router) && (!is_of_one_network(router) || is_of_one_network(&endpoints.graphql))
            };
            let url = url.or_else(|| Some(router).filter(is_found));
            return Ok(url.map(|url| LocationOptions { url, upload: None }));
        }
        let Some(url) = url else { return Ok(None) };
        let upload = endpoints.upload.clone().ok_or(LocationSettingError::NoUploadNode)?;
        if !is_of_one_network(&upload) && is_of_one_network(&url) {
            return Err(LocationSettingError::OfOneNetwork(url.host_str().unwrap_or_default().to_owned()));
        }
        Ok(Some(LocationOptions { url, upload: Some(upload) }))
    }

    /// Whether it is set, where it means nothing.
    pub fn is_set(&self) -> bool {
        self.location_url.is_some()
    }

    fn url(&self) -> Result<Option<Url>, LocationSettingError> {
        let Some(text) = self.location_url.as_deref() else { return Ok(None) };
        let url = parse_url("LOCATION_URL", text)?;
        if !is_root(&url) {
            return Err(LocationSettingError::NotRoot);
        }
        if url.port() == Some(0) || (url.scheme() == "http" && url.port().is_none()) {
            return Err(LocationSettingError::NoPort);
        }
        Ok(Some(url))
    }
}

/// The last parts of names that mean something in one network alone, or nothing anywhere: RFC 6761, 6762 and 8375, and ICANN's.
const NAMES_OF_ONE_NETWORK: [&str; 12] = [
    "localhost",
    "local",
    "internal",
    "localdomain",
    "lan",
    "home",
    "corp",
    "intranet",
    "private",
    "arpa",
    "invalid",
    "test",
];

/// Whether nobody elsewhere gets there: a private address, or a name that means something here alone.
fn is_of_one_network(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address: Result<IpAddr, _> = host.trim_start_matches('[').trim_end_matches(']').parse();
    match address {
        Ok(address) => !is_public(address),
        Err(_) => {
            // A dot at its end is of the name's form, and not of the name.
            let name = host.strip_suffix('.').unwrap_or(host);
            let last = name.rsplit_once('.').map(|(_, last)| last);
            name.contains('*') || last.is_none_or(|last| NAMES_OF_ONE_NETWORK.contains(&last))
        }
    }
}

/// Whether it names a host and nothing behind it. What else a URL says may be a secret, or a path for those who ask.
fn is_root(url: &Url) -> bool {
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    is_bare && url.username().is_empty() && url.password().is_none()
}

impl RouterLocationArgs {
    /// Where the router is, if it publishes that.
    ///
    /// # Errors
    /// When it is no URL that clients can use, or nothing can be signed or published.
    pub fn options(&self) -> Result<Option<RouterLocation>, LocationSettingError> {
        // Nothing else of these settings means anything without it.
        if !self.location.is_set() {
            return Ok(None);
        }
        let endpoints = self.services.endpoints()?;
        let Some(options) = self.location.options(&endpoints, None)? else { return Ok(None) };
        let signer = read_wallet(self.su_wallet_path.as_ref().ok_or(LocationSettingError::NoWallet)?)?;
        Ok(Some(RouterLocation { options, signer, endpoints }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    /// What comes of these two URLs with an upload node: where the record leads to, and whether it is published.
    fn outcome(location: Option<&str>, router: Option<&str>) -> Result<Option<(String, bool)>, String> {
        outcome_with(location, router, "http://127.0.0.1:1")
    }

    /// The same with gateways and an upload node there.
    fn outcome_with(
        location: Option<&str>,
        router: Option<&str>,
        services: &str,
    ) -> Result<Option<(String, bool)>, String> {
        let args = LocationArgs { location_url: location.map(str::to_owned) };
        let url = Url::parse(services).unwrap();
        let endpoints = Endpoints {
            arweave: url.clone(),
            graphql: url.clone(),
            upload: Some(url),
            cache: None,
            heads: Vec::new(),
            redirect_hosts: Vec::new(),
        };
        let found = args.options(&endpoints, router.map(|url| Url::parse(url).unwrap()));
        let found = found.map_err(|error| error.to_string())?;
        Ok(found.map(|options| (options.url.to_string(), options.upload.is_some())))
    }

    #[test]
    fn behind_a_router_the_router_publishes() {
        let (own, router) = ("https://su.example", "https://router.example");
        assert_eq!(outcome(None, None), Ok(None));
        assert_eq!(outcome(Some(own), None), Ok(Some((format!("{own}/"), true))));
        assert_eq!(outcome(None, Some(router)), Ok(Some((format!("{router}/"), false))));
        assert_eq!(outcome(Some("https://router.example/"), Some(router)), outcome(None, Some(router)));
        // What the record has to say is said, wherever nodes ask the router.
        for inner in [router, "http://10.0.0.9:9000", "https://a:b@router.example/its/own"] {
            assert_eq!(outcome(Some(own), Some(inner)), Ok(Some((format!("{own}/"), false))), "{inner}");
        }
        // Where it is not, nodes may ask it where no client does.
        for inner in
            ["https://router.example/its/own", "https://a:b@router.example", "https://router.example/?key=x"]
        {
            assert_eq!(outcome(None, Some(inner)), Ok(None), "{inner}");
        }
        let inner = Some("http://10.0.0.9:9000");
        assert_eq!(outcome_with(None, inner, "https://arweave.example"), Ok(None));
        assert_eq!(outcome(None, inner), Ok(Some(("http://10.0.0.9:9000/".to_owned(), false))));
    }

    #[test]
    fn only_the_root_of_a_host_is_a_location() {
        for wrong in [
            "su.example",
            "ftp://su.example",
            "https://su.example/su",
            "https://a:b@su.example",
            "http://su.example",
            "http://su.example:80",
            "https://su.example:0",
        ] {
            assert!(outcome(Some(wrong), None).unwrap_err().starts_with("LOCATION_URL"), "{wrong}");
        }
        let told = outcome(Some("http://su.example:80"), None).unwrap_err();
        assert!(told.contains("another port than 80"), "{told}");
    }

    #[test]
    fn nobody_is_told_of_a_host_that_only_this_network_has() {
        for (url, is_of_one_network) in [
            ("http://localhost:9000", true),
            ("http://su:9000", true),
            ("http://127.0.0.1:9000", true),
            ("http://10.0.0.5:9000", true),
            ("http://169.254.169.254:8080", true),
            ("https://[::1]", true),
            ("https://[fd00::1]", true),
            ("https://*.example", true),
            // The same in other words.
            ("http://localhost.:9000", true),
            ("http://su.localhost.:9000", true),
            ("http://su.:9000", true),
            ("https://[::ffff:10.0.0.5]", true),
            ("https://[::ffff:7f00:1]", true),
            ("http://0x0a000005:9000", true),
            ("http://167772165:9000", true),
            ("http://10.0.0.5.:9000", true),
            // Other networks of one's own.
            ("http://100.64.0.1:9000", true),
            ("https://[fe80::1]", true),
            ("https://[64:ff9b::a00:5]", true),
            ("https://SU.Local", true),
            ("https://su.eu.internal", true),
            ("https://su.lan", true),
            ("https://su.home.arpa.", true),
            ("https://su.localdomain", true),
            ("http://100.128.0.1:9000", false),
            ("https://[::ffff:1.1.1.1]", false),
            ("https://su.example.", false),
            ("https://local.example", false),
            ("https://su.internal.example", false),
            ("https://su.example", false),
            ("http://1.1.1.1:9000", false),
            ("https://[2606:4700::1111]", false),
        ] {
            let told = outcome_with(Some(url), None, "https://up.example");
            assert_eq!(told.is_err(), is_of_one_network, "{url}: {told:?}");
            // In a network of its own all is well.
            assert!(outcome(Some(url), None).is_ok(), "{url}");
        }
    }
}
