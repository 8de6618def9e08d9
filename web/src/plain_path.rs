//! `//P`, `/P/` and `/P` are one path: clients put URLs together from pieces that end or begin with a slash. What follows
//! an `&` in a path is query as well, as HyperBEAM has it; what is in the query itself comes first.

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

/// The same with one slash before each part, none at the end and no parameters within; none where it is so already.
fn plain(uri: &Uri) -> Option<Uri> {
    let (path, parameters) =
        uri.path().split_once('&').map_or((uri.path(), None), |(path, rest)| (path, Some(rest)));
    let is_plain = parameters.is_none() && !path.contains("//") && (path.len() <= 1 || !path.ends_with('/'));
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
    for (query, before) in uri.query().into_iter().chain(parameters).zip(['?', '&']) {
        text.push(before);
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
            ("/P/schedule&from=1&accept=a/b", Some("/P/schedule?from=1&accept=a/b")),
            ("/P/schedule&from=1?from=2", Some("/P/schedule?from=2&from=1")),
            ("/P/&", Some("/P?")),
            ("/P?a&b", None),
        ] {
            let found = plain(&given.parse().unwrap()).map(|uri| uri.to_string());
            assert_eq!(found.as_deref(), expected, "{given}");
        }
    }
}
