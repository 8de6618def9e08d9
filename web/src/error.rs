//! What a client is told when something is refused or went wrong: always JSON, `{"error", "code"}`.
//!
//! [`Code`] decides the HTTP status. Answers that no code of the protocol was made for (a wrong method, a missing token)
//! keep their own status and take the nearest code.

use std::fmt;

use poem::Response;
use poem::error::ResponseError;
use poem::http::{HeaderValue, StatusCode, Uri, header};
use protocol::Code;
use tracing::error;

use crate::below::below_origin;
use crate::fleet_headers::VERSION;

/// Why a call was not answered.
#[derive(Debug)]
pub struct HttpError {
    status: StatusCode,
    code: Code,
    text: String,
    retry_after: Option<u32>,
    moved: Option<MovedTo>,
}

/// Where a process is that has moved.
#[derive(Clone, Debug)]
pub(crate) struct MovedTo {
    /// The origin of the node.
    origin: String,
    /// How often it has moved by then.
    version: u64,
}

impl HttpError {
    /// An error of this code, with the status that goes with it. The text is for a person: what was wrong, and what was
    /// expected.
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, code, text: text.into(), retry_after: None, moved: None }
    }

    /// Something that was asked for is not here.
    pub fn not_found(text: impl Into<String>) -> Self {
        Self::new(Code::NotFound, text)
    }

    /// The process is at the node of this origin, since it has moved so often: the same call is to be made there.
    pub fn moved(text: impl Into<String>, origin: &str, version: u64) -> Self {
        let moved = Some(MovedTo { origin: origin.to_owned(), version });
        let error = Self::new(Code::Unavailable, text).with_status(StatusCode::TEMPORARY_REDIRECT);
        Self { moved, ..error }
    }

    /// Something that only an operator can repair; the reason is logged here, once, and not shown to the client.
    pub fn internal(reason: impl fmt::Display) -> Self {
        error!(%reason, "a call could not be answered");
        Self::new(Code::Internal, "this node could not answer; its log says why")
    }

    /// Where the process is that was asked for, if it has moved.
    pub(crate) fn moved_to(&self) -> Option<&MovedTo> {
        self.moved.as_ref()
    }

    /// What kind of error it is: for a program.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The body of the answer.
    pub(crate) fn to_json(&self) -> String {
        serde_json::json!({ "error": self.text, "code": self.code.as_str() }).to_string()
    }

    /// The same text and code with a status of its own.
    pub fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// The same with the number of seconds after which the client may try again.
    pub fn with_retry_after(self, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }
}

impl MovedTo {
    /// Says where what was asked for is.
    pub(crate) fn tell(&self, answer: &mut Response, asked: &Uri) {
        // An origin that no header may have was never taken.
        if let Ok(location) = HeaderValue::from_str(&below_origin(&self.origin, asked)) {
            answer.headers_mut().insert(header::LOCATION, location);
            answer.headers_mut().insert(VERSION, self.version.into());
        }
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
        let answer = Response::builder().status(self.status).header(header::CONTENT_TYPE, "application/json");
        // Whoever takes the code for an answer of another kind does not mean that.
        let is_usual = matches!(self.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS);
        let usual = || self.code.retry_after_seconds().filter(|_| is_usual);
        let answer = match self.retry_after.or_else(usual) {
            Some(seconds) => answer.header(header::RETRY_AFTER, seconds),
            None => answer,
        };
        answer.body(self.to_json())
    }
}
