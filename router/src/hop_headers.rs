//! Headers of what is passed on: those that are between two neighbours alone stay there, and who asks is said anew.

use std::net::IpAddr;

use limits::ClientAddress;
use poem::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use web::HOPS;

/// What is between two neighbours alone, or is said anew to the next one.
const HOP_BY_HOP: [HeaderName; 12] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::HOST,
    header::CONTENT_LENGTH,
    header::EXPECT,
];
/// What an answer tells a browser of the origin that it comes from, which is the router's and not the scheduler's; or where to go
/// from there.
const OF_ORIGIN: [HeaderName; 8] = [
    header::REFRESH,
    header::SET_COOKIE,
    header::STRICT_TRANSPORT_SECURITY,
    header::ALT_SVC,
    HeaderName::from_static("clear-site-data"),
    HeaderName::from_static("service-worker-allowed"),
    HeaderName::from_static("report-to"),
    HeaderName::from_static("nel"),
];
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The headers that go on to the next one.
pub(crate) fn passed_on(headers: &HeaderMap) -> HeaderMap {
    let named: Vec<String> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    let goes_on = |name: &HeaderName| {
        !HOP_BY_HOP.contains(name) && *name != HOPS && !named.iter().any(|named| named == name.as_str())
    };
    let going = headers.iter().filter(|(name, _)| goes_on(name));
    going.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The headers of an answer that go on to the client.
pub(crate) fn answered_with(headers: &HeaderMap) -> HeaderMap {
    let mut headers = passed_on(headers);
    for name in OF_ORIGIN {
        headers.remove(name);
    }
    headers
}

/// Says who asks, whatever the client says of that itself. What a trusted proxy has said is said in both headers alike, so that
/// a scheduler which trusts this router alone hears of one client; where it contradicts itself it goes on as it came, for the
/// scheduler to see that.
pub(crate) fn tell_client(headers: &mut HeaderMap, peer: Option<IpAddr>, client: Option<ClientAddress>) {
    let (Some(peer), Some(client)) = (peer, client) else {
        headers.remove(REAL_IP);
        return;
    };
    let ClientAddress::Known(client) = client else { return };
    let before = headers.get(FORWARDED_FOR).and_then(|before| before.to_str().ok());
    let chain = match before {
        // A stranger wrote it, and comes after it.
        Some(before) if client == peer => format!("{before}, {client}"),
        _ => client.to_string(),
    };
    for (name, value) in [(REAL_IP, client.to_string()), (FORWARDED_FOR, chain)] {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn what_an_answer_says_of_its_origin_is_not_said_of_the_router() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("content-type", "application/json"),
            ("set-cookie", "a=b"),
            ("refresh", "0; url=http://evil.example"),
            ("clear-site-data", "\"*\""),
            ("alt-svc", "h3=\"evil.example:443\""),
            ("strict-transport-security", "max-age=1"),
            ("connection", "close"),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let told = answered_with(&headers);
        assert_eq!((told.len(), &told[header::CONTENT_TYPE]), (1, &headers[header::CONTENT_TYPE]));
    }

    #[test]
    fn what_is_between_neighbours_goes_no_further() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("host", "router"),
            ("connection", "keep-alive, X-Mine"),
            ("keep-alive", "5"),
            ("transfer-encoding", "chunked"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("content-length", "5"),
            ("expect", "100-continue"),
            ("x-mine", "1"),
            ("quipu-hops", "0"),
            ("accept-encoding", "zstd"),
            ("content-type", "application/octet-stream"),
            ("x-forwarded-for", "10.0.0.9"),
            ("x-real-ip", "10.0.0.9"),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let mut passed = passed_on(&headers);
        let (peer, client) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([203, 0, 113, 7]));
        tell_client(&mut passed, Some(peer), Some(ClientAddress::Known(peer)));
        let mut all: Vec<_> =
            passed.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        all.sort();
        assert_eq!(
            all,
            [
                "accept-encoding: zstd",
                "content-type: application/octet-stream",
                "x-forwarded-for: 10.0.0.9, 10.0.0.1",
                "x-real-ip: 10.0.0.1"
            ]
        );
        // The peer is a proxy that is trusted.
        let mut passed = passed_on(&headers);
        tell_client(&mut passed, Some(peer), Some(ClientAddress::Known(client)));
        assert_eq!([&passed[REAL_IP], &passed[FORWARDED_FOR]], ["203.0.113.7"; 2]);
        // It contradicts itself.
        let mut passed = passed_on(&headers);
        tell_client(&mut passed, Some(peer), Some(ClientAddress::Unclear));
        assert_eq!([&passed[REAL_IP], &passed[FORWARDED_FOR]], ["10.0.0.9"; 2]);
        tell_client(&mut passed, None, None);
        assert!(passed.get(REAL_IP).is_none());
    }
}
