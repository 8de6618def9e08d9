//! Any page may call a node, and sees every answer of it, refusals and redirects included.

use std::sync::Arc;

use poem::http::{HeaderValue, Method, StatusCode, header};
use poem::{Endpoint, Request, Response};

const ANY: HeaderValue = HeaderValue::from_static("*");
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, OPTIONS");
/// How long a browser may remember that it may call, in seconds: a day, and less where the browser has its own limit.
const REMEMBERED: HeaderValue = HeaderValue::from_static("86400");

/// Answers preflights itself, and opens every other answer.
pub async fn allow_all<E: Endpoint<Output = Response>>(
    endpoint: Arc<E>,
    request: Request,
) -> poem::Result<Response> {
    let mut answer = match request.method() {
        &Method::OPTIONS => preflight(&request),
        _ => endpoint.call(request).await?,
    };
    answer.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
    answer.headers_mut().insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, ANY);
    Ok(answer)
}

fn preflight(request: &Request) -> Response {
    // What is asked for is allowed by name: the asterisk would leave out Authorization.
    let headers = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned().unwrap_or(ANY);
    Response::builder()
        .status(StatusCode::NO_CONTENT)
        .header(header::ALLOW, METHODS)
        .header(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS)
        .header(header::ACCESS_CONTROL_ALLOW_HEADERS, headers)
        .header(header::ACCESS_CONTROL_MAX_AGE, REMEMBERED)
        .finish()
}
