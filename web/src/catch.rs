//! Makes every error of an endpoint, poem's own included, the answer that clients expect.

use std::any::Any;
use std::sync::Arc;

use poem::error::{ParsePathError, ResponseError};
use poem::http::{Method, StatusCode, Uri, header};
use poem::{Endpoint, IntoResponse, PathPattern, Request, Response};
use protocol::Code;

use crate::error::HttpError;
use crate::params::WrongParameter;
use crate::routes::{DOCS, KnownRoute, Routes};

/// Answers errors as JSON. The answer keeps the route that the request was matched with.
pub(crate) async fn errors<E: Endpoint>(
    endpoint: Arc<E>,
    request: Request,
    routes: Arc<Routes>,
) -> poem::Result<Response> {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let error = match endpoint.call(request).await {
        Ok(answer) => return Ok(answer.into_response()),
        Err(error) => error,
    };
    let matched = error.data::<PathPattern>().cloned();
    let moved = error.downcast_ref::<HttpError>().and_then(HttpError::moved_to).cloned();
    let mut answer = answer(error, &method, &asked_for(&uri), routes.find(matched.as_ref()));
    if let Some(moved) = moved {
        moved.tell(&mut answer, &uri);
    }
    if let Some(matched) = matched {
        answer.set_data(matched);
    }
    Ok(answer)
}

/// The path as it can be shown; CONNECT has none, but a host.
fn asked_for(uri: &Uri) -> String {
    let asked = match (uri.path(), uri.authority()) {
        ("", Some(authority)) => authority.as_str(),
        (path, _) => path,
    };
    asked.escape_default().to_string()
}

/// What a client is told of a call that panicked.
pub(crate) fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let reason = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked");
    HttpError::internal(reason).as_response()
}

fn answer(error: poem::Error, method: &Method, path: &str, route: Option<&KnownRoute>) -> Response {
    if error.is::<HttpError>() {
        return error.into_response();
    }
    match (error.status(), route) {
        (StatusCode::METHOD_NOT_ALLOWED, Some(route)) => other_method(method, route),
        (StatusCode::NOT_FOUND, _) => {
            HttpError::not_found(format!("there is no call {method} {path}; {DOCS} lists all")).as_response()
        }
        (status, _) if status.is_client_error() => {
            let code =
                if status == StatusCode::PAYLOAD_TOO_LARGE { Code::TooLarge } else { Code::InvalidParameter };
            HttpError::new(code, reason(&error, route)).with_status(status).as_response()
        }
        _ => HttpError::internal(error).as_response(),
    }
}

/// The path is there, but does not take this method. OPTIONS asks for just that.
fn other_method(method: &Method, route: &KnownRoute) -> Response {
    let mut answer = if *method == Method::OPTIONS {
        StatusCode::NO_CONTENT.into_response()
    } else {
        let taken = route.allow.to_str().unwrap_or_default();
        let text = format!("{} does not take {method}; expected one of {taken}", route.path);
        HttpError::not_found(text).with_status(StatusCode::METHOD_NOT_ALLOWED).as_response()
    };
    answer.headers_mut().insert(header::ALLOW, route.allow.clone());
    answer
}

fn reason(error: &poem::Error, route: Option<&KnownRoute>) -> String {
    if error.is::<ParsePathError>() {
        return "the path is wrong: expected text of UTF-8, where bytes are written as %XX".to_owned();
    }
    match error.downcast_ref::<WrongParameter>() {
        Some(wrong) => wrong.told(|place| route.and_then(|route| route.parameter(place))),
        None => error.to_string(),
    }
}
