//! HyperBEAM's readers end with a 5xx or a 201, so neither is answered to a call of its form: not by the call, nor by what is
//! around it, nor by what it is passed on to. Of what stands before a scheduler nothing is passed on as if that had said it.

use std::sync::Arc;

use poem::error::ResponseError;
use poem::http::{HeaderValue, Method, StatusCode, header};
use poem::{Endpoint, Request, Response};
use protocol::Code;

use crate::counted::Relayed;
use crate::error::HttpError;
use crate::hyperbeam::essence;

/// After how many seconds a client may come again that is not told so.
const COME_AGAIN: HeaderValue = HeaderValue::from_static("1");

/// Answers a call of this form with 429 or 424 where its readers would end.
pub(super) async fn below_500<E: Endpoint<Output = Response>>(
    endpoint: Arc<E>,
    request: Request,
) -> poem::Result<Response> {
    let path = request.uri().path();
    if !is_call(path) {
        return endpoint.call(request).await;
    }
    let wanted = Wanted::of(request.method(), path);
    let mut answer = endpoint.call(request).await?;
    let status = answer.status();
    if !is_taken(status) {
        return Ok(lowered(answer));
    }
    if answer.data::<Relayed>().is_some() {
        if status.is_client_error() && !is_of_type(&answer, JSON) {
            return Ok(instead_of(&answer, status));
        }
        if status.is_success() && wanted.is_some_and(|wanted| !wanted.is_met(&answer)) {
            return Ok(instead_of(&answer, StatusCode::FAILED_DEPENDENCY));
        }
    }
    tell_when(&mut answer);
    Ok(answer)
}

const JSON: &str = "application/json";

/// What a scheduler answers to a call that it takes, as far as readers need it.
#[derive(Clone, Copy)]
enum Wanted {
    /// The slot in a header: whoever finds none goes on without.
    Placed,
    /// A number as text.
    Text,
    /// JSON.
    Json,
}

impl Wanted {
    /// Of other methods nothing is wanted.
    fn of(method: &Method, path: &str) -> Option<Self> {
        match *method {
            Method::POST if path.ends_with("/schedule") => Some(Self::Placed),
            Method::GET | Method::HEAD | Method::POST if path.ends_with("/slot/current") => Some(Self::Text),
            Method::GET | Method::HEAD | Method::POST => Some(Self::Json),
            _ => None,
        }
    }

    fn is_met(self, answer: &Response) -> bool {
        let is_number = |slot: &HeaderValue| slot.to_str().is_ok_and(|slot| slot.parse::<u64>().is_ok());
        let is_empty = answer.headers().get(header::CONTENT_LENGTH).is_some_and(|length| length == "0");
        let is_met = match self {
            Self::Placed => answer.headers().get("slot").is_some_and(is_number),
            Self::Text => is_of_type(answer, "text/plain"),
            Self::Json => is_of_type(answer, JSON),
        };
        answer.status() == StatusCode::OK && is_met && !is_empty
    }
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
    let unlike = if found == StatusCode::OK { ", and not what a scheduler answers" } else { "" };
    let text =
        format!("what stands before the scheduler of this process answered with the status {found}{unlike}");
    let mut told = HttpError::new(Code::GatewayError, text).as_response();
    told.set_status(status);
    if let Some(when) = answer.headers().get(header::RETRY_AFTER) {
        told.headers_mut().insert(header::RETRY_AFTER, when.clone());
    }
    tell_when(&mut told);
    told
}

fn is_of_type(answer: &Response, kind: &str) -> bool {
    answer.content_type().is_some_and(|found| essence(found) == kind)
}

/// Whether it is no refusal of a scheduler, but what a proxy before one made for people, or no refusal at all.
fn is_foreign(answer: &Response) -> bool {
    answer.data::<Relayed>().is_some() && !(is_of_type(answer, JSON) && answer.status().is_server_error())
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

    /// A proxy, or whatever else has its address: clients would go on with what is no slot.
    #[tokio::test]
    async fn what_stands_before_a_scheduler_does_not_speak_for_it() {
        let told = async |method: Method, path: &str, status: u16, kind: &str, slot: &str| {
            let headers = [("content-type", kind.to_owned()), ("slot", slot.to_owned())];
            let endpoint = make(move |_| {
                let mut answer = Response::builder().status(StatusCode::from_u16(status).unwrap());
                for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
                    answer = answer.header(*name, value);
                }
                let answer = answer.extension(Relayed).body("7");
                async move { Ok::<_, poem::Error>(answer) }
            });
            let request = Request::builder().method(method).uri_str(path).finish();
            let answer = endpoint.around(below_500).call(request).await.unwrap();
            let told = answer.status().as_u16();
            // A refusal is JSON, always.
            assert!(told == 200 || told == 307 || is_of_type(&answer, JSON), "{path} {status} {kind}");
            assert_eq!(told == 429, answer.headers().contains_key(header::RETRY_AFTER));
            told
        };
        const TEXT: &str = "text/plain; charset=utf-8";
        const AS_JSON: &str = "application/json; charset=utf-8";
        for (get, post) in [("/P/slot/current", "/P/schedule"), ("/P/schedule", "/P/~scheduler@1.0/schedule")]
        {
            for kind in [TEXT, "text/xml", "", AS_JSON] {
                for status in [404, 413, 418, 429] {
                    assert_eq!(told(Method::GET, get, status, kind, "").await, status, "{kind}");
                    assert_eq!(told(Method::POST, post, status, kind, "").await, status, "{kind}");
                }
                for status in [200, 204, 207] {
                    assert_eq!(told(Method::POST, post, status, kind, "").await, 424, "{kind}");
                    assert_eq!(told(Method::POST, post, status, kind, "x").await, 424, "{kind}");
                }
            }
            assert_eq!(told(Method::POST, post, 200, AS_JSON, "7").await, 200);
            assert_eq!(told(Method::POST, post, 204, AS_JSON, "7").await, 424);
            assert_eq!(told(Method::POST, post, 307, "", "").await, 307);
        }
        for (path, right, wrong) in [
            ("/P/slot/current", TEXT, AS_JSON),
            ("/P/slot", AS_JSON, TEXT),
            ("/~scheduler@1.0/schedule", AS_JSON, TEXT),
        ] {
            for (status, kind, expected) in
                [(200, right, 200), (200, wrong, 424), (200, "", 424), (204, right, 424), (207, right, 424)]
            {
                assert_eq!(
                    told(Method::GET, path, status, kind, "").await,
                    expected,
                    "{path} {status} {kind}"
                );
            }
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
