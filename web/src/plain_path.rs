//! `//P`, `/P/` and `/P` are one path: clients put URLs together from pieces that end or begin with a slash.

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

/// The same with one slash before each part and none at the end; none where it is so already.
fn plain(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    let is_plain = !path.contains("//") && (path.len() <= 1 || !path.ends_with('/'));
    if is_plain {
        return None;
    }
    let mut text = String::with_capacity(path.len());
    for part in path.split('/').filter(|part| !part.is_empty()) {
        text.push('/');
        text += part;
    }
    if text.is_empty() {
        text.push('/');
    }
    if let Some(query) = uri.query() {
        text.push('?');
        text += query;
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(text).ok()?);
    Uri::from_parts(parts).ok()
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
            ("http://node:1//P/?q", Some("http://node:1/P?q")),
        ] {
            let found = plain(&given.parse().unwrap()).map(|uri| uri.to_string());
            assert_eq!(found.as_deref(), expected, "{given}");
        }
    }
}
