//! Any page may call a node, and sees every answer of it, refusals and redirects included.

use std::sync::Arc;

use poem::http::{HeaderValue, Method, StatusCode, header};
use poem::{Endpoint, Request, Response};

const ANY: HeaderValue = HeaderValue::from_static("*");
/// How a path may be called that nothing is at: so that a page gets to see that.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, OPTIONS");
/// How long a browser may remember that it may call, in seconds: a day, and less where the browser has its own limit.
const REMEMBERED: HeaderValue = HeaderValue::from_static("86400");

/// Opens every answer, and allows what preflights ask for.
pub(crate) async fn allow_all<E: Endpoint<Output = Response>>(
    endpoint: Arc<E>,
    request: Request,
) -> poem::Result<Response> {
    let asks = *request.method() == Method::OPTIONS;
    let asked = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    let mut answer = endpoint.call(request).await?;
    if asks {
        permit(&mut answer, asked);
    }
    answer.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
    answer.headers_mut().insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, ANY);
    Ok(answer)
}

/// Makes an answer to OPTIONS the permission to call.
fn permit(answer: &mut Response, asked: Option<HeaderValue>) {
    answer.set_status(StatusCode::NO_CONTENT);
    drop(answer.take_body());
    let headers = answer.headers_mut();
    headers.remove(header::CONTENT_TYPE);
    let methods = headers.get(header::ALLOW).cloned().unwrap_or(METHODS);
    headers.insert(header::ALLOW, methods.clone());
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    // What is asked for is allowed by name: the asterisk would leave out Authorization.
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked.unwrap_or(ANY));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, REMEMBERED);
}
