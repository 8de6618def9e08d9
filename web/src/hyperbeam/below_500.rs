//! HyperBEAM's readers end with a 5xx or a 201, so neither is answered to a call of its form: not by the call, nor by what is
//! around it, nor by what it is passed on to.

use std::sync::Arc;

use poem::error::ResponseError;
use poem::http::{HeaderValue, StatusCode, header};
use poem::{Endpoint, Request, Response};
use protocol::Code;

use crate::counted::Relayed;
use crate::error::HttpError;

/// After how many seconds a client may come again that is not told so.
const COME_AGAIN: HeaderValue = HeaderValue::from_static("1");

/// Answers a call of this form with 429 or 424 where its readers would end.
pub(super) async fn below_500<E: Endpoint<Output = Response>>(
    endpoint: Arc<E>,
    request: Request,
) -> poem::Result<Response> {
    let is_meant = is_call(request.uri().path());
    let answer = endpoint.call(request).await?;
    let status = answer.status();
    Ok(match is_meant {
        true if !is_taken(status) => lowered(answer),
        true if is_page(&answer) && status.is_client_error() => instead_of(&answer, status),
        true if is_page(&answer) => instead_of(&answer, StatusCode::FAILED_DEPENDENCY),
        _ => answer,
    })
}

/// Whether a plain path is one of this form, be it of a device that is not here: nothing else looks like that.
fn is_call(path: &str) -> bool {
    let parts: Vec<_> = path.split('/').skip(1).take(4).collect();
    let is_device = matches!(parts[..], [_, "push" | "compute" | "now", ..]) || path.contains('~');
    is_device || matches!(parts[..], [_, "schedule" | "slot"] | [_, "slot", "current"])
}

/// Whether readers understand the status.
fn is_taken(status: StatusCode) -> bool {
    status != StatusCode::CREATED && (200..500).contains(&status.as_u16())
}

fn lowered(answer: Response) -> Response {
    let status = answer.status();
    let lower = match status {
        StatusCode::SERVICE_UNAVAILABLE => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::FAILED_DEPENDENCY,
    };
    let mut answer = if is_foreign(&answer) { instead_of(&answer, lower) } else { answer };
    answer.set_status(lower);
    tell_when(&mut answer);
    answer
}

/// Whoever is to come again is told when.
fn tell_when(answer: &mut Response) {
    if answer.status() == StatusCode::TOO_MANY_REQUESTS {
        answer.headers_mut().entry(header::RETRY_AFTER).or_insert(COME_AGAIN);
    }
}

/// What is told in the place of an answer that is not passed on.
fn instead_of(answer: &Response, status: StatusCode) -> Response {
    let found = answer.status();
    let text = format!("what stands before the scheduler of this process answered with the status {found}");
    let mut told = HttpError::new(Code::GatewayError, text).as_response();
    told.set_status(status);
    if let Some(when) = answer.headers().get(header::RETRY_AFTER) {
        told.headers_mut().insert(header::RETRY_AFTER, when.clone());
    }
    tell_when(&mut told);
    told
}

/// Whether it is a page for people, which a proxy before a scheduler has made.
fn is_page(answer: &Response) -> bool {
    let is_html = |kind: &str| kind.starts_with("text/html") || kind.starts_with("application/xhtml");
    let is_redirection = answer.status().is_redirection();
    answer.data::<Relayed>().is_some() && !is_redirection && answer.content_type().is_some_and(is_html)
}

/// Whether it is no refusal of a scheduler, but what a proxy before one made for people, or no refusal at all.
fn is_foreign(answer: &Response) -> bool {
    let is_json = answer.content_type().is_some_and(|kind| kind.starts_with("application/json"));
    answer.data::<Relayed>().is_some() && !(is_json && answer.status().is_server_error())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use poem::EndpointExt;
    use poem::endpoint::make;

    use super::*;

    /// What comes of an answer to a call: status, type, and when to come again.
    async fn told(path: &str, answer: fn() -> Response) -> (u16, Option<String>, Option<String>) {
        let endpoint = make(move |_| async move { Ok::<_, poem::Error>(answer()) }).around(below_500);
        let answer = endpoint.call(Request::builder().uri_str(path).finish()).await.unwrap();
        let text = |name| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        (answer.status().as_u16(), text(header::CONTENT_TYPE), text(header::RETRY_AFTER))
    }

    fn html(status: StatusCode) -> Response {
        let mut answer = Response::builder().status(status).content_type("text/html").body("<html>");
        answer.extensions_mut().insert(Relayed);
        answer
    }

    /// An older kind of scheduler: what it says is of no form that readers know, whatever its type.
    #[tokio::test]
    async fn what_a_scheduler_says_with_another_status_is_not_passed_on() {
        let created = |is_relayed: bool| {
            let mut answer = Response::builder().status(StatusCode::CREATED).content_type("application/json");
            if is_relayed {
                answer = answer.extension(Relayed);
            }
            answer.body(r#"{"slot":7}"#)
        };
        for is_relayed in [true, false] {
            let endpoint =
                make(move |_| async move { Ok::<_, poem::Error>(created(is_relayed)) }).around(below_500);
            let answer = endpoint.call(Request::builder().uri_str("/P/schedule").finish()).await.unwrap();
            assert_eq!(answer.status(), StatusCode::FAILED_DEPENDENCY);
            let text = answer.into_body().into_string().await.unwrap();
            assert_eq!(text.contains("answered with the status 201"), is_relayed, "{text}");
        }
    }

    #[tokio::test]
    async fn each_5xx_is_a_4xx_at_these_paths_alone() {
        let internal = || HttpError::internal("x").as_response();
        let away = || HttpError::new(Code::Unavailable, "x").with_retry_after(7).as_response();
        let json = |status: u16, again: Option<&str>| {
            (status, Some("application/json".to_owned()), again.map(str::to_owned))
        };
        for path in [
            "/P/schedule",
            "/~scheduler@1.0/schedule?target=P",
            "/P/~scheduler@1.0/schedule",
            "/P/slot",
            "/P/slot/current",
            "/P/push",
            "/P~process@1.0/push",
            "/P/compute/results=0",
            "/P~process@1.0/as=execution/compute",
            "/~relay@1.0/call",
        ] {
            assert_eq!(told(path, internal).await, json(424, None), "{path}");
            assert_eq!(told(path, away).await, json(429, Some("7")), "{path}");
        }
        for path in [
            "/",
            "/P",
            "/P/latest",
            "/schedule",
            "/slot",
            "/P/slot/currently",
            "/P/x/schedule",
            "/P/slot/current/x",
        ] {
            assert_eq!(told(path, internal).await.0, 500, "{path}");
            assert_eq!(told(path, away).await, json(503, Some("7")), "{path}");
        }
        // A page for people, of a proxy in front of a scheduler.
        assert_eq!(told("/P/slot", || html(StatusCode::BAD_GATEWAY)).await, json(424, None));
        assert_eq!(told("/P/slot", || html(StatusCode::SERVICE_UNAVAILABLE)).await, json(429, Some("1")));
        assert_eq!(told("/P/schedule", || html(StatusCode::CREATED)).await, json(424, None));
        assert_eq!(told("/P/schedule", || html(StatusCode::SWITCHING_PROTOCOLS)).await, json(424, None));
        assert_eq!(told("/P", || html(StatusCode::BAD_GATEWAY)).await.0, 502);
        for (page, status) in [
            ((|| html(StatusCode::NOT_FOUND)) as fn() -> Response, 404),
            (|| html(StatusCode::PAYLOAD_TOO_LARGE), 413),
            (|| html(StatusCode::OK), 424),
        ] {
            assert_eq!(told("/P/slot", page).await, json(status, None));
        }
        let busy = || html(StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(told("/P/slot", busy).await, json(429, Some("1")));
        let later = || {
            let mut busy = html(StatusCode::TOO_MANY_REQUESTS);
            busy.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("9"));
            busy
        };
        assert_eq!(told("/P/slot", later).await, json(429, Some("9")));
        assert_eq!(told("/P/slot", || html(StatusCode::TEMPORARY_REDIRECT)).await.0, 307);
        assert_eq!(told("/P", || html(StatusCode::NOT_FOUND)).await.1.as_deref(), Some("text/html"));
    }
}
