//! Which paths a listener answers and what each takes: made from the description of its calls, and looked up by the
//! route that a request was matched with.

use std::collections::HashMap;
use std::sync::Arc;

use poem::PathPattern;
use poem::http::{HeaderValue, Method};
use poem_openapi::OpenApi;

/// Where the description and the page to read it are.
pub(crate) const DESCRIPTION: &str = "/openapi.json";
pub(crate) const DOCS: &str = "/docs";

/// The paths that a listener answers.
pub(crate) struct Routes {
    /// By the pattern that requests are matched with.
    calls: HashMap<String, KnownRoute>,
    pages: [KnownRoute; 2],
}

/// A path as it is described.
pub(crate) struct KnownRoute {
    /// The path with its parameters in braces, such as `/{id}/latest`.
    pub(crate) path: Arc<str>,
    /// The methods that it takes, as in the header `Allow`.
    pub(crate) allow: HeaderValue,
}

impl Routes {
    /// The paths of these calls, and those of their description.
    pub(crate) fn of<A: OpenApi>() -> Self {
        let mut described: HashMap<String, Vec<Method>> = HashMap::new();
        for path in A::meta().into_iter().flat_map(|api| api.paths) {
            let methods = path.operations.into_iter().map(|operation| operation.method);
            described.entry(path.path).or_default().extend(methods);
        }
        let calls = described.iter().map(|(path, methods)| (pattern(path), KnownRoute::new(path, methods)));
        let page = |path| KnownRoute::new(path, &[Method::GET]);
        Self { calls: calls.collect(), pages: [page(DESCRIPTION), page(DOCS)] }
    }

    /// The path that a request was matched with; none where nothing is.
    pub(crate) fn find(&self, matched: Option<&PathPattern>) -> Option<&KnownRoute> {
        let matched = &*matched?.0;
        let page = || self.pages.iter().find(|page| *page.path == *matched);
        self.calls.get(matched).or_else(page)
    }
}

impl KnownRoute {
    fn new(path: &str, methods: &[Method]) -> Self {
        let takes = |method: &Method| methods.contains(method);
        // Whatever takes GET takes HEAD.
        let all = [
            ("GET", takes(&Method::GET)),
            ("HEAD", takes(&Method::GET)),
            ("POST", takes(&Method::POST)),
            ("PUT", takes(&Method::PUT)),
            ("DELETE", takes(&Method::DELETE)),
            ("PATCH", takes(&Method::PATCH)),
            ("OPTIONS", true),
        ];
        let taken: Vec<_> = all.into_iter().filter_map(|(name, taken)| taken.then_some(name)).collect();
        let allow = HeaderValue::from_str(&taken.join(", ")).unwrap_or(HeaderValue::from_static("OPTIONS"));
        Self { path: path.into(), allow }
    }

    /// The name of the parameter at this place of the path, from 0.
    pub(crate) fn parameter(&self, place: usize) -> Option<&str> {
        let mut names = self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        names.nth(place)
    }
}

/// The pattern that poem-openapi makes of a path: parameters are numbered.
pub(crate) fn pattern(path: &str) -> String {
    let mut parameters = 0;
    let parts = path.split('/').map(|part| {
        if !part.starts_with('{') {
            return part.to_owned();
        }
        parameters += 1;
        format!(":param{}", parameters - 1)
    });
    parts.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use poem_openapi::payload::PlainText;

    use super::*;
    use crate::params::Path;

    struct Calls;

    #[OpenApi]
    impl Calls {
        #[oai(path = "/things", method = "get")]
        async fn list(&self) -> PlainText<String> {
            PlainText(String::new())
        }

        #[oai(path = "/things", method = "post")]
        async fn make(&self) -> PlainText<String> {
            PlainText(String::new())
        }

        #[oai(path = "/things/:kind/of/:number", method = "delete")]
        async fn remove(&self, kind: Path<u64>, number: Path<u64>) -> PlainText<String> {
            PlainText(format!("{} {}", kind.0, number.0))
        }
    }

    #[test]
    fn a_route_is_found_by_what_it_was_matched_with() {
        let routes = Routes::of::<Calls>();
        for (matched, path, allow) in [
            ("/things", "/things", "GET, HEAD, POST, OPTIONS"),
            ("/things/:param0/of/:param1", "/things/{kind}/of/{number}", "DELETE, OPTIONS"),
            ("/openapi.json", "/openapi.json", "GET, HEAD, OPTIONS"),
            ("/docs", "/docs", "GET, HEAD, OPTIONS"),
        ] {
            let route = routes.find(Some(&PathPattern(matched.into()))).unwrap();
            assert_eq!((&*route.path, route.allow.to_str().unwrap()), (path, allow));
        }
        for matched in ["", "/thing", "/things/:param0"] {
            assert!(routes.find(Some(&PathPattern(matched.into()))).is_none(), "{matched}");
        }
        assert!(routes.find(None).is_none());
    }

    #[test]
    fn parameters_have_their_names_by_place() {
        let routes = Routes::of::<Calls>();
        let route = routes.find(Some(&PathPattern("/things/:param0/of/:param1".into()))).unwrap();
        assert_eq!((route.parameter(0), route.parameter(1)), (Some("kind"), Some("number")));
        assert_eq!(route.parameter(2), None);
    }
}
