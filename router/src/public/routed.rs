//! An answer that leads to a scheduler, or comes from one.

use poem::http::{HeaderValue, StatusCode, header};
use poem::{Body, IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::payload::{Json, Payload};
use poem_openapi::registry::{
    MetaHeader, MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry,
};
use poem_openapi::types::ToJSON;

const THERE: &str =
    "What the scheduler answers that has the process; its other answers come as they are, too.";
const ELSEWHERE: &str = "The same call at the scheduler that has the process: in the header `Location`.";

/// The answer to a call that was routed.
pub(crate) struct Routed(Response);

impl Routed {
    /// What a scheduler answered.
    pub(crate) fn passed_on(answer: Response) -> Self {
        Self(answer)
    }

    /// What the router answers itself.
    pub(crate) fn own<T: ToJSON>(answer: Json<T>) -> Self {
        Self(answer.into_response())
    }

    /// Whether the scheduler has done what was asked.
    pub(crate) fn is_done(&self) -> bool {
        self.0.status().is_success()
    }

    /// A redirect. It ends at once: some clients lose the body of what they post otherwise.
    pub(crate) fn redirected(location: HeaderValue) -> Self {
        let mut answer = Response::builder().status(StatusCode::TEMPORARY_REDIRECT).body(Body::empty());
        let headers = answer.headers_mut();
        headers.insert(header::LOCATION, location);
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        Self(answer)
    }
}

impl IntoResponse for Routed {
    fn into_response(self) -> Response {
        self.0
    }
}

impl ApiResponse for Routed {
    fn meta() -> MetaResponses {
        let schema = MetaSchemaRef::Inline(Box::new(MetaSchema::ANY));
        let content = |content_type| MetaMediaType { content_type, schema: schema.clone() };
        let content = [
            Json::<bool>::CONTENT_TYPE,
            "application/json",
            "text/plain; charset=utf-8",
            "text/event-stream",
        ]
        .map(content)
        .into();
        let location = MetaHeader {
            name: "location".to_owned(),
            description: Some("Where to ask.".to_owned()),
            required: true,
            deprecated: false,
            schema: MetaSchemaRef::Inline(Box::new(MetaSchema::new("string"))),
        };
        let answer = |status, description, content, headers| MetaResponse {
            description,
            status: Some(status),
            status_range: None,
            content,
            headers,
        };
        let answers =
            vec![answer(200, THERE, content, vec![]), answer(307, ELSEWHERE, vec![], vec![location])];
        MetaResponses { responses: answers }
    }

    fn register(_: &mut Registry) {}
}
