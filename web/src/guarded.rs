//! Calls of operators, whatever they are: the token is asked for before anything else of a request is looked at.

use std::collections::HashMap;
use std::sync::Arc;

use poem::endpoint::BoxEndpoint;
use poem::http::Method;
use poem::{Endpoint, EndpointExt, Request};
use poem_openapi::OpenApi;
use poem_openapi::registry::{MetaApi, MetaSecurityScheme, Registry};
use poem_openapi::types::Type;

use crate::error_form::{ErrorForm, documented};
use crate::operators::OperatorToken;

/// The name of the scheme in the description.
const SCHEME: &str = "token";
const FORBIDDEN: &str = "Asked by a page of another origin or, without the token, by a name of the node other than \
                         `localhost` or a loopback address: `forbidden`.";

/// Calls that are answered to whoever has the token, where it is needed: by each of them, if it is needed `FOR_ALL`.
pub struct Guarded<A, const FOR_ALL: bool = false> {
    calls: A,
    token: OperatorToken,
}

impl<A, const FOR_ALL: bool> Guarded<A, FOR_ALL> {
    /// Puts the calls behind the token.
    pub fn new(calls: A, token: OperatorToken) -> Self {
        Self { calls, token }
    }
}

impl<A: OpenApi, const FOR_ALL: bool> OpenApi for Guarded<A, FOR_ALL> {
    fn meta() -> Vec<MetaApi> {
        let mut calls = A::meta();
        for path in calls.iter_mut().flat_map(|api| &mut api.paths) {
            for call in &mut path.operations {
                call.security.push(HashMap::from([(SCHEME, vec![])]));
                if call.method == Method::GET && !FOR_ALL {
                    // It may be called without.
                    call.security.push(HashMap::new());
                }
                let answers = &mut call.responses.responses;
                answers.push(documented(403, FORBIDDEN));
                answers.push(documented(401, "The token is missing or wrong: `forbidden`."));
                answers.sort_by_key(|answer| answer.status);
            }
        }
        calls
    }

    fn register(registry: &mut Registry) {
        let scheme = MetaSecurityScheme {
            ty: "http",
            description: Some(
                "The admin token of the node: its `ADMIN_TOKEN`, which all calls need, or where that is not set what is in \
                 the file `admin-token` of its data folder, which only calls that change something need, and those of `/replication`. \
                 Where `ADMIN_TLS_CLIENT_CA` is set and `ADMIN_TOKEN` is not, the certificate of the client stands for it.",
            ),
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
                (
                    method,
                    call.around(move |call, request| checked(call, request, token.clone(), FOR_ALL)).boxed(),
                )
            });
            table.entry(path).or_default().extend(methods);
        }
    }
}

async fn checked<E: Endpoint>(
    call: Arc<E>,
    request: Request,
    token: OperatorToken,
    for_all: bool,
) -> poem::Result<E::Output> {
    token.check_call(&request, for_all)?;
    call.call(request).await
}
