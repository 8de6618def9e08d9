#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use poem::error::ResponseError;
use poem::http::{HeaderValue, StatusCode};
use proptest::prelude::*;

use super::*;

fn asked(uri: &str, headers: &[(&str, &str)]) -> Request {
    let mut request = Request::builder().uri_str(uri).finish();
    for (name, value) in headers {
        let name = poem::http::HeaderName::from_bytes(name.as_bytes()).unwrap();
        request.headers_mut().append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    request
}

#[test]
fn only_this_machine_is_local() {
    for (uri, hosts, local) in [
        ("/", &["localhost"][..], true),
        ("/", &["LocalHost:9001"], true),
        ("/", &["localhost.:9001"], true),
        ("/", &["127.0.0.1"], true),
        ("/", &["127.9.9.9:1"], true),
        ("/", &["[::1]:9001"], true),
        ("/", &["[::ffff:127.0.0.1]:9001"], true),
        ("http://localhost:9001/", &[], true),
        ("http://127.0.0.1:9001/", &["localhost:9001"], true),
        ("/", &[], false),
        ("/", &[""], false),
        ("/", &["rebound.example:9001"], false),
        ("/", &["10.0.0.1:9001"], false),
        ("/", &["0.0.0.0:9001"], false),
        ("/", &["[::]:9001"], false),
        ("/", &["localhost.example"], false),
        ("/", &["xlocalhost"], false),
        ("/", &["127.0.0.1.example"], false),
        ("/", &["user@localhost"], false),
        ("/", &["localhost:port"], false),
        ("/", &["localhost:99999"], false),
        ("/", &["[::1]a:0"], false),
        ("/", &["localhost:+80"], false),
        ("/", &["localhost", "rebound.example"], false),
        ("http://rebound.example/", &["localhost"], false),
        ("http://localhost/", &["rebound.example"], false),
    ] {
        let headers: Vec<_> = hosts.iter().map(|host| ("host", *host)).collect();
        let checked = check_local(&asked(uri, &headers));
        assert_eq!(checked.is_ok(), local, "{uri} {hosts:?}");
        if let Err(refusal) = checked {
            assert_eq!(refusal.status(), StatusCode::FORBIDDEN);
            assert!(refusal.to_string().contains("Host"), "{refusal}");
        }
    }
}

#[test]
fn only_its_own_pages_are_its_own() {
    for (host, origin, own) in [
        ("node:9001", "http://node:9001", true),
        ("NODE:9001", "http://node:9001", true),
        ("node", "http://node", true),
        ("node:80", "http://node", true),
        ("node", "https://node:443", true),
        ("[::1]:9001", "http://[::1]:9001", true),
        ("node:9001", "http://node", false),
        ("node:9001", "http://node:9002", false),
        ("node", "https://node:80", false),
        ("node:9001", "http://other:9001", false),
        ("node:9001", "null", false),
        ("node:9001", "", false),
        ("node:9001", "node:9001", false),
        ("node:9001", "http://node:9001/", false),
        ("node:9001", "http://user@node:9001", false),
        ("node:9001", "file://node:9001", false),
        ("node:9001", "http://node:9001.other", false),
    ] {
        let request = asked("/", &[("host", host), ("origin", origin)]);
        let checked = check_page(&request);
        assert_eq!(checked.is_ok(), own, "{origin} of {host}");
        if let Err(refusal) = checked {
            assert_eq!(refusal.status(), StatusCode::FORBIDDEN);
        }
    }
    assert!(check_page(&asked("/", &[("host", "node")])).is_ok());
    assert!(check_page(&asked("/", &[])).is_ok());
    assert!(check_page(&asked("/", &[("origin", "http://node")])).is_err(), "of a page, but to nobody");
    let two = [("host", "node"), ("origin", "http://node"), ("origin", "http://other")];
    assert!(check_page(&asked("/", &two)).is_err());
    for (site, own) in [("none", true), ("same-origin", true), ("same-site", false), ("cross-site", false)] {
        let request = asked("/", &[("host", "node"), ("sec-fetch-site", site)]);
        assert_eq!(check_page(&request).is_ok(), own, "{site}");
    }
}

/// Text that is often nearly a name of this machine.
fn nearly() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("localhost".to_owned()),
        Just("127.0.0.1".to_owned()),
        Just("[::1]".to_owned()),
        Just("evil.example".to_owned()),
        "[a-z0-9@:/?#%.\\[\\]-]{0,3}",
        "[ -~]{0,8}",
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

    /// What passes is loopback also as others read it: a URL of it leads to this machine.
    #[test]
    fn whatever_passes_for_local_leads_here(host in nearly()) {
        let request = asked("/", &[("host", &host)]);
        if check_local(&request).is_ok() {
            let bare = host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
            let bare = bare.map_or(&*host, |(bare, _)| bare).to_ascii_lowercase();
            let known = ["localhost", "localhost.", "[::1]"];
            prop_assert!(known.contains(&&*bare) || bare.starts_with("127."), "{host:?}");
        }
    }

    /// Whatever the page and the name are: no panic, and only the very same passes.
    #[test]
    fn a_page_passes_only_with_the_name_in_its_origin(host in nearly(), origin in nearly(), https in any::<bool>()) {
        let scheme = if https { "https" } else { "http" };
        let usual = if https { ":443" } else { ":80" };
        let origin = format!("{scheme}://{origin}");
        let request = asked("/", &[("host", &host), ("origin", &origin)]);
        let place = |text: &str| {
            let text = text.to_ascii_lowercase();
            text.strip_suffix(usual).unwrap_or(&text).to_owned()
        };
        if check_page(&request).is_ok() {
            let named = origin.strip_prefix(scheme).unwrap().strip_prefix("://").unwrap();
            prop_assert_eq!(place(named), place(&host));
        }
        let own = format!("{scheme}://{host}");
        let request = asked("/", &[("host", &host), ("origin", &own)]);
        prop_assert_eq!(check_page(&request).is_ok(), called(&request).is_some());
    }

    /// Any bytes in any of the headers are judged, not stumbled over.
    #[test]
    fn any_bytes_are_judged(host in prop::collection::vec(32_u8..=255, 0..40), origin in prop::collection::vec(32_u8..=255, 0..40)) {
        let mut request = Request::builder().uri_str("/").finish();
        for (name, value) in [(HOST, host), (ORIGIN, origin)] {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                request.headers_mut().append(name, value);
            }
        }
        let _ = (check_page(&request), check_local(&request));
    }
}
