//! Where an answer may send us: never from https to http, never to an address of a private network.
//! A gateway that lies must not make this node ask its own network for it.

use std::{collections::HashSet, net::IpAddr};

use reqwest::{Response, Url, header};

use super::addresses::is_public;
use crate::{RedirectError, error::shortened};

/// The next address to ask.
pub(super) struct Hop {
    pub(super) url: Url,
    /// Whether an operator named it, so that its host may have any address.
    pub(super) is_trusted: bool,
}

/// Which redirects are followed.
#[derive(Debug)]
pub(super) struct Redirects {
    allowed: HashSet<String>,
}

impl Redirects {
    pub(super) fn new(allowed: &[String]) -> Self {
        Self { allowed: allowed.iter().map(|host| host.to_ascii_lowercase()).collect() }
    }

    /// Where an answer that came from `from` sends us, if it does so and says where. The service
    /// that was asked in the first place is at `asked`.
    pub(super) fn next(
        &self,
        response: &Response,
        from: &Url,
        asked: &Url,
    ) -> Result<Option<Hop>, RedirectError> {
        let Some(url) = location(response, from) else { return Ok(None) };
        let is_trusted = self.judge(&url, from, asked)?;
        Ok(Some(Hop { url, is_trusted }))
    }

    /// Whether `to` is a place that the operator named; an error where it must not be asked. The
    /// addresses of names are looked at by who connects.
    fn judge(&self, to: &Url, from: &Url, asked: &Url) -> Result<bool, RedirectError> {
        let Some(host) = to.host_str() else { return Ok(false) };
        if self.allowed.contains(host) {
            return Ok(true);
        }
        if from.scheme() == "https" && to.scheme() == "http" {
            return Err(RedirectError::Downgrade { host: shortened(host) });
        }
        let place = |url: &Url| (url.host_str().map(str::to_owned), url.port_or_known_default());
        if place(to) == place(asked) {
            return Ok(true);
        }
        // The parser of addresses has brought every spelling of a number to the usual one.
        match host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            Ok(address) if !is_public(address) => {
                Err(RedirectError::Private { host: host.to_owned(), address })
            }
            _ => Ok(false),
        }
    }
}

/// The address that an answer redirects to. A 303 is left out: it asks for another method.
fn location(response: &Response, from: &Url) -> Option<Url> {
    if !matches!(response.status().as_u16(), 301 | 302 | 307 | 308) {
        return None;
    }
    let location = response.headers().get(header::LOCATION)?.to_str().ok()?;
    let url = from.join(location).ok()?;
    matches!(url.scheme(), "http" | "https").then_some(url)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    fn judge(allowed: &[&str], asked: &str, from: &str, to: &str) -> Result<bool, RedirectError> {
        let allowed: Vec<_> = allowed.iter().map(|host| (*host).to_owned()).collect();
        let url = |text| Url::parse(text).unwrap();
        Redirects::new(&allowed).judge(&url(to), &url(from), &url(asked))
    }

    #[test]
    fn nobody_is_led_from_https_to_http() {
        let check = |from, to| judge(&[], "https://arweave.net/", from, to);
        let downgrade = |host: &str| Err(RedirectError::Downgrade { host: host.to_owned() });
        assert_eq!(check("https://arweave.net/", "http://arweave.net/"), downgrade("arweave.net"));
        assert_eq!(check("https://arweave.net/", "http://other.example/"), downgrade("other.example"));
        assert_eq!(
            judge(&[], "https://a.example:8443", "https://a.example:8443", "http://a.example:8443"),
            downgrade("a.example")
        );
        // The second hop counts as the first does.
        assert_eq!(check("https://other.example/", "http://arweave.net/"), downgrade("arweave.net"));
        assert_eq!(check("https://arweave.net/", "https://other.example/"), Ok(false));
        assert_eq!(judge(&[], "http://a.example", "http://a.example", "http://b.example"), Ok(false));
    }

    #[test]
    fn of_a_long_name_the_beginning_is_told() {
        let to = format!("http://{}/", "a".repeat(100_000));
        let error = judge(&[], "https://arweave.net/", "https://arweave.net/", &to).unwrap_err();
        assert!(error.to_string().len() < 500, "{} bytes", error.to_string().len());
    }

    #[test]
    fn nobody_is_led_to_a_private_address() {
        for to in [
            "http://127.0.0.1/",
            "http://127.1:9001/",
            "http://0x7f000001/",
            "http://2130706433/",
            "http://169.254.169.254/latest/meta-data",
            "http://10.1.2.3/",
            "http://0.0.0.0/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[fe80::1]/",
            "http://[fd00::1]/",
        ] {
            let outcome = judge(&[], "http://arweave.net", "http://arweave.net", to);
            assert!(matches!(outcome, Err(RedirectError::Private { .. })), "{to}: {outcome:?}");
        }
        assert_eq!(judge(&[], "http://arweave.net", "http://arweave.net", "https://1.1.1.1/"), Ok(false));
    }

    #[test]
    fn the_service_itself_may_be_private_and_no_other_port_of_it() {
        let from = "http://127.0.0.1:4000/a";
        assert_eq!(judge(&[], from, from, "http://127.0.0.1:4000/b"), Ok(true));
        let admin = judge(&[], from, from, "http://127.0.0.1:9001/b");
        assert!(matches!(admin, Err(RedirectError::Private { .. })), "{admin:?}");
    }

    #[test]
    fn an_operator_may_allow_a_host() {
        let check =
            |to| judge(&["Gateway.internal", "10.0.0.7"], "https://a.example", "https://a.example", to);
        assert_eq!(check("http://gateway.internal:1984/"), Ok(true));
        assert_eq!(check("http://10.0.0.7/"), Ok(true));
        assert!(check("http://10.0.0.8/").is_err());
    }
}
