//! A question as it comes, and the forms of both for the description.

use std::collections::BTreeMap;

use async_graphql::{Request, Variables};
use poem::RequestBody;
use poem_openapi::payload::{Json, Payload};
use poem_openapi::registry::{MetaMediaType, MetaRequest, Registry};
use poem_openapi::types::{Any, Type};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions, Object};
use protocol::Code;
use serde_json::Value;
use web::{HttpError, ItemBody};

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
    variables: Option<BTreeMap<String, Any<Value>>>,
    /// Which of several operations of the query.
    #[oai(rename = "operationName")]
    operation_name: Option<String>,
}

/// The answer to a question in GraphQL.
#[derive(Debug, Object)]
#[oai(rename = "GraphAnswer")]
pub(super) struct GraphAnswerForm {
    /// What was asked for; null where that failed.
    data: Option<Any<Value>>,
    /// What failed; not there when nothing did.
    errors: Option<Vec<GraphErrorForm>>,
}

/// What failed of a question.
#[derive(Debug, Object)]
#[oai(rename = "GraphError")]
pub(super) struct GraphErrorForm {
    /// What was wrong, and what was expected.
    message: String,
    /// Where in the query.
    locations: Option<Vec<Any<Value>>>,
    /// Where in the answer.
    path: Option<Vec<Any<Value>>>,
    /// With the `code` of the failure, where it is one that other calls have as well.
    extensions: Option<BTreeMap<String, Any<Value>>>,
}

/// A question in the body of a request, not read yet.
pub(super) struct QuestionBody(ItemBody);

impl QuestionBody {
    pub(super) async fn read(self, max_body: usize) -> Result<Request, HttpError> {
        let body = self.0.read(BODY_BYTES_MAX.min(max_body)).await?;
        let request: Request =
            serde_json::from_slice(&body).map_err(|error| wrong(format!("{EXPECTED}: {error}")))?;
        complete(request)
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
            .ok_or_else(|| wrong(format!("expected variables as a JSON object, found {variables:?}")))?;
        request = request.variables(Variables::from_json(read));
    }
    complete(request)
}

fn complete(mut request: Request) -> Result<Request, HttpError> {
    request.operation_name = request.operation_name.filter(|name| !name.is_empty());
    if request.query.trim().is_empty() { Err(wrong(EXPECTED.to_owned())) } else { Ok(request) }
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
        ItemBody::from_request(request, body, options).await.map(Self)
    }
}
