//! A question as it comes, and the forms of both for the description.

use std::collections::BTreeMap;

use async_graphql::{Request, Variables};
use bytes::Bytes;
use poem::RequestBody;
use poem_openapi::payload::{Json, Payload};
use poem_openapi::registry::{MetaMediaType, MetaRequest, Registry};
use poem_openapi::types::{Any, Type};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions, Object};
use protocol::Code;
use serde_json::Value;
use web::{HttpError, Nullable, RawBody, expected};

/// The longest body that is taken. A thousand ids are a fifth of it.
const BODY_BYTES_MAX: usize = 256 << 10;
const EXPECTED: &str = "expected a query as JSON {query, variables, operationName}";

/// A question in GraphQL.
#[derive(Debug, Object)]
#[oai(rename = "GraphQuestion")]
pub(super) struct GraphQuestionForm {
    /// The query.
    query: String,
    /// The values of its variables.
    #[oai(nullable)]
    variables: Option<BTreeMap<String, Any<Value>>>,
    /// Which operation to run if the query has several.
    #[oai(nullable, rename = "operationName")]
    operation_name: Option<String>,
}

/// The answer to a question in GraphQL.
#[derive(Debug, Object)]
#[oai(rename = "GraphAnswer")]
pub(super) struct GraphAnswerForm {
    /// What was asked for; null if that failed.
    data: Nullable<Any<Value>>,
    /// What failed; absent if nothing did.
    errors: Option<Vec<GraphErrorForm>>,
}

/// What failed.
#[derive(Debug, Object)]
#[oai(rename = "GraphError")]
pub(super) struct GraphErrorForm {
    /// What was wrong, and what was expected.
    message: String,
    /// Where in the query; absent if that is not known.
    locations: Option<Vec<Any<Value>>>,
    /// Where in the answer; absent if that is not known.
    path: Option<Vec<Any<Value>>>,
    /// Has the `code` of the error if it is one that other calls have too.
    extensions: Option<BTreeMap<String, Any<Value>>>,
}

/// A question in the body of a request, not read yet.
pub(super) struct QuestionBody(RawBody);

impl QuestionBody {
    /// Reads it. The bytes that come with it count its memory, as long as they are there.
    pub(super) async fn read(self, max_body: usize) -> Result<(Request, Bytes), HttpError> {
        let body = self.0.read(BODY_BYTES_MAX.min(max_body)).await?;
        let request: Request = serde_json::from_slice(&body)
            .map_err(|error| wrong(format!("the body is wrong: {error}; {EXPECTED}")))?;
        Ok((complete(request)?, body))
    }
}

/// A question in the parameters of a link.
pub(super) fn of_link(
    query: String,
    variables: Option<&str>,
    operation_name: Option<String>,
) -> Result<Request, HttpError> {
    let mut request = Request::new(query);
    request.operation_name = operation_name;
    if let Some(variables) = variables {
        let read: Value = serde_json::from_str(variables)
            .ok()
            .filter(Value::is_object)
            .ok_or_else(|| expected("a JSON object", variables))
            .map_err(|reason| wrong(format!("the parameter variables is wrong: {reason}")))?;
        request = request.variables(Variables::from_json(read));
    }
    complete(request)
}

fn complete(mut request: Request) -> Result<Request, HttpError> {
    request.operation_name = request.operation_name.filter(|name| !name.is_empty());
    if request.query.trim().is_empty() {
        Err(wrong(format!("the query is empty: {EXPECTED}")))
    } else {
        Ok(request)
    }
}

fn wrong(text: String) -> HttpError {
    HttpError::new(Code::InvalidParameter, text)
}

impl<'a> ApiExtractor<'a> for QuestionBody {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        <Json<GraphQuestionForm> as Payload>::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let content =
            vec![MetaMediaType { content_type: "application/json", schema: GraphQuestionForm::schema_ref() }];
        Some(MetaRequest { description: None, content, required: true })
    }

    async fn from_request(
        request: &'a poem::Request,
        body: &mut RequestBody,
        options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        RawBody::from_request(request, body, options).await.map(Self)
    }
}
