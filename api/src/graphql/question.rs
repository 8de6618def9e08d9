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
/// How many commas, brackets and braces it may have. Each may stand for a value, which takes some hundreds of bytes once it
/// is read.
const VALUES_MAX: usize = 10_000;
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

/// A question in the body of a request, not there yet.
pub(super) struct QuestionBody(RawBody);

/// A question as it came. It may take up far more once it is read, which is for whoever has a turn and memory for that.
pub(super) enum GraphQuestion {
    /// All of it as JSON.
    Body(Bytes),
    /// In the parameters of a link.
    Link {
        /// The query.
        query: String,
        /// The values of its variables, as JSON.
        variables: Option<String>,
        /// Which operation to run.
        operation_name: Option<String>,
    },
}

impl QuestionBody {
    /// Takes it in.
    pub(super) async fn whole(self, max_body: usize) -> Result<GraphQuestion, HttpError> {
        self.0.read(BODY_BYTES_MAX.min(max_body)).await.map(GraphQuestion::Body)
    }
}

impl GraphQuestion {
    /// Reads what it says.
    pub(super) fn read(&self) -> Result<Request, HttpError> {
        match self {
            Self::Body(body) => {
                check_values(body).map_err(|reason| wrong(format!("the body {reason}")))?;
                let request = serde_json::from_slice(body);
                complete(request.map_err(|error| wrong(format!("the body is wrong: {error}; {EXPECTED}")))?)
            }
            Self::Link { query, variables, operation_name } => {
                of_link(query, variables.as_deref(), operation_name.clone())
            }
        }
    }
}

/// Refuses JSON that may have more values than are read at once.
fn check_values(json: &[u8]) -> Result<(), String> {
    let found = json.iter().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count();
    if found <= VALUES_MAX {
        return Ok(());
    }
    Err(format!("has {found} commas, opening brackets and braces: at most {VALUES_MAX} are taken"))
}

fn of_link(
    query: &str,
    variables: Option<&str>,
    operation_name: Option<String>,
) -> Result<Request, HttpError> {
    let mut request = Request::new(query);
    request.operation_name = operation_name;
    if let Some(variables) = variables {
        check_values(variables.as_bytes())
            .map_err(|reason| wrong(format!("the parameter variables {reason}")))?;
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn what_would_take_a_hundred_times_its_length_is_not_read() {
        let many = |what: &str| format!("{{\"a\":[{}0]}}", what.repeat(60_000));
        let in_body = |variables: &str| {
            let body = format!("{{\"query\":\"{{x}}\",\"variables\":{variables}}}");
            assert!(body.len() <= BODY_BYTES_MAX);
            GraphQuestion::Body(body.into())
        };
        for what in ["[],", "0,", "{},"] {
            let link = GraphQuestion::Link {
                query: "{x}".to_owned(),
                variables: Some(many(what)),
                operation_name: None,
            };
            for question in [in_body(&many(what)), link] {
                let refused = question.read().unwrap_err().to_string();
                assert!(refused.contains("at most 10000 are taken"), "{refused}");
            }
        }
        let ids = vec![format!("{:?}", "i".repeat(43)); 5000];
        assert!(in_body(&format!("{{\"ids\":[{}]}}", ids.join(","))).read().is_ok());
    }
}
