//! Addresses of clients, and ranges of them. An address of IPv4 is the same wherever it stands, also within IPv6.

use std::collections::HashSet;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};
use thiserror::Error;

use crate::list::{ListContent, ListError};

/// How many bits of an address of IPv6 say that it stands for one of IPv4.
const MAPPED_BITS: u8 = 96;
/// How much of a text that is no address is shown.
const SHOWN_CHARS: usize = 60;

/// One address, or all that begin alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRange(IpNet);

/// A text is neither an address nor a range of them.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("expected an address such as 203.0.113.7 or a range such as 203.0.113.0/24, not {0:?}")]
pub struct NoAddress(String);

impl FromStr for AddressRange {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        let text = text.trim();
        let read = match text.parse::<IpNet>() {
            Ok(range) => Some(range),
            Err(_) => text.parse::<IpAddr>().ok().map(IpNet::from),
        };
        let range = read.ok_or_else(|| NoAddress(text.chars().take(SHOWN_CHARS).collect()))?;
        Ok(Self(plain(range)))
    }
}

/// The same range; of IPv4 where it is one within IPv6.
fn plain(range: IpNet) -> IpNet {
    let IpNet::V6(six) = range else { return range };
    let four = six.addr().to_ipv4_mapped();
    let bits = six.prefix_len().checked_sub(MAPPED_BITS);
    match (four, bits) {
        (Some(four), Some(bits)) => Ipv4Net::new(four, bits).map_or(range, IpNet::V4),
        _ => range,
    }
}

/// Some addresses and ranges of them.
#[derive(Clone, Debug, Default)]
pub struct AddressSet {
    single: HashSet<IpAddr>,
    ranges: Vec<IpNet>,
}

impl AddressSet {
    /// Whether this address is one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.single.contains(&address) || self.ranges.iter().any(|range| range.contains(&address))
    }

    /// Reads a JSON array of addresses and ranges.
    ///
    /// # Errors
    /// When it is something else, or an entry is none.
    pub fn parse(json: &[u8]) -> Result<Self, ListError> {
        let texts: Vec<String> = serde_json::from_slice(json).map_err(ListError::Json)?;
        let entries = texts
            .iter()
            .enumerate()
            .map(|(index, text)| text.parse().map_err(|error: NoAddress| ListError::entry(index, &error)));
        entries.collect()
    }
}

impl FromIterator<AddressRange> for AddressSet {
    fn from_iter<I: IntoIterator<Item = AddressRange>>(ranges: I) -> Self {
        let mut set = Self::default();
        for AddressRange(range) in ranges {
            if range.prefix_len() == range.max_prefix_len() {
                set.single.insert(range.addr());
            } else {
                set.ranges.push(range);
            }
        }
        set
    }
}

impl ListContent for AddressSet {
    fn entries(&self) -> usize {
        self.single.len() + self.ranges.len()
    }
}

/// Reads addresses and ranges, separated by commas; empty entries are skipped.
///
/// # Errors
/// When an entry is neither; the number is that of the entry, from 1.
pub fn parse_addresses(text: &str) -> Result<AddressSet, (usize, NoAddress)> {
    let entries = text.split(',').enumerate().filter(|(_, entry)| !entry.trim().is_empty());
    entries.map(|(index, entry)| entry.parse().map_err(|error| (index + 1, error))).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    fn contains(range: &str, address: &str) -> bool {
        let set = AddressSet::from_iter([range.parse::<AddressRange>().unwrap()]);
        set.contains(address.parse().unwrap())
    }

    #[test]
    fn an_address_is_in_its_ranges() {
        for (range, inside, outside) in [
            ("203.0.113.7", "203.0.113.7", "203.0.113.8"),
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("10.1.2.3/8", "10.0.0.1", "9.255.255.255"),
            ("0.0.0.0/0", "1.2.3.4", "::1"),
            ("::/0", "2001:db8::1", "1.2.3.4"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
            ("2001:DB8:0::1", "2001:db8::1", "2001:db8::2"),
            ("127.0.0.1/32", "127.0.0.1", "127.0.0.2"),
        ] {
            assert!(contains(range, inside) && !contains(range, outside), "{range}");
        }
    }

    #[test]
    fn an_address_of_ipv4_is_the_same_within_ipv6() {
        for range in ["10.0.0.7", "::ffff:10.0.0.7", "::ffff:a00:7", "::ffff:10.0.0.0/104", "10.0.0.0/8"] {
            for address in ["10.0.0.7", "::ffff:10.0.0.7"] {
                assert!(contains(range, address), "{address} in {range}");
            }
            assert!(!contains(range, "::10.0.0.7"), "{range}");
        }
    }

    #[test]
    fn what_is_no_address_is_named() {
        for wrong in ["", "localhost", "10.0.0", "10.0.0.0/33", "10.0.0.7:80", "fe80::1%eth0", "1.2.3.4 5"] {
            let error = wrong.parse::<AddressRange>().unwrap_err();
            assert!(error.to_string().contains(&format!("{wrong:?}")), "{error}");
        }
        let error = "x".repeat(1000).parse::<AddressRange>().unwrap_err().to_string();
        assert!(error.len() < 200, "{error}");
        let (number, _) = parse_addresses("10.0.0.1, ,nobody").unwrap_err();
        assert_eq!(number, 3);
        assert_eq!(parse_addresses(" 10.0.0.1,10.0.0.0/8,").unwrap().entries(), 2);
    }

    #[test]
    fn a_list_is_an_array_of_texts() {
        let list = AddressSet::parse(br#"["10.0.0.1", "10.1.0.0/16", "::1"]"#).unwrap();
        assert_eq!(list.entries(), 3);
        assert!(list.contains("10.1.2.3".parse().unwrap()) && !list.contains("10.2.0.1".parse().unwrap()));
        assert_eq!(AddressSet::parse(b"[]").unwrap().entries(), 0);
        for wrong in [&b""[..], b"{}", b"[1]", b"null", b"[\"10.0.0.1\"", b"<html>"] {
            AddressSet::parse(wrong).unwrap_err();
        }
        let error = AddressSet::parse(br#"["10.0.0.1", "nobody"]"#).unwrap_err().to_string();
        assert!(error.contains("entry 2") && error.contains("nobody"), "{error}");
    }
}
