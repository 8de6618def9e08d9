//! Which clients are let in, known by the addresses that their requests come from.

use std::net::IpAddr;

use reqwest::Url;

use crate::addresses::AddressSet;
use crate::client_address::{ClientAddress, ClientHeaders};
use crate::list::{FetchedList, ListSeen};
use crate::rate::{Rate, RateLimiter};
use crate::refusal::LimitRefusal;

/// What an operator can set about clients.
#[derive(Clone, Debug, Default)]
pub struct ClientOptions {
    /// Where the list of addresses is that may send messages; without it all may.
    pub addresses: Option<Url>,
    /// The proxies that say truly whom a request is from.
    pub trusted_proxies: AddressSet,
    /// How many requests one address may send; without it any number.
    pub rate: Option<Rate>,
}

/// Which clients are let in.
#[derive(Debug, Default)]
pub struct ClientLimits {
    trusted_proxies: AddressSet,
    addresses: Option<FetchedList<AddressSet>>,
    rate: Option<RateLimiter>,
}

impl ClientLimits {
    /// What these options say, with the list that is fetched for them.
    pub fn new(options: &ClientOptions, addresses: Option<FetchedList<AddressSet>>) -> Self {
        let trusted_proxies = options.trusted_proxies.clone();
        Self { trusted_proxies, addresses, rate: options.rate.map(RateLimiter::new) }
    }

    /// The list of addresses, if there is one.
    pub fn list(&self) -> Option<ListSeen> {
        self.addresses.as_ref().map(FetchedList::seen)
    }

    /// Refuses while it is not known who is let in.
    ///
    /// # Errors
    /// When the list of addresses was never read.
    pub fn check_known(&self) -> Result<(), LimitRefusal> {
        self.list().map_or(Ok(()), |list| list.check_known())
    }

    /// Whom a request is from that this peer sent.
    pub fn client(&self, peer: IpAddr, headers: &ClientHeaders<'_>) -> ClientAddress {
        ClientAddress::of(peer, headers, &self.trusted_proxies)
    }

    /// Lets a request in that this peer sent, or refuses it: any if it is one too many, and one that `sends` something
    /// to be scheduled if its address is not on the list.
    ///
    /// # Errors
    /// When it is refused.
    pub fn check(&self, peer: IpAddr, headers: &ClientHeaders<'_>, sends: bool) -> Result<(), LimitRefusal> {
        let client = self.client(peer, headers);
        if let Some(rate) = &self.rate {
            let address = match client {
                ClientAddress::Known(address) => address,
                // Whoever is unclear shares with all who are, and takes nothing from others.
                ClientAddress::Unclear => peer,
            };
            rate.check(address).map_err(LimitRefusal::TooMany)?;
        }
        let Some(addresses) = self.addresses.as_ref().filter(|_| sends) else { return Ok(()) };
        let addresses = addresses.current()?;
        match client {
            ClientAddress::Known(address) if addresses.contains(address) => Ok(()),
            ClientAddress::Known(address) => Err(LimitRefusal::Address(address)),
            ClientAddress::Unclear => Err(LimitRefusal::UnclearAddress),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    fn peer(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn from(client: &str) -> ClientHeaders<'_> {
        ClientHeaders { real_ip: vec![client], forwarded_for: vec![] }
    }

    #[test]
    fn whoever_sends_must_be_on_the_list_and_anybody_may_ask() {
        let list = FetchedList::new("addresses", "the list of addresses");
        let trusted_proxies = crate::parse_addresses("10.0.0.1").unwrap();
        let options = ClientOptions { trusted_proxies, ..ClientOptions::default() };
        let limits = ClientLimits::new(&options, Some(list.clone()));
        let nothing = ClientHeaders::default();
        let listed = peer("203.0.113.7");
        assert!(matches!(limits.check(listed, &nothing, true), Err(LimitRefusal::ListUnknown(_))));
        limits.check(listed, &nothing, false).unwrap();
        list.take(AddressSet::default());
        assert_eq!(limits.check(listed, &nothing, true), Err(LimitRefusal::Address(listed)));
        list.take(AddressSet::parse(br#"["203.0.113.7"]"#).unwrap());
        limits.check(listed, &nothing, true).unwrap();
        limits.check(peer("::ffff:203.0.113.7"), &nothing, true).unwrap();

        let stranger = peer("198.51.100.9");
        assert_eq!(limits.check(stranger, &from("203.0.113.7"), true), Err(LimitRefusal::Address(stranger)));
        limits.check(stranger, &nothing, false).unwrap();
        limits.check(peer("10.0.0.1"), &from("203.0.113.7"), true).unwrap();
        assert_eq!(
            limits.check(peer("10.0.0.1"), &from("198.51.100.9"), true),
            Err(LimitRefusal::Address(stranger))
        );
        assert_eq!(limits.check(peer("10.0.0.1"), &from("nobody"), true), Err(LimitRefusal::UnclearAddress));
    }

    #[test]
    fn requests_are_counted_for_the_client_and_not_for_its_proxy() {
        let trusted_proxies = crate::parse_addresses("10.0.0.1").unwrap();
        let rate = Some("1/h".parse().unwrap());
        let limits = ClientLimits::new(&ClientOptions { trusted_proxies, rate, addresses: None }, None);
        let proxy = peer("10.0.0.1");
        for client in ["203.0.113.7", "203.0.113.8"] {
            limits.check(proxy, &from(client), false).unwrap();
            let refusal = limits.check(proxy, &from(client), false).unwrap_err();
            assert!(refusal.too_many().is_some_and(|seconds| seconds > 3500), "{refusal}");
        }
        // Those whom nobody can tell apart are one.
        limits.check(proxy, &from("nobody"), false).unwrap();
        limits.check(proxy, &from("somebody"), false).unwrap_err();
    }

    #[test]
    fn without_a_setting_everybody_is_let_in() {
        let limits = ClientLimits::default();
        for _ in 0..1000 {
            limits.check(peer("203.0.113.7"), &from("nobody"), true).unwrap();
        }
    }
}
