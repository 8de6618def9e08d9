//! What the clients of a listener may take up.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use limits::AddressSet;

use crate::budget::Budget;
use crate::crowd::Crowding;

/// What clients may take up.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How many connections there may be. For further ones others give way, and they wait while none may.
    pub connections: usize,
    /// How long a connection may be without a request: the time for the head of one to come whole, too.
    pub idle: Duration,
    /// How long a connection with a request under way may be without a byte in either direction: longer than any
    /// call takes to be answered.
    pub quiet: Duration,
    /// How long a piece of an answer may wait to be fetched while others need the memory.
    pub unfetched: Duration,
    /// Whether pages of others may read what is answered to requests that cannot be read, as they may read all else.
    pub open_to_pages: bool,
    /// How long what was accepted may take to be answered after the shutdown.
    pub drain: Duration,
    /// The time of day, as it is shown in answers.
    pub now: fn() -> SystemTime,
    /// Where it is told that there are too many.
    pub crowding: Crowding,
    /// The memory for their requests and the answers to them.
    pub budget: Budget,
    /// Addresses that many clients are behind, none of which has their connections and answers counted to it.
    pub proxies: Arc<AddressSet>,
}

impl Limits {
    /// What counts as one address, and is held to its part: of IPv6 a client has as many as it wants, all in one network
    /// of 64 bits. None for a proxy.
    pub(crate) fn network(&self, from: IpAddr) -> Option<IpAddr> {
        let network = match from {
            IpAddr::V4(_) => from,
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        };
        (!self.proxies.contains(from)).then_some(network)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 2048,
            // Longer than balancers and proxies keep one: who sends a request on it must not find it just closed.
            idle: Duration::from_secs(90),
            open_to_pages: true,
            quiet: Duration::from_secs(120),
            unfetched: Duration::from_secs(4),
            drain: Duration::from_secs(20),
            now: SystemTime::now,
            crowding: Crowding::default(),
            budget: Budget::default(),
            proxies: Arc::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn a_network_of_ipv6_counts_as_one_address_and_a_proxy_as_none() {
        let proxies = Arc::new(limits::parse_addresses("10.0.0.0/24").unwrap());
        let limits = Limits { proxies, ..Limits::default() };
        let [one, same, other, ipv4, proxy] =
            ["2001:db8::1", "2001:db8::2:0:0:1", "2001:db8:0:1::1", "192.0.2.1", "10.0.0.7"]
                .map(|text| limits.network(text.parse().unwrap()));
        assert_eq!((one, one), (same, "2001:db8::".parse().ok()));
        assert_ne!(one, other);
        assert_eq!((ipv4, proxy), ("192.0.2.1".parse().ok(), None));
    }
}
