//! Who asks at a listener for operators, as far as a request tells: by which name the node was called, and which page
//! sent it.
//!
//! A browser lets any page send requests to this machine, and a name that somebody else owns may lead here. It says
//! so, however: the page is in `Origin` and `Sec-Fetch-Site`, the name in `Host`, and no page can change these.

use std::net::IpAddr;

use poem::Request;
use poem::http::header::{HOST, ORIGIN};
use poem::http::uri::Authority;
use protocol::Code;

use crate::error::HttpError;

/// Where the browser says how the page that asks is related to what it asks for.
const FETCH_SITE: &str = "sec-fetch-site";

/// Refuses what a page of another origin sent.
pub(crate) fn check_page(request: &Request) -> Result<(), HttpError> {
    let called = called(request);
    let origins = request.headers().get_all(ORIGIN).iter();
    for origin in origins {
        let origin = origin.to_str().unwrap_or_default();
        let is_own = called.as_ref().is_some_and(|called| called.iter().all(|name| is_of(origin, name)));
        if !is_own {
            return Err(foreign(&format!("the page that sent this request is of {origin:?}")));
        }
    }
    for site in request.headers().get_all(FETCH_SITE) {
        if !matches!(site.as_bytes(), b"same-origin" | b"none") {
            return Err(foreign(&format!("the browser says that this request is {site:?}")));
        }
    }
    Ok(())
}

/// Refuses what does not call this machine by its own name for itself.
pub(crate) fn check_local(request: &Request) -> Result<(), HttpError> {
    match called(request) {
        Some(names) if names.iter().all(|name| is_loopback(name.host())) => Ok(()),
        _ => {
            let text = "the header Host is wrong: without the admin token, expected localhost or a loopback address \
                        such as 127.0.0.1";
            Err(HttpError::new(Code::Forbidden, text))
        }
    }
}

fn foreign(found: &str) -> HttpError {
    let text = format!(
        "{found}: only this listener's own pages may call it from a browser, expected no other Origin than its own"
    );
    HttpError::new(Code::Forbidden, text)
}

/// The names by which the node was called: in the request line or `:authority`, and in each `Host`. None where there is
/// no name, or one that cannot be understood.
fn called(request: &Request) -> Option<Vec<Authority>> {
    let mut names: Vec<Authority> = request.uri().authority().cloned().into_iter().collect();
    for host in request.headers().get_all(HOST) {
        names.push(host.to_str().ok()?.parse().ok()?);
    }
    (!names.is_empty() && names.iter().all(is_plain)).then_some(names)
}

/// Whether it is a host with or without a port, and nothing else.
fn is_plain(name: &Authority) -> bool {
    // The parser takes what stands between an address and its port for neither.
    let rest = name.as_str().strip_prefix(name.host());
    let is_number =
        |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    let is_port = |rest: &str| rest.strip_prefix(':').is_some_and(is_number);
    !name.host().is_empty() && rest.is_some_and(|rest| rest.is_empty() || is_port(rest))
}

/// Whether an origin is that of pages which are fetched by this name.
fn is_of(origin: &str, name: &Authority) -> bool {
    let Some((scheme, place)) = origin.split_once("://") else { return false };
    let usual = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return false,
    };
    let Some(place) = place.parse().ok().filter(is_plain) else { return false };
    let port = |name: &Authority| name.port_u16().unwrap_or(usual);
    place.host().eq_ignore_ascii_case(name.host()) && port(&place) == port(name)
}

fn is_loopback(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    match address.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => host.strip_suffix('.').unwrap_or(host).eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests;
