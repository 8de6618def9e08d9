//! `//P`, `/P/` and `/P` are one path: clients put URLs together from pieces that end or begin with a slash. What follows
//! an `&` in a path is query as well, as HyperBEAM has it; what is in the query itself comes first. `%7Escheduler%401.0` is
//! `~scheduler@1.0`: some libraries encode more than they need to.

use std::borrow::Cow;
use std::sync::Arc;

use poem::http::Uri;
use poem::http::uri::PathAndQuery;
use poem::{Endpoint, Request, Response};

/// Answers a request as that of the plain path.
pub(crate) async fn as_plain<E: Endpoint<Output = Response>>(
    endpoint: Arc<E>,
    mut request: Request,
) -> poem::Result<Response> {
    if let Some(plain) = plain(request.uri()) {
        *request.uri_mut() = plain;
    }
    endpoint.call(request).await
}

/// The same with one slash before each part, none at the end, no parameters within and nothing encoded that need not be; none
/// where it is so already.
fn plain(uri: &Uri) -> Option<Uri> {
    let (path, parameters) = parted(uri.path());
    let path = &*path;
    let decoded = decoded(path);
    let is_plain = parameters.is_none()
        && *decoded == *path
        && !path.contains("//")
        && (path.len() <= 1 || !path.ends_with('/'));
    if is_plain {
        return None;
    }
    let mut text = String::with_capacity(path.len());
    for part in decoded.split('/').filter(|part| !part.is_empty()) {
        text.push('/');
        text += part;
    }
    if text.is_empty() {
        text.push('/');
    }
    for (query, before) in uri.query().into_iter().chain(parameters.as_deref()).zip(['?', '&']) {
        text.push(before);
        text += query;
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(text).ok()?);
    Uri::from_parts(parts).ok()
}

/// A path without the parameters in it, and these. They may stand behind its first part as well, which names the process: what
/// comes after them says what is asked of it.
fn parted(path: &str) -> (Cow<'_, str>, Option<Cow<'_, str>>) {
    let Some((before, parameters)) = path.split_once('&') else { return (path.into(), None) };
    let is_first = !before.trim_matches('/').contains('/');
    match parameters.split_once('/').filter(|_| is_first) {
        None => (before.into(), Some(parameters.into())),
        Some((parameters, call)) => match call.split_once('&') {
            None => (format!("{before}/{call}").into(), Some(parameters.into())),
            Some((call, more)) => {
                (format!("{before}/{call}").into(), Some(format!("{parameters}&{more}").into()))
            }
        },
    }
}

/// A path without the codes of characters that mean the same without (RFC 3986, 6.2.2.2), and of `@`, which separates nothing
/// here.
fn decoded(path: &str) -> Cow<'_, str> {
    if !path.contains('%') {
        return Cow::Borrowed(path);
    }
    let (mut text, mut rest) = (String::with_capacity(path.len()), path);
    while let Some((before, after)) = rest.split_once('%') {
        text += before;
        let byte = after.get(..2).and_then(|code| u8::from_str_radix(code, 16).ok());
        match byte.filter(|byte| byte.is_ascii_alphanumeric() || b"-._~@".contains(byte)) {
            Some(byte) => {
                text.push(char::from(byte));
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                text.push('%');
                rest = after;
            }
        }
    }
    Cow::Owned(text + rest)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn slashes_beside_each_other_and_at_the_end_do_not_count() {
        for (given, expected) in [
            ("/", None),
            ("/P", None),
            ("/P/latest?a=//b/", None),
            ("*", None),
            ("//", Some("/")),
            ("//P", Some("/P")),
            ("/P/", Some("/P")),
            ("///P//latest//?a=//b/&c=%2F", Some("/P/latest?a=//b/&c=%2F")),
            ("//?process-id=P", Some("/?process-id=P")),
            ("/%2F/", Some("/%2F")),
            ("/P/%7Escheduler%401.0/schedule", Some("/P/~scheduler@1.0/schedule")),
            ("/%7escheduler@1.0/%73lot?x=%7E", Some("/~scheduler@1.0/slot?x=%7E")),
            ("//%50/%26x%2Fy%3f%23%", Some("/P/%26x%2Fy%3f%23%")),
            ("/%2541/%25", None),
            ("/%/%4/%zz/%+1/%ff", None),
            ("http://node:1//P/?q", Some("http://node:1/P?q")),
            ("/P/schedule&from=1&accept=a/b", Some("/P/schedule?from=1&accept=a/b")),
            ("/P/schedule&from=1?from=2", Some("/P/schedule?from=2&from=1")),
            ("/P/&", Some("/P?")),
            ("/P&x=1", Some("/P?x=1")),
            ("/P&x=1/slot/current", Some("/P/slot/current?x=1")),
            (
                "//~scheduler@1.0&target=P/schedule&from=1?to=2",
                Some("/~scheduler@1.0/schedule?to=2&target=P&from=1"),
            ),
            ("/P&/slot/", Some("/P/slot?")),
            ("/P?a&b", None),
        ] {
            let found = plain(&given.parse().unwrap()).map(|uri| uri.to_string());
            assert_eq!(found.as_deref(), expected, "{given}");
        }
    }
}
