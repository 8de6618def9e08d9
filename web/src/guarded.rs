//! Calls that need a token, whatever they are: it is asked for before anything else of a request is looked at.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use poem::endpoint::BoxEndpoint;
use poem::http::{Method, StatusCode, header};
use poem::{Endpoint, EndpointExt, Request};
use poem_openapi::OpenApi;
use poem_openapi::registry::{MetaApi, MetaSecurityScheme, Registry};
use poem_openapi::types::Type;
use protocol::Code;

use crate::error::HttpError;
use crate::error_form::{ErrorForm, documented};

/// The name of the scheme in the description.
const SCHEME: &str = "token";

/// Calls that are answered to whoever has the token; without one, to everybody.
pub struct Guarded<A> {
    calls: A,
    token: Option<Arc<str>>,
}

impl<A> Guarded<A> {
    /// Puts the calls behind the token.
    pub fn new(calls: A, token: Option<Arc<str>>) -> Self {
        Self { calls, token }
    }
}

impl<A: OpenApi> OpenApi for Guarded<A> {
    fn meta() -> Vec<MetaApi> {
        let mut calls = A::meta();
        for path in calls.iter_mut().flat_map(|api| &mut api.paths) {
            for call in &mut path.operations {
                call.security.push(HashMap::from([(SCHEME, vec![])]));
                let answers = &mut call.responses.responses;
                answers.push(documented(401, "The token is missing or wrong: `forbidden`."));
                answers.sort_by_key(|answer| answer.status);
            }
        }
        calls
    }

    fn register(registry: &mut Registry) {
        let scheme = MetaSecurityScheme {
            ty: "http",
            description: Some("The admin token of the node. A node without a token asks for none."),
            name: None,
            key_in: None,
            scheme: Some("bearer"),
            bearer_format: None,
            flows: None,
            openid_connect_url: None,
        };
        registry.create_security_scheme(SCHEME, scheme);
        ErrorForm::register(registry);
        A::register(registry);
    }

    fn add_routes(self, table: &mut HashMap<String, HashMap<Method, BoxEndpoint<'static>>>) {
        let mut open = HashMap::new();
        self.calls.add_routes(&mut open);
        for (path, methods) in open {
            let methods = methods.into_iter().map(|(method, call)| {
                let token = self.token.clone();
                (method, call.around(move |call, request| checked(call, request, token.clone())).boxed())
            });
            table.entry(path).or_default().extend(methods);
        }
    }
}

async fn checked<E: Endpoint>(
    call: Arc<E>,
    request: Request,
    token: Option<Arc<str>>,
) -> poem::Result<E::Output> {
    let given = request.header(header::AUTHORIZATION).and_then(bearer);
    if token.is_none_or(|token| given.is_some_and(|given| equal(given, &token))) {
        return call.call(request).await;
    }
    let text = "this call needs the header Authorization: Bearer TOKEN, with the admin token of the node";
    Err(HttpError::new(Code::Forbidden, text).with_status(StatusCode::UNAUTHORIZED).into())
}

/// The token in a header; the scheme's name has no case.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Takes the same time wherever the two differ, so that a token cannot be guessed piece by piece.
fn equal(given: &str, token: &str) -> bool {
    verify_slices_are_equal(given.as_bytes(), token.as_bytes()).is_ok()
}
