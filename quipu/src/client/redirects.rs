//! Where an answer may send a client. Schedulers redirect to each other, and are followed; nobody on the internet sends it to
//! the network that it is in.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gateway::is_public;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Url, redirect};

/// How many are followed for one call, as browsers do it.
const MOST: usize = 10;

/// An answer leads where nobody on the internet may lead.
#[derive(Debug, thiserror::Error)]
#[error(
    "it redirects to {0}, an address of a private network, which is followed only if its own address is of one"
)]
struct PrivateRedirect(String);

/// From which host redirects are followed.
#[derive(Clone, Debug)]
pub(super) struct ClientRedirects {
    asked: Arc<str>,
    /// Whether that host is itself in a private network; of a name it is known once it was looked up.
    is_private: Arc<AtomicBool>,
    /// Where it last led, for whoever is not answered there.
    last: Arc<Mutex<Option<String>>>,
}

impl ClientRedirects {
    pub(super) fn from(asked: &Url) -> Self {
        let is_private = address(asked).is_some_and(|address| !is_public(address));
        Self {
            asked: asked.host_str().unwrap_or_default().into(),
            is_private: Arc::new(AtomicBool::new(is_private)),
            last: Arc::default(),
        }
    }

    /// Where a call was last led, if any was.
    pub(super) fn last(&self) -> Option<String> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn policy(&self) -> Policy {
        let redirects = self.clone();
        Policy::custom(move |attempt| redirects.follow(attempt))
    }

    fn follow(&self, attempt: Attempt<'_>) -> redirect::Action {
        if attempt.previous().len() > MOST {
            return attempt.error("it redirects without an end");
        }
        match self.judge(attempt.url()) {
            Ok(()) => {
                let to = attempt.url().origin().ascii_serialization();
                *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(to);
                attempt.follow()
            }
            Err(refused) => attempt.error(refused),
        }
    }

    /// Whether an address may be gone to; names are looked at when they are looked up.
    fn judge(&self, to: &Url) -> Result<(), PrivateRedirect> {
        match address(to) {
            Some(address) if !is_public(address) && !self.may_be_private() => {
                Err(PrivateRedirect(to.host_str().unwrap_or_default().to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// What was found of a name, as far as it may be gone to.
    fn allowed(&self, name: &str, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, PrivateRedirect> {
        let (public, private): (Vec<_>, Vec<_>) =
            found.iter().copied().partition(|found| is_public(found.ip()));
        if name == &*self.asked && !private.is_empty() {
            self.is_private.store(true, Ordering::Relaxed);
        }
        if self.may_be_private() || private.is_empty() {
            return Ok(found);
        }
        if public.is_empty() { Err(PrivateRedirect(name.to_owned())) } else { Ok(public) }
    }

    fn may_be_private(&self) -> bool {
        self.is_private.load(Ordering::Relaxed)
    }
}

impl Resolve for ClientRedirects {
    fn resolve(&self, name: Name) -> Resolving {
        let redirects = self.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let allowed = redirects.allowed(name.as_str(), found);
            let allowed = allowed.map_err(Box::<dyn Error + Send + Sync>::from)?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// The address that a URL names, if it names no host.
fn address(url: &Url) -> Option<IpAddr> {
    url.host_str()?.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    fn from(asked: &str) -> ClientRedirects {
        ClientRedirects::from(&Url::parse(asked).unwrap())
    }

    fn found(addresses: &[&str]) -> Vec<SocketAddr> {
        addresses.iter().map(|address| SocketAddr::new(address.parse().unwrap(), 0)).collect()
    }

    #[test]
    fn nobody_on_the_internet_leads_to_a_private_address() {
        let redirects = from("https://su.example");
        assert!(redirects.allowed("su.example", found(&["1.1.1.1"])).is_ok());
        for to in ["http://127.0.0.1:9001/", "http://10.0.0.7/", "http://[::1]/", "http://169.254.169.254/"] {
            let refused = redirects.judge(&Url::parse(to).unwrap());
            assert!(refused.unwrap_err().to_string().contains("private network"), "{to}");
        }
        assert!(redirects.judge(&Url::parse("https://1.1.1.1/").unwrap()).is_ok());
        assert!(redirects.judge(&Url::parse("https://other.example/").unwrap()).is_ok());
        assert!(redirects.allowed("other.example", found(&["10.0.0.7"])).is_err());
        let both = redirects.allowed("both.example", found(&["10.0.0.7", "1.1.1.1"])).unwrap();
        assert_eq!(both, found(&["1.1.1.1"]));
    }

    #[test]
    fn who_is_in_a_private_network_may_lead_within_it() {
        let by_address = from("http://127.0.0.1:9000");
        assert!(by_address.judge(&Url::parse("http://127.0.0.1:9100/").unwrap()).is_ok());
        assert!(by_address.allowed("inner.example", found(&["10.0.0.7"])).is_ok());
        let by_name = from("http://su.home");
        assert!(
            by_name.judge(&Url::parse("http://10.0.0.7/").unwrap()).is_err(),
            "nothing is known of it yet"
        );
        assert!(by_name.allowed("su.home", found(&["10.0.0.6"])).is_ok());
        assert!(by_name.judge(&Url::parse("http://10.0.0.7/").unwrap()).is_ok());
    }
}
