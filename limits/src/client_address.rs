//! Which address a request came from: that of the connection, or what a proxy says of it that an operator trusts.
//!
//! A header is what anybody may send, so it counts only from a trusted peer, and only as far as trusted proxies wrote
//! it: of `X-Forwarded-For` the last address that is not one of them, as each proxy appends whom it heard. Some proxies
//! set this header and pass `X-Real-IP` on as it came, others the reverse. So where both are there they have to agree:
//! of two that differ, one is the client's invention.

use std::net::IpAddr;

use crate::addresses::AddressSet;

/// What a request says of whom it is from, beside its connection.
#[derive(Clone, Debug, Default)]
pub struct ClientHeaders<'a> {
    /// Each `X-Real-IP`.
    pub real_ip: Vec<&'a str>,
    /// Each `X-Forwarded-For`, in their order.
    pub forwarded_for: Vec<&'a str>,
}

/// Where a request came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAddress {
    /// From this address.
    Known(IpAddr),
    /// A trusted proxy says what cannot be true.
    Unclear,
}

impl ClientAddress {
    /// Where a request came from that this peer sent.
    pub fn of(peer: IpAddr, headers: &ClientHeaders<'_>, trusted: &AddressSet) -> Self {
        let peer = peer.to_canonical();
        if !trusted.contains(peer) {
            return Self::Known(peer);
        }
        match (real_ip(headers, trusted), forwarded_for(headers, trusted)) {
            (Said::Nothing, Said::Nothing) => Self::Known(peer),
            (Said::Address(address), Said::Nothing) | (Said::Nothing, Said::Address(address)) => {
                Self::Known(address)
            }
            (Said::Address(one), Said::Address(other)) if one == other => Self::Known(one),
            _ => Self::Unclear,
        }
    }
}

/// What a header says.
enum Said {
    Nothing,
    Address(IpAddr),
    /// Something that is no address, or several.
    Nonsense,
}

fn real_ip(headers: &ClientHeaders<'_>, trusted: &AddressSet) -> Said {
    match headers.real_ip.as_slice() {
        [] => Said::Nothing,
        [text] => match read(text) {
            // A proxy behind another that named itself.
            Some(address) if trusted.contains(address) => Said::Nothing,
            Some(address) => Said::Address(address),
            None => Said::Nonsense,
        },
        _ => Said::Nonsense,
    }
}

fn forwarded_for(headers: &ClientHeaders<'_>, trusted: &AddressSet) -> Said {
    let hops = headers.forwarded_for.iter().rev().flat_map(|header| header.rsplit(','));
    for hop in hops {
        match read(hop) {
            Some(address) if trusted.contains(address) => {}
            Some(address) => return Said::Address(address),
            None => return Said::Nonsense,
        }
    }
    Said::Nothing
}

/// An address, be it with a port, as some proxies write it.
fn read(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse::<IpAddr>().ok();
    let with_port = || text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip());
    address.or_else(with_port).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use proptest::prelude::*;

    use super::*;

    const CLIENT: &str = "203.0.113.7";
    const PROXY: &str = "10.0.0.1";
    const OTHER_PROXY: &str = "10.0.0.2";

    fn check(peer: &str, real_ip: &[&str], forwarded_for: &[&str], expected: Option<&str>) {
        let trusted = crate::parse_addresses("10.0.0.0/24").unwrap();
        let headers = ClientHeaders { real_ip: real_ip.to_vec(), forwarded_for: forwarded_for.to_vec() };
        let found = ClientAddress::of(peer.parse().unwrap(), &headers, &trusted);
        let expected =
            expected.map_or(ClientAddress::Unclear, |text| ClientAddress::Known(text.parse().unwrap()));
        assert_eq!(found, expected, "{peer} {real_ip:?} {forwarded_for:?}");
    }

    #[test]
    fn who_is_not_trusted_is_not_believed() {
        check("198.51.100.9", &[CLIENT], &[CLIENT], Some("198.51.100.9"));
        check("::ffff:198.51.100.9", &[CLIENT], &[], Some("198.51.100.9"));
    }

    #[test]
    fn a_trusted_proxy_says_who_the_client_is() {
        for peer in [PROXY, "::ffff:10.0.0.1"] {
            check(peer, &[CLIENT], &[], Some(CLIENT));
            check(peer, &[], &[CLIENT], Some(CLIENT));
            check(peer, &[CLIENT], &[CLIENT], Some(CLIENT));
            check(peer, &["::ffff:203.0.113.7"], &["203.0.113.7:4711"], Some(CLIENT));
            check(peer, &["[2001:db8::1]"], &["[2001:db8::1]:80"], Some("2001:db8::1"));
        }
        check(PROXY, &[], &[], Some(PROXY));
    }

    #[test]
    fn what_the_client_made_up_is_left_of_what_proxies_wrote() {
        check(PROXY, &[], &["1.1.1.1, 203.0.113.7"], Some(CLIENT));
        check(PROXY, &[], &["junk, 203.0.113.7, 10.0.0.2"], Some(CLIENT));
        check(PROXY, &[], &["1.1.1.1", "203.0.113.7", OTHER_PROXY], Some(CLIENT));
        check(PROXY, &[OTHER_PROXY], &["1.1.1.1, 203.0.113.7, 10.0.0.2"], Some(CLIENT));
    }

    proptest! {
        /// Whatever a client writes left of what the trusted proxy appends, it is the proxy's word that counts.
        #[test]
        fn nobody_makes_up_an_address(made_up in any::<String>(), separate in any::<bool>()) {
            let trusted = crate::parse_addresses("10.0.0.0/24").unwrap();
            let joined = format!("{made_up},{CLIENT}");
            let forwarded_for = if separate { vec![made_up.as_str(), CLIENT] } else { vec![joined.as_str()] };
            let headers = ClientHeaders { real_ip: vec![], forwarded_for };
            let found = ClientAddress::of(PROXY.parse().unwrap(), &headers, &trusted);
            prop_assert_eq!(found, ClientAddress::Known(CLIENT.parse().unwrap()));
        }
    }

    #[test]
    fn headers_that_contradict_each_other_say_nothing() {
        check(PROXY, &["1.1.1.1"], &[CLIENT], None);
        check(PROXY, &[CLIENT], &["1.1.1.1"], None);
        check(PROXY, &[CLIENT, CLIENT], &[], None);
        check(PROXY, &["nobody"], &[CLIENT], None);
        check(PROXY, &[], &["203.0.113.7, nobody"], None);
        check(PROXY, &[""], &[], None);
    }
}
