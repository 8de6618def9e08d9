//! Messages that a standby passes on to the leader that it follows.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use poem::http::StatusCode;
use protocol::Code;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use web::HttpError;

/// Passes messages on to a leader.
pub trait ForwardWrites: Send + Sync {
    /// Posts it there; what the leader says.
    fn forward(&self, call: ForwardedCall) -> BoxFuture<'_, Result<ForwardedAnswer, ForwardError>>;
}

/// What is passed on.
#[derive(Clone, Debug, Default)]
pub struct ForwardedCall {
    /// The path below where the leader is, part by part; none for `POST /`.
    pub path: Vec<String>,
    /// The query.
    pub parameters: Vec<(&'static str, String)>,
    /// What the body is, where the call has to say so.
    pub content_type: Option<&'static str>,
    /// The body.
    pub body: Bytes,
}

/// What a leader says.
#[derive(Clone, Debug)]
pub struct ForwardedAnswer {
    /// The status of its answer.
    pub status: u16,
    /// In how many seconds it may be asked again, where it says so.
    pub retry_after: Option<u32>,
    /// What is in it.
    pub body: Vec<u8>,
}

/// Why there is no answer of a leader.
#[derive(Clone, Debug, Error)]
pub enum ForwardError {
    /// Nothing was sent to it.
    #[error("this node is a standby, and the leader cannot be reached: {0}; nothing was sent, try again")]
    NotReached(String),
    /// It is not known whether it took it.
    #[error(
        "this node is a standby, and the leader has not answered: {0}; it is not known whether it took the message; send \
         it again, a repetition is recognised"
    )]
    Broken(String),
}

impl From<ForwardError> for HttpError {
    fn from(error: ForwardError) -> Self {
        let code = match &error {
            ForwardError::NotReached(_) => Code::Unavailable,
            ForwardError::Broken(_) => Code::GatewayError,
        };
        Self::new(code, error.to_string())
    }
}

#[derive(Deserialize)]
struct RefusedThere {
    error: String,
    code: String,
}

/// The answer of a leader as that of this node.
pub(crate) fn passed_on<T: DeserializeOwned>(answer: &ForwardedAnswer) -> Result<T, HttpError> {
    let strange = || {
        let text = format!("it answers {} with what is no answer to a message", answer.status);
        HttpError::from(ForwardError::Broken(text))
    };
    if answer.status == 200 {
        return serde_json::from_slice(&answer.body).map_err(|_| strange());
    }
    let RefusedThere { error, code } = serde_json::from_slice(&answer.body).map_err(|_| strange())?;
    let code = Code::ALL.into_iter().find(|known| known.as_str() == code).ok_or_else(strange)?;
    // Where it leads its text says: this node does not know yet.
    let status = if answer.status == 307 { code.status() } else { answer.status };
    let status = StatusCode::from_u16(status).map_err(|_| strange())?;
    let refused = HttpError::new(code, error).with_status(status);
    Err(match answer.retry_after {
        Some(seconds) => refused.with_retry_after(seconds),
        None => refused,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use poem::error::ResponseError;

    use super::*;
    use crate::public::ScheduledForm;

    #[test]
    fn what_a_leader_says_is_passed_on() {
        let later = |status, retry_after, body: &str| {
            passed_on::<ScheduledForm>(&ForwardedAnswer { status, retry_after, body: body.into() })
        };
        let answer = |status, body: &str| later(status, None, body);
        let scheduled = answer(200, r#"{"id":"a","timestamp":7}"#).unwrap();
        assert_eq!((&*scheduled.id, scheduled.timestamp), ("a", 7));
        for (status, body, told, code) in [
            (409, r#"{"error":"it is there","code":"duplicate_message"}"#, 409, Code::DuplicateMessage),
            (503, r#"{"error":"full","code":"unavailable"}"#, 503, Code::Unavailable),
            (307, r#"{"error":"it has moved to http://su2","code":"unavailable"}"#, 503, Code::Unavailable),
            (200, "ok", 502, Code::GatewayError),
            (500, "<html>", 502, Code::GatewayError),
            (400, r#"{"error":"new","code":"unheard_of"}"#, 502, Code::GatewayError),
        ] {
            let refused = answer(status, body).unwrap_err();
            assert_eq!((refused.status().as_u16(), refused.code()), (told, code), "{status} {body}");
        }
        // Those that it has spread over some seconds do not come back all at once.
        let busy = later(503, Some(7), r#"{"error":"full","code":"unavailable"}"#).unwrap_err();
        assert_eq!(busy.as_response().headers()["retry-after"], "7");
    }
}
