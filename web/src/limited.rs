//! A listener that lets in whom its operator lets in: each request is held against the limits of clients before it is
//! routed, and who is refused is told so like all others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use limits::{ClientAddress, ClientHeaders, ClientLimits, LimitRefusal};
use poem::endpoint::BoxEndpoint;
use poem::error::ResponseError;
use poem::http::header::HeaderName;
use poem::http::{Method, StatusCode};
use poem::{Addr, Endpoint, Request, Response};
use poem_openapi::OpenApi;
use poem_openapi::registry::{MetaApi, Registry};
use poem_openapi::types::Type;

use crate::body::RawBody;
use crate::error::HttpError;
use crate::error_form::{ErrorForm, documented};

const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const TOO_MANY: &str = "Too many requests from this address; the header `Retry-After` says in how many seconds to try again: \
                        `unavailable`.";

/// Lets in whoever may come, and refuses the others.
pub(crate) async fn let_in<E: Endpoint<Output = Response>>(
    endpoint: Arc<E>,
    mut request: Request,
    limits: Arc<ClientLimits>,
) -> poem::Result<Response> {
    let Err(refusal) = check(&request, &limits) else { return endpoint.call(request).await };
    refusal.count();
    RawBody::discard(&mut request);
    Ok(HttpError::from(refusal).as_response())
}

/// Who sent a request, its peer and what headers say; nobody when it came over no network.
fn sender(request: &Request) -> Option<(IpAddr, ClientHeaders<'_>)> {
    let Addr::SocketAddr(peer) = &request.remote_addr().0 else { return None };
    let texts = |name| {
        let values = request.headers().get_all(name).iter();
        // What is no text is no address either.
        values.map(|value| value.to_str().unwrap_or_default()).collect()
    };
    let headers = ClientHeaders { real_ip: texts(REAL_IP), forwarded_for: texts(FORWARDED_FOR) };
    Some((peer.ip(), headers))
}

/// Whom a request is from, as far as its peer is a proxy that is trusted to say so.
pub fn client_of(request: &Request, limits: &ClientLimits) -> Option<ClientAddress> {
    let (peer, headers) = sender(request)?;
    Some(limits.client(peer, &headers))
}

fn check(request: &Request, limits: &ClientLimits) -> Result<(), LimitRefusal> {
    let Some((peer, headers)) = sender(request) else { return Ok(()) };
    let sends = *request.method() == Method::POST && is_sent_to(request.uri().path());
    limits.check(peer, &headers, sends)
}

/// Whether clients send there what is to be scheduled, in either form of the calls. What else is posted only asks.
fn is_sent_to(path: &str) -> bool {
    path == "/" || path.ends_with("/schedule")
}

impl From<LimitRefusal> for HttpError {
    fn from(refusal: LimitRefusal) -> Self {
        let error = Self::new(refusal.code(), refusal.to_string());
        match refusal.too_many() {
            Some(seconds) => error.with_status(StatusCode::TOO_MANY_REQUESTS).with_retry_after(seconds),
            None => error,
        }
    }
}

/// Calls of a listener that limits its clients, which each of them documents.
pub struct Limited<A>(pub A);

impl<A: OpenApi> OpenApi for Limited<A> {
    fn meta() -> Vec<MetaApi> {
        let mut calls = A::meta();
        for path in calls.iter_mut().flat_map(|api| &mut api.paths) {
            for call in &mut path.operations {
                let answers = &mut call.responses.responses;
                let status = StatusCode::TOO_MANY_REQUESTS.as_u16();
                // A call may have said so of itself.
                if !answers.iter().any(|answer| answer.status == Some(status)) {
                    answers.push(documented(status, TOO_MANY));
                    answers.sort_by_key(|answer| answer.status);
                }
            }
        }
        calls
    }

    fn register(registry: &mut Registry) {
        ErrorForm::register(registry);
        A::register(registry);
    }

    fn add_routes(self, table: &mut HashMap<String, HashMap<Method, BoxEndpoint<'static>>>) {
        self.0.add_routes(table);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::time::Duration;

    use poem::http::header::RETRY_AFTER;
    use protocol::Code;

    use super::*;

    #[test]
    fn one_request_too_many_is_no_failure_of_the_node() {
        let answer = HttpError::from(LimitRefusal::TooMany(Duration::from_millis(1500))).as_response();
        assert_eq!(
            (answer.status(), &answer.headers()[RETRY_AFTER]),
            (StatusCode::TOO_MANY_REQUESTS, &2.into())
        );
        let answer = HttpError::from(LimitRefusal::ListUnknown("the list")).as_response();
        assert_eq!(
            (answer.status(), &answer.headers()[RETRY_AFTER]),
            (StatusCode::SERVICE_UNAVAILABLE, &1.into())
        );
        let error = HttpError::from(LimitRefusal::UnclearAddress);
        assert_eq!((error.code(), error.as_response().status()), (Code::Forbidden, StatusCode::FORBIDDEN));
    }
}
