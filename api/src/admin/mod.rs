//! The operator's calls, on a listener of their own.

mod checks;
mod jobs;
mod model;
mod uploads;

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use poem::http::{StatusCode, header};
use poem::web::Data;
use poem::{Request, RequestBody};
use poem_openapi::payload::Json;
use poem_openapi::registry::{MetaSecurityScheme, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions, OpenApi};
use protocol::Code;
use web::HttpError;

use crate::health::health;
use crate::node::ApiNode;
use crate::refusals::{OperatorRefusal, Unwell};
pub(crate) use checks::ChecksApi;
pub(crate) use jobs::JobsApi;
pub(crate) use uploads::UploadsApi;

/// The calls; the node and the token come with each request.
pub(crate) struct StatusApi;

#[OpenApi]
impl StatusApi {
    /// How the node does
    #[oai(path = "/status", method = "get", operation_id = "status")]
    async fn status(
        &self,
        node: Data<&Arc<ApiNode>>,
        _operator: Operator,
    ) -> Result<Json<model::StatusForm>, OperatorRefusal> {
        Ok(Json(node.read(|node| Ok(status(node))).await?))
    }

    /// Whether the node is well
    ///
    /// An empty answer while it takes writes. Needs no token.
    #[oai(path = "/health", method = "get", operation_id = "health")]
    async fn health(&self, node: Data<&Arc<ApiNode>>) -> Result<(), Unwell> {
        health(&node)
    }
}

fn status(node: &ApiNode) -> model::StatusForm {
    let identity = node.parts.log.identity();
    let tail = node.parts.log.tail().last();
    model::StatusForm {
        version: node.version().to_owned(),
        uptime_seconds: node.started().elapsed().as_secs_f64(),
        address: node.parts.address.to_string(),
        store: identity.store.to_string(),
        term: identity.term.0,
        tail: tail.map(|seq| seq.get()),
        log_failure: node.parts.log.failure().map(|reason| reason.to_string()),
        height: node
            .parts
            .heights
            .current()
            .map(|known| model::HeightForm { number: known.height, age_seconds: known.age.as_secs_f64() }),
        projections: node
            .parts
            .projections
            .iter()
            .map(|position| projection(position.status(tail)))
            .collect(),
        uploads: node.parts.uploads.as_ref().map(|uploads| model::UnsentForm {
            backlog: uploads.backlog(),
            dead_letters: uploads.dead_letter_count(),
        }),
    }
}

/// How a projection does.
fn projection(status: projections::ProjectionStatus) -> model::ProjectionForm {
    model::ProjectionForm {
        name: status.name.to_owned(),
        position: status.position.map(|seq| seq.get()),
        lag_events: status.lag_events,
        lag_seconds: status.lag_seconds,
        standing: status.standing.as_str().to_owned(),
        error: status.error,
    }
}

/// The token that operators need; without one everybody who reaches the listener is one.
#[derive(Clone)]
pub(crate) struct Token(pub(crate) Option<Arc<str>>);

/// Somebody who has the token.
struct Operator;

const SCHEME: &str = "token";

impl<'a> ApiExtractor<'a> for Operator {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        let scheme = MetaSecurityScheme {
            ty: "http",
            description: Some("The node's admin token. A node that has none asks for none."),
            name: None,
            key_in: None,
            scheme: Some("bearer"),
            bearer_format: None,
            flows: None,
            openid_connect_url: None,
        };
        registry.create_security_scheme(SCHEME, scheme);
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![SCHEME]
    }

    async fn from_request(
        request: &'a Request,
        _: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let token = request.data::<Token>().and_then(|token| token.0.as_deref());
        let given = request.header(header::AUTHORIZATION).and_then(bearer);
        if token.is_none_or(|token| given.is_some_and(|given| equal(given, token))) {
            return Ok(Self);
        }
        let text = "this call needs the header Authorization: Bearer, with the node's admin token";
        Err(HttpError::new(Code::Forbidden, text).with_status(StatusCode::UNAUTHORIZED).into())
    }
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
