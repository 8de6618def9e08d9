//! The answer of a scheduler on its way to the client: a short one whole, a longer one a piece at a time.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use poem::Response;
use poem::http::StatusCode;
use poem::http::header::{self, HeaderMap};
use protocol::Code;
use reqwest::Url;
use web::{HttpError, IsCounted, MemoryClaim, Relayed, Share};

use crate::fleet::Fleet;
use crate::hop_headers::answered_with;
use crate::member::FleetMember;
use crate::moving::MovedHome;
use crate::places::{CallKind, CallPlace};
use crate::scheduler_url::SchedulerUrl;
use crate::upstream::{Outgoing, Upstream, away, said, unknown};

/// How much of an answer is held at a time; one that is no longer comes as a whole, and gives its socket back at once.
const PIECE: usize = 64 << 10;

/// The answer as it came, with its place until it is there.
pub(crate) async fn relay(
    upstream: &Upstream,
    answer: reqwest::Response,
    member: &FleetMember,
    call: &Outgoing,
    place: CallPlace,
) -> Result<Response, HttpError> {
    let status = answer.status();
    if status.is_informational() {
        // Nobody asked for another protocol: whoever is in front would take all that comes after it for that.
        return Err(unknown(member, &format!("what it says ({status}) is no answer to this call")));
    }
    let headers = answered_with(answer.headers());
    let length = answer.headers().get(header::CONTENT_LENGTH);
    // The one that counts is in the chunks, where there are any.
    let length = length.filter(|_| !answer.headers().contains_key(header::TRANSFER_ENCODING)).cloned();
    let goes_on = is_stream(answer.headers());
    let body = reqwest::Body::from(answer);
    let exact = body.size_hint().exact().and_then(|length| usize::try_from(length).ok());
    let held = exact.unwrap_or(PIECE).min(PIECE);
    let claim = call.budget.claim(Share::Answers, held).await?;
    let passing = if exact.is_some_and(|length| length <= PIECE) {
        let whole = body.collect().await.map_err(|error| match call.only_reads() {
            true => away(member, &said(&error)),
            false => unknown(member, &said(&error)),
        })?;
        drop(place);
        Passing {
            body: BoxBody::new(Full::new(whole.to_bytes()).map_err(io::Error::other)),
            _claim: claim,
            _place: None,
        }
    } else {
        let place = match call.kind {
            CallKind::Posts => place,
            CallKind::Waits if goes_on => place,
            // It waits for nothing any more but the client.
            CallKind::Reads | CallKind::Waits | CallKind::Long => upstream.place(member, CallKind::Long)?,
        };
        Passing { body: BoxBody::new(body.map_err(io::Error::other)), _claim: claim, _place: Some(place) }
    };
    let mut response = Response::builder().status(status).body(BoxBody::new(passing));
    response.headers_mut().extend(headers);
    // Of an answer to HEAD nothing else tells it.
    if let Some(length) = length.filter(|_| status != StatusCode::NO_CONTENT) {
        response.headers_mut().insert(header::CONTENT_LENGTH, length);
    }
    response.extensions_mut().insert(IsCounted);
    response.extensions_mut().insert(Relayed);
    Ok(response)
}

/// Refuses an answer that leads elsewhere than to a scheduler of the fleet.
pub(crate) fn check_leads(fleet: &Fleet, from: &FleetMember, answer: &Response) -> Result<(), HttpError> {
    let Some(location) = answer.headers().get(header::LOCATION).filter(|_| answer.status().is_redirection())
    else {
        return Ok(());
    };
    // As a browser reads it.
    let to =
        location.to_str().ok().and_then(|location| Url::parse(from.url.as_str()).ok()?.join(location).ok());
    let to: Option<SchedulerUrl> = to.and_then(|to| to.origin().ascii_serialization().parse().ok());
    if to.as_ref().is_some_and(|to| fleet.at(to).is_some()) {
        return Ok(());
    }
    let Some(to) = to else {
        return Err(HttpError::new(
            Code::GatewayError,
            format!("the scheduler {} leads to a place that is no URL of a scheduler", from.url),
        ));
    };
    if MovedHome::of(answer.headers()).is_some() {
        let text = format!(
            "the process has moved to {to}, which this router does not know: `quipu router add {to}` adds it"
        );
        return Err(HttpError::new(Code::Unavailable, text));
    }
    let text = format!("the scheduler {} leads to {to}, which is no scheduler of this router", from.url);
    Err(HttpError::new(Code::GatewayError, text))
}

/// Whether it goes on with what is to come.
pub(crate) fn is_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("text/event-stream"))
}

/// The body of an answer on its way, with the memory for a piece of it and the place of its socket.
struct Passing {
    body: BoxBody<Bytes, io::Error>,
    _claim: MemoryClaim,
    _place: Option<CallPlace>,
}

impl Body for Passing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use poem::error::ResponseError;
    use web::fleet_headers::VERSION;

    use super::*;
    use crate::list::SchedulerFlags;
    use crate::state::{KnownScheduler, SchedulerNumber};

    #[test]
    fn an_answer_leads_to_schedulers_of_the_fleet_alone() {
        let fleet = Fleet::default();
        let known = |number, url: &str| {
            KnownScheduler::new(SchedulerNumber(number), url.parse().unwrap(), SchedulerFlags::default())
        };
        fleet.set(vec![known(1, "http://su1:1"), known(2, "https://su2")], true);
        let from = fleet.member(SchedulerNumber(1)).unwrap();
        let refusal = |status: u16, location: &str, moved: bool| {
            let status = StatusCode::from_u16(status).unwrap();
            let mut answer = Response::builder().status(status).header(header::LOCATION, location);
            if moved {
                answer = answer.header(VERSION, "1");
            }
            check_leads(&fleet, &from, &answer.finish()).map_err(|refused| refused.status().as_u16()).err()
        };
        for (status, location) in
            [(307, "http://su1:1/P"), (302, "https://su2/P?a=b"), (301, "/P"), (200, "http://evil/")]
        {
            assert_eq!(refusal(status, location, false), None, "{status} {location}");
        }
        for location in [
            "//evil.example/x",
            "http://evil.example",
            "\\\\evil.example",
            "javascript:alert(1)",
            "http://su1:2/",
        ] {
            assert_eq!(refusal(302, location, false), Some(502), "{location}");
        }
        assert_eq!(refusal(307, "http://su3:1/P", true), Some(503));
    }
}
