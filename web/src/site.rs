//! Calls as the endpoint of a listener, with their OpenAPI description and a page to read and try them.

use std::sync::Arc;

use limits::ClientLimits;
use poem::endpoint::BoxEndpoint;
use poem::middleware::CatchPanic;
use poem::{Endpoint, EndpointExt, Response, Route, get};
use poem_openapi::{LicenseObject, OpenApi, OpenApiService};

use crate::described::Described;
use crate::docs::docs;
use crate::frequent::{Answered, Frequent};
use crate::operators::OperatorToken;
use crate::pages::Pages;
use crate::routes::{DESCRIPTION, DOCS, Routes};
use crate::{catch, compression, cors, counted, hyperbeam, limited, observe, operators, plain_path};

/// What a listener says of itself in its description.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// What it is called.
    pub title: &'static str,
    /// What it is for.
    pub description: &'static str,
    /// The version of the software.
    pub version: &'static str,
}

/// Whom a listener is for.
#[derive(Clone, Debug)]
pub enum Visitors {
    /// Everybody, and everybody's pages.
    All,
    /// Everybody whom these limits let in, and everybody's pages.
    Limited(Arc<ClientLimits>),
    /// Operators, who have this token, and no pages but its own.
    Operators(OperatorToken),
}

/// The OpenAPI description of some calls, as JSON.
pub fn openapi<A: OpenApi>(about: &About) -> String {
    service(Described::<A>::default(), about).spec() + "\n"
}

/// The calls as an endpoint. From the outside in: given a plain path, counted, opened to other origins or to operators
/// alone, without a 5xx in HyperBEAM's form, held against limits, errors as JSON, panics as errors, compressed, held to the memory there is, routed.
pub fn endpoint<A: OpenApi + 'static>(
    calls: A,
    about: &About,
    visitors: Visitors,
    frequent: Option<Frequent>,
) -> impl Endpoint<Output = Response> + use<A> {
    endpoint_with(calls, about, visitors, frequent, None)
}

/// The same, with whatever there is to be answered before the calls.
pub fn endpoint_with<A: OpenApi + 'static>(
    calls: A,
    about: &About,
    visitors: Visitors,
    frequent: Option<Frequent>,
    pages: Option<Pages>,
) -> impl Endpoint<Output = Response> + use<A> {
    let routes = Arc::new(Routes::of::<A>());
    let described = service(Described::<A>::default(), about);
    let (for_errors, for_counting) = (routes.clone(), routes);
    let routes_of_all = Route::new()
        .at(DESCRIPTION, get(described.spec_endpoint()))
        .at(DOCS, get(docs(move || described.swagger_ui_html())))
        .nest("/", service(calls, about));
    // Each layer is boxed: its future has the request in it several times, and all of the next one's, so that seven of them
    // would move 17 kB about for each request.
    let answered = Answered { frequent, pages, routes: routes_of_all }
        .around(counted::answers)
        .boxed()
        .around(compression::as_asked)
        .with(CatchPanic::new().with_handler(catch::panicked))
        .around(move |endpoint, request| catch::errors(endpoint, request, for_errors.clone()))
        .boxed();
    let opened: BoxEndpoint<'static, Response> = match visitors {
        Visitors::All => answered.around(cors::allow_all).boxed(),
        Visitors::Limited(limits) => answered
            .around(move |endpoint, request| limited::let_in(endpoint, request, limits.clone()))
            .boxed()
            .around(hyperbeam::as_readers_need)
            .boxed()
            .around(cors::allow_all)
            .boxed(),
        Visitors::Operators(token) => answered
            .around(move |endpoint, request| operators::let_in(endpoint, request, token.clone()))
            .boxed(),
    };
    opened
        .around(move |endpoint, request| observe::calls(endpoint, request, for_counting.clone()))
        .boxed()
        .around(plain_path::as_plain)
        .boxed()
}

fn service<A: OpenApi>(calls: A, about: &About) -> OpenApiService<A, ()> {
    OpenApiService::new(calls, about.title, about.version)
        .description(about.description)
        .license(LicenseObject::new("Apache-2.0"))
}
