//! The two listeners of a node as endpoints: the calls, their description, the page to read and try them.

use std::any::Any;
use std::sync::Arc;

use poem::middleware::{AddData, CatchPanic};
use poem::{Endpoint, EndpointExt, Response, Route};
use poem_openapi::{LicenseObject, OpenApi, OpenApiService};
use web::HttpError;

use crate::admin::{ChecksApi, JobsApi, StatusApi, Token, UploadsApi};
use crate::graphql::GraphApi;
use crate::node::ApiNode;
use crate::public::PublicApi;
use crate::query::QueryApi;

/// The wire protocol of a scheduler unit: open to everybody.
pub fn public(node: Arc<ApiNode>) -> impl Endpoint<Output = Response> {
    listener(described_public()).with(AddData::new(node)).around(web::allow_all).around(web::count)
}

/// The operator's calls. All but `/health` and the description need the token, if there is one. Unlike the public
/// ones they are not opened to other origins: a page in the operator's browser has no business here.
pub fn admin(node: Arc<ApiNode>, token: Option<String>) -> impl Endpoint<Output = Response> {
    let token = Token(token.map(Arc::from));
    listener(described_admin()).with(AddData::new(node)).with(AddData::new(token)).around(web::count)
}

/// The OpenAPI description of the public calls.
pub fn public_openapi() -> String {
    described_public().spec() + "\n"
}

/// The OpenAPI description of the operator's calls.
pub fn admin_openapi() -> String {
    described_admin().spec() + "\n"
}

fn described_public() -> OpenApiService<(PublicApi, QueryApi, GraphApi), ()> {
    described(
        (PublicApi, QueryApi, GraphApi::default()),
        "Quipu",
        "A scheduler unit of ao: it decides the order of every process's messages, signs that order and serves it. \
         Ids, keys and signatures are base64url without padding; an id has 43 characters. A parameter that is the \
         text `undefined` counts as absent.",
    )
}

fn described_admin() -> OpenApiService<(StatusApi, JobsApi, UploadsApi, ChecksApi), ()> {
    described(
        (StatusApi, JobsApi, UploadsApi, ChecksApi),
        "Quipu, for operators",
        "What shows or changes the state of a node.",
    )
}

fn described<T: OpenApi>(api: T, title: &str, description: &str) -> OpenApiService<T, ()> {
    OpenApiService::new(api, title, env!("CARGO_PKG_VERSION"))
        .description(description)
        .license(LicenseObject::new("Apache-2.0"))
}

/// From the outside in: errors as JSON, panics as errors, compressed, routed.
fn listener<T: OpenApi + 'static>(service: OpenApiService<T, ()>) -> impl Endpoint<Output = Response> {
    Route::new()
        .at("/openapi.json", service.spec_endpoint())
        .nest("/docs", service.swagger_ui())
        .nest("/", service)
        .around(web::compress)
        .with(CatchPanic::new().with_handler(panicked))
        .around(web::catch)
}

fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let reason = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked");
    poem::error::ResponseError::as_response(&HttpError::internal(reason))
}
