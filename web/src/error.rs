//! What a client is told when something is refused or went wrong: always JSON, `{"error", "code"}`.
//!
//! [`Code`] decides the HTTP status. Answers that no code of the protocol was made for (a wrong method, a missing token)
//! keep their own status and take the nearest code.

use std::fmt;
use std::sync::Arc;

use poem::error::ResponseError;
use poem::http::{HeaderValue, StatusCode, header};
use poem::{Endpoint, IntoResponse, Request, Response};
use protocol::Code;
use tracing::error;

/// Why a call was not answered.
#[derive(Debug)]
pub struct HttpError {
    status: StatusCode,
    code: Code,
    text: String,
}

impl HttpError {
    /// An error of this code, with the status that goes with it. The text is for a person: what was wrong, and what was
    /// expected.
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, code, text: text.into() }
    }

    /// Something that was asked for is not here.
    pub fn not_found(text: impl Into<String>) -> Self {
        Self::new(Code::NotFound, text)
    }

    /// Something that only an operator can repair; the reason is logged here, once, and not shown to the client.
    pub fn internal(reason: impl fmt::Display) -> Self {
        error!(%reason, "a call could not be answered");
        Self::new(Code::Internal, "this node could not answer; its log says why")
    }

    /// What kind of error it is: for a program.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The same text and code with a status of its own.
    pub fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for HttpError {}

impl ResponseError for HttpError {
    fn status(&self) -> StatusCode {
        self.status
    }

    fn as_response(&self) -> Response {
        let body = serde_json::json!({ "error": self.text, "code": self.code.as_str() });
        Response::builder()
            .status(self.status)
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.to_string())
    }
}

/// Makes every error of the endpoint, poem's own included, the JSON that clients expect.
pub async fn catch<E: Endpoint>(endpoint: Arc<E>, request: Request) -> poem::Result<Response> {
    let called = format!("{} {}", request.method(), request.uri().path());
    match endpoint.call(request).await {
        Ok(answer) => Ok(answer.into_response()),
        Err(error) if error.is::<HttpError>() => Ok(error.into_response()),
        Err(error) => {
            let mut answer = foreign(&error, &called).as_response();
            if answer.status() == StatusCode::METHOD_NOT_ALLOWED {
                let takes_post = called.ends_with(" /") || called.ends_with(" /graphql");
                let allowed = if takes_post { "GET, HEAD, POST, OPTIONS" } else { "GET, HEAD, OPTIONS" };
                answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
            }
            Ok(answer)
        }
    }
}

/// What stands for an error that was not made here.
fn foreign(error: &poem::Error, called: &str) -> HttpError {
    let status = error.status();
    match status {
        StatusCode::NOT_FOUND => HttpError::not_found(format!("there is no call {called}")),
        StatusCode::METHOD_NOT_ALLOWED => {
            HttpError::not_found(format!("there is no call {called}: the path takes another method"))
                .with_status(status)
        }
        _ if status.is_client_error() => {
            let code =
                if status == StatusCode::PAYLOAD_TOO_LARGE { Code::TooLarge } else { Code::InvalidParameter };
            HttpError::new(code, reason(error)).with_status(status)
        }
        _ => HttpError::internal(error),
    }
}

/// The text of an error. poem-openapi knows path parameters by their position only, so theirs goes without a name.
fn reason(error: &poem::Error) -> String {
    match error.downcast_ref::<poem_openapi::error::ParsePathError>() {
        Some(path) => format!("the path is wrong: {}", path.reason),
        None => error.to_string(),
    }
}
