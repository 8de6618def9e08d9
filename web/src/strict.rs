//! Calls that refuse parameters of the query which they do not know, and a second one where one counts. What narrows down an
//! answer and is misspelt would answer everything otherwise.

use std::collections::HashMap;
use std::sync::Arc;

use poem::endpoint::BoxEndpoint;
use poem::http::Method;
use poem::{Endpoint, EndpointExt, Request};
use poem_openapi::OpenApi;
use poem_openapi::registry::{MetaApi, MetaOperation, MetaParamIn, MetaSchemaRef, Registry};
use protocol::Code;

use crate::error::HttpError;
use crate::parameter::expected;
use crate::routes::pattern;

/// Calls that take the parameters that they document, and no others.
pub struct Strict<A>(pub A);

impl<A: OpenApi> OpenApi for Strict<A> {
    fn meta() -> Vec<MetaApi> {
        A::meta()
    }

    fn register(registry: &mut Registry) {
        A::register(registry);
    }

    fn add_routes(self, table: &mut HashMap<String, HashMap<Method, BoxEndpoint<'static>>>) {
        let mut known = known::<A>();
        let mut open = HashMap::new();
        self.0.add_routes(&mut open);
        for (path, methods) in open {
            let methods = methods.into_iter().map(|(method, call)| {
                let known = known.remove(&(path.clone(), method.clone())).unwrap_or_default();
                (method, call.around(move |call, request| checked(call, request, known.clone())).boxed())
            });
            table.entry(path.clone()).or_default().extend(methods);
        }
    }
}

/// The parameters of a call that are in the query.
#[derive(Clone, Default)]
struct KnownParameters(Arc<[KnownParameter]>);

struct KnownParameter {
    name: String,
    /// Whether all of them count when it is given several times.
    is_list: bool,
}

/// What each call takes, by the pattern that requests are matched with.
fn known<A: OpenApi>() -> HashMap<(String, Method), KnownParameters> {
    let paths = A::meta().into_iter().flat_map(|api| api.paths);
    let calls = paths.flat_map(|path| {
        let pattern = pattern(&path.path);
        path.operations
            .into_iter()
            .map(move |call| ((pattern.clone(), call.method.clone()), KnownParameters::of(call)))
    });
    calls.collect()
}

async fn checked<E: Endpoint>(
    call: Arc<E>,
    request: Request,
    known: KnownParameters,
) -> poem::Result<E::Output> {
    known.check(request.uri().query().unwrap_or_default())?;
    call.call(request).await
}

impl KnownParameters {
    fn of(call: MetaOperation) -> Self {
        let in_query = call.params.into_iter().filter(|parameter| parameter.in_type == MetaParamIn::Query);
        let parameters = in_query.map(|parameter| KnownParameter {
            is_list: matches!(&parameter.schema, MetaSchemaRef::Inline(schema) if schema.ty == "array"),
            name: parameter.name,
        });
        Self(parameters.collect())
    }

    fn check(&self, query: &str) -> Result<(), HttpError> {
        let wrong = |text| HttpError::new(Code::InvalidParameter, text);
        let mut given = vec![false; self.0.len()];
        for (name, _) in form_urlencoded::parse(query.as_bytes()) {
            let of_name = self.0.iter().zip(&mut given).find(|(known, _)| known.name == name);
            let Some((known, is_given)) = of_name else {
                return Err(wrong(format!("a parameter is unknown: {}", expected(&self.listed(), &name))));
            };
            if *is_given && !known.is_list {
                return Err(wrong(format!(
                    "the parameter {} is wrong: expected one value, found several",
                    known.name
                )));
            }
            *is_given = true;
        }
        Ok(())
    }

    /// What is expected, in words.
    fn listed(&self) -> String {
        let names: Vec<_> = self.0.iter().map(|known| known.name.as_str()).collect();
        if names.is_empty() { "none".to_owned() } else { format!("one of {}", names.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use poem_openapi::payload::PlainText;

    use super::*;
    use crate::params::{Given, Path, Repeated};

    struct Calls;

    #[OpenApi]
    impl Calls {
        #[oai(path = "/things/:kind", method = "get")]
        async fn list(
            &self,
            kind: Path<u64>,
            from: Given<u64>,
            #[oai(name = "to-here")] to: Given<u64>,
            tag: Repeated<String, 2>,
        ) -> PlainText<String> {
            PlainText(format!("{} {:?} {:?} {}", kind.0, from.0, to.0, tag.0.len()))
        }

        #[oai(path = "/things/:kind", method = "post")]
        async fn make(&self, kind: Path<u64>) -> PlainText<String> {
            PlainText(kind.0.to_string())
        }
    }

    fn check(method: Method, query: &str) -> Result<(), String> {
        let known = known::<Calls>().remove(&("/things/:param0".to_owned(), method)).unwrap();
        known.check(query).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_documented_is_taken_with_and_without_a_value() {
        for query in
            ["", "&&", "from=1", "from", "to-here=", "tag=a&tag=b&tag=c", "t%61g=a&from=undefined&to-here=2"]
        {
            assert_eq!(check(Method::GET, query), Ok(()), "{query}");
        }
    }

    #[test]
    fn what_is_unknown_or_given_twice_is_refused_by_its_name() {
        let all = "expected one of from, to-here, tag, found";
        for (query, told) in [
            ("form=1", format!("a parameter is unknown: {all} \"form\"")),
            ("from=1&tags=a", format!("a parameter is unknown: {all} \"tags\"")),
            ("From=1", format!("a parameter is unknown: {all} \"From\"")),
            ("kind=1", format!("a parameter is unknown: {all} \"kind\"")),
            ("to_here=1", format!("a parameter is unknown: {all} \"to_here\"")),
            ("=1", format!("a parameter is unknown: {all} \"\"")),
            ("%00%ff", format!("a parameter is unknown: {all} \"\\0\\u{{fffd}}\"")),
            ("from=1&from=1", "the parameter from is wrong: expected one value, found several".into()),
            (
                "to-here=&tag=a&to-here=2",
                "the parameter to-here is wrong: expected one value, found several".into(),
            ),
        ] {
            assert_eq!(check(Method::GET, query), Err(told), "{query}");
        }
        let told = check(Method::GET, &"é".repeat(10_000)).unwrap_err();
        assert!(told.len() < 400, "{told}");
    }

    #[test]
    fn each_method_takes_its_own() {
        assert_eq!(check(Method::POST, ""), Ok(()));
        assert_eq!(
            check(Method::POST, "from=1").unwrap_err(),
            "a parameter is unknown: expected none, found \"from\""
        );
    }
}
